"""An explanation alone gives every amount again: from the JSON of the API, by a reader who knows no program."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from math import floor, prod
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.attribution import views
from services.attribution.domain.changes import Candidate
from services.attribution.domain.explain import explain
from services.attribution.loading import DealPage
from shared import money
from tests.unit.attribution.worlds import PAYING, World, worlds

Json = dict[str, Any]
Name = tuple[str, ...]
"""What a part is called in the order in which ties are settled: by the first word, then by the next."""


def shown(world: World) -> Json:
    """The deal as the API shows it to the vendor, read back from the bytes it sends."""
    page = DealPage(Candidate(world.deal, None), None, [], explain(world.deal, world.touches, (), *world.given))
    read: Json = json.loads(orjson.dumps(views.deal(page, lines=views.lines(page))))
    return read


def minor(amount: Mapping[str, str]) -> int:
    return money.to_minor(amount["amount"], amount["currency"])


def largest_remainders(whole: int, parts: Mapping[Name, Fraction]) -> dict[Name, tuple[int, bool]]:
    """Each part of a whole in units, and whether it got one of those that were left over."""
    size, sign = abs(whole), -1 if whole < 0 else 1
    exact = {name: size * part / sum(parts.values()) for name, part in parts.items()}
    left = size - sum(map(floor, exact.values()))
    order = sorted(exact, key=lambda name: (floor(exact[name]) - exact[name], name))
    return {name: (sign * (floor(exact[name]) + (name in order[:left])), name in order[:left]) for name in exact}


def product(line: Json) -> Fraction:
    """What a touchpoint weighs: the model's weight times every multiplier."""
    factors = [Fraction(factor["value"]) for factor in line["multipliers"]]
    return prod(factors, start=Fraction(line["raw_weight"]))


@pytest.mark.parametrize("kind", PAYING)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_shares_and_amounts_follow_from_what_is_shown(kind: str, data: st.DataObject) -> None:
    """Weights give each touchpoint's and partner's share, shares by the largest remainders each amount, to the cent."""
    page = shown(data.draw(worlds(kind)))
    division, lines = page["division"], [line for line in page["touchpoints"] if line["credited"]]
    if division is None:
        assert not lines
        return
    by_model, weights = Fraction(division["by_model"]), sum(map(product, lines))
    shares: dict[Name, Fraction] = {
        ("partner", one["partner"]): Fraction(one["originating"]) for one in division["partners"]
    }
    for line in lines:
        part = by_model * product(line) / weights
        assert Fraction(line["share"]) == part
        shares["partner", line["partner"]] += part
    assert [Fraction(one["share"]) for one in division["partners"]] == list(shares.values())
    assert sum(Fraction(one["originating"]) for one in division["partners"]) == Fraction(division["originating"])
    rest: dict[Name, Fraction] = {
        ("unattributed", one["reason"]): Fraction(one["share"]) for one in division["unattributed"]
    }
    assert sum((shares | rest).values()) == 1

    amounts = largest_remainders(minor(division["amount"]), shares | rest)
    assert [(minor(one["amount"]), one["leftover_unit"]) for one in division["partners"]] == [
        amounts[name] for name in shares
    ]
    assert [minor(one["amount"]) for one in division["unattributed"]] == [amounts[name][0] for name in rest]
    for one in division["partners"]:
        own = [line for line in lines if line["partner"] == one["partner"]]
        parts: dict[Name, Fraction] = {("line", line["source"], line["id"]): Fraction(line["share"]) for line in own}
        kept = {("originating",): Fraction(one["originating"])}
        again = largest_remainders(minor(one["amount"]), parts | kept)
        assert [(minor(line["amount"]), line["leftover_unit"]) for line in own] == [
            again["line", line["source"], line["id"]] for line in own
        ]


@settings(max_examples=150, deadline=None)
@given(world=worlds())
def test_every_touchpoint_is_explained_once(world: World) -> None:
    """Each of the account's touchpoints has one line: its figures, or the rule that left it out, in a sentence."""
    page = shown(world)
    told = [(line["source"], line["id"]) for line in page["touchpoints"]]
    assert sorted(told) == sorted((touch.source, touch.id) for touch in world.touches)
    instants = [(line["occurred_at"], line["source"], line["id"]) for line in page["touchpoints"]]
    assert instants == sorted(instants)
    for line in page["touchpoints"]:
        assert line["text"].endswith(".")
        assert line["credited"] or line["reason"]
