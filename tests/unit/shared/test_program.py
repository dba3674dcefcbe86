"""The program document: the owner's words become exact rules, and a word the engine does not apply is refused."""

from copy import deepcopy
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest

from shared import program
from shared.errors import Invalid
from shared.models import Position

DOCUMENT: dict[str, Any] = {
    "program": "northwind", "version": 1, "effective_from": "2026-01-01", "currency": "USD",
    "time_zone": "America/New_York",
    "activities": {"demo": {"means": "A demonstration.", "weight": 2}, "advice": {"means": "Advice.", "weight": 0.1}},
    "attribution": {
        "model": {"kind": "position", "first": "40%", "middle": "20%", "last": "40%"},
        "considers": {"lookback": "180 days", "grace": "14 days"},
    },
    "compensation": {"plans": {"influence": {"rate": {"silver": "2.5%", "gold": "8%"}, "hold": "30 days"}}},
    "tiers": {"silver": None, "gold": {}},
}  # fmt: skip


def changed(path: str, value: object) -> dict[str, Any]:
    document = deepcopy(DOCUMENT)
    *parents, last = path.split(".")
    place = document
    for name in parents:
        place = place[name]
    place[last] = value
    return document


def test_the_owners_words_become_exact_numbers() -> None:
    """Percentages and weights are fractions, periods are days."""
    rules = program.parse(DOCUMENT)
    assert [rule.rate for rule in rules.compensation.plans["influence"].rules] == [Fraction(2, 25), Fraction(1, 40)]
    assert rules.activities["advice"].weight == Fraction(1, 10)
    assert rules.attribution.considers.lookback == 180
    assert isinstance(rules.attribution.model, Position)


@pytest.mark.parametrize(
    ("path", "value", "field", "complaint"),
    [
        ("attribution.model.first", "50%", "attribution.model.position", "100%"),
        ("attribution.model.first", "0.4", "attribution.model.position.first", "percentage with its sign"),
        ("attribution.model.kind", "magic", "attribution.model", "magic"),
        ("attribution.considers.lookback", "half a year", "attribution.considers.lookback", "in days"),
        ("activities.demo.weight", 2.0001, "activities.demo.weight", "three decimals"),
        ("activities.demo.weight", -1, "activities.demo.weight", "weight between"),
        ("activities.demo.color", "red", "activities.demo.color", "no word of the program"),
        ("activities.demo.means", "", "activities.demo.means", "at least 1"),
        ("currency", "DOLLAR", "currency", "ISO 4217"),
        ("time_zone", "Mars/Olympus", "time_zone", "IANA"),
        ("compensation.plans.influence.rate", {"gold": "8%"}, "program", "lacks a rate for 'silver'"),
        ("tiers", {"gold": {}}, "program", "unknown tier 'silver'"),
        ("effective_from", "soon", "effective_from", "date"),
    ],
)
def test_a_fault_names_its_field_and_the_remedy(path: str, value: object, field: str, complaint: str) -> None:
    """Whoever wrote the document can find and mend each fault."""
    with pytest.raises(Invalid) as caught:
        program.parse(changed(path, value))
    [fault] = caught.value.faults
    assert fault.field == field
    assert complaint in fault.message


def test_the_version_in_force_at_the_close_governs() -> None:
    """The latest effective date not after the close wins, then the highest version, in any order of listing."""
    first = program.parse(DOCUMENT)
    second = program.parse(changed("version", 2) | {"effective_from": "2026-06-01"})
    third = program.parse(changed("version", 3) | {"effective_from": "2026-06-01"})
    for versions in ([first, second, third], [third, first, second]):
        assert program.governing(versions, datetime(2026, 7, 1, tzinfo=UTC)) is third
        assert program.governing(versions, datetime(2026, 3, 1, tzinfo=UTC)) is first
        assert program.governing(versions, datetime(2025, 3, 1, tzinfo=UTC)) is None


def test_the_close_date_is_a_day_in_the_programs_time_zone() -> None:
    """At 03:00 UTC on 1 January it is still the old year in New York."""
    rules = program.parse(DOCUMENT)
    assert program.governing([rules], datetime(2026, 1, 1, 3, tzinfo=UTC)) is None
    assert program.governing([rules], datetime(2026, 1, 1, 6, tzinfo=UTC)) is rules
