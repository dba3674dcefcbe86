"""Partners: what is refused, in which words, and what is appended."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.ingest.domain import batch, partners
from services.ingest.domain.batch import Refused
from shared.events.directory import PartnerUpserted

GOLDEN = Path(__file__).parents[2] / "contracts" / "golden" / "partner.upserted.json"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
RULES = partners.Rules(frozenset({"silver", "gold"}))
GOOD: dict[str, Any] = {"id": "p", "name": "P", "tier": "silver", "tier_since": "2026-01-01"}


def read(body: object, rules: partners.Rules = RULES) -> list[partners.Partner]:
    return batch.read(json.dumps(body).encode(), partners.SHAPE, rules.objections)


def test_the_event_is_the_one_its_consumers_read() -> None:
    """Without a version of its own, the partner gets the present instant in microseconds: the golden one."""
    golden = json.loads(GOLDEN.read_text())
    body = {key: value for key, value in golden.items() if key not in {"version", "received_at"}}
    (event,) = partners.events(read(body), "portal", NOW, None)
    assert PartnerUpserted.model_validate_json(event.data).model_dump(mode="json") == golden
    assert (event.key, event.id) == ("brightfield", '["brightfield","1767225600000000"]')


@pytest.mark.parametrize(
    ("change", "field", "complaint"),
    [
        ({"tier": "brass"}, "tier", "'brass' is no tier of the program; it has: gold, silver"),
        ({"tier_since": "01/02/2026"}, "tier_since", "not a date"),
        ({"tier_since": "2026-02-30"}, "tier_since", "not a date"),
        ({"tier_since": 20260101}, "tier_since", "must be a string"),
        ({"tier_since": "1900-01-01"}, "tier_since", "between the years"),
        ({"name": ""}, "name", "at least 1"),
        ({"version": -1}, "version", "greater than"),
        ({"recruiter": "q"}, "recruiter", "is the partner itself"),
        ({"recruiter": ""}, "recruiter", "at least 1"),
        ({"currency": "EURO"}, "currency", "'EURO' is no currency"),
        ({"currency": "usd"}, "currency", "ISO 4217"),
        ({"currency": 840}, "currency", "must be a string"),
        ({"email": "x"}, "email", "not a field"),
    ],
)
def test_a_wrong_field_is_named_with_the_reason(change: dict[str, Any], field: str, complaint: str) -> None:
    """A tier must be one of the program, a day a day."""
    with pytest.raises(Refused) as caught:
        read([GOOD, GOOD | {"id": "q"} | change])
    (fault,) = caught.value.faults
    assert fault.field == f"items[1].{field}"
    assert complaint in fault.message


def test_without_an_id_of_its_own_a_partner_is_that_of_the_address() -> None:
    """Where the id stands in the address, the recruiter must still be another one."""
    body = {key: value for key, value in GOOD.items() if key != "id"} | {"recruiter": "p"}

    def check(numbered: batch.Numbered[partners.PartnerBody]) -> Iterator[batch.Objection]:
        return RULES.body_objections(numbered, "p")

    with pytest.raises(Refused) as caught:
        batch.read(json.dumps(body).encode(), partners.BODY, check)
    assert [fault.field for fault in caught.value.faults] == ["recruiter"]
    assert batch.read(json.dumps(body | {"recruiter": "r"}).encode(), partners.BODY, check)


def test_without_a_program_any_tier_is_taken() -> None:
    """The directory may be loaded before the first program."""
    assert read(GOOD | {"tier": "brass"}, partners.Rules(None))


def test_a_partner_says_one_thing_in_a_request() -> None:
    """Two tiers at once would leave the present one to chance; two versions do not."""
    with pytest.raises(Refused):
        read([GOOD, GOOD | {"tier": "gold"}])
    assert len(read([GOOD | {"version": 1}, GOOD | {"version": 2, "tier": "gold"}])) == 2
