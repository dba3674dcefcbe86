"""Deals: what is refused, in which words, and what is appended."""

import json
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from services.ingest.domain import batch, deals
from services.ingest.domain.batch import Refused
from shared.events.deal import DealObserved

GOLDEN = Path(__file__).parents[2] / "contracts" / "golden" / "deal.observed.json"
NOW = datetime(2026, 3, 5, 17, 0, 2, tzinfo=UTC)
WON: dict[str, Any] = {
    "id": "D-1",
    "version": 7,
    "stage": "won",
    "amount": {"amount": "10.00", "currency": "USD"},
    "closed_at": "2026-03-05T17:00:00Z",
}
OPEN: dict[str, Any] = {"id": "D-1", "version": 7, "stage": "open"}


def read(body: object) -> list[deals.Deal]:
    return batch.read(json.dumps(body).encode(), deals.SHAPE, partial(deals.objections, now=NOW))


def faults(body: object) -> dict[str, str]:
    with pytest.raises(Refused) as caught:
        read(body)
    return {fault.field: fault.message for fault in caught.value.faults}


def test_the_event_is_the_one_its_consumers_read() -> None:
    """What ingest appends for the golden deal is the golden event."""
    golden = json.loads(GOLDEN.read_text())
    body = {key: value for key, value in golden.items() if key not in {"source", "observed_at"}}
    body["amount"] = {"amount": "1234.5", "currency": "USD"}
    (event,) = deals.events(read(body), "crm", NOW, None)
    assert DealObserved.model_validate_json(event.data).model_dump(mode="json") == golden
    assert (event.key, event.id) == ('["crm","D-501"]', '["D-501","1772668800000000"]')


def test_an_open_deal_needs_little_and_nulls_say_nothing() -> None:
    """Account, amount and dates may be absent; a forecast close may lie ahead."""
    nulls = dict.fromkeys(deals.Deal.__optional_keys__)
    (event,) = deals.events(read(OPEN | nulls), "crm", NOW, None)
    assert set(json.loads(event.data)) == {"source", "id", "version", "stage", "observed_at"}
    assert read(OPEN | {"closed_at": "2027-01-01T00:00:00Z"})


@pytest.mark.parametrize(
    ("change", "field", "complaint"),
    [
        ({"amount": None}, "amount", "a won deal needs its amount"),
        ({"closed_at": None}, "closed_at", "a won deal needs the date"),
        ({"closed_at": "2026-03-06T17:00:03Z"}, "closed_at", "24 hours"),
        ({"stage": "lost", "closed_at": "2026-03-06T17:00:03Z"}, "closed_at", "24 hours"),
        ({"stage": "signed"}, "stage", "'open', 'won' or 'lost'"),
        ({"version": "7"}, "version", "integer"),
        ({"version": 7.0}, "version", "integer"),
        ({"version": True}, "version", "integer"),
        ({"version": -1}, "version", "greater than or equal to 0"),
        ({"version": 2**63}, "version", "less than or equal to"),
        ({"version": 10**40}, "version", "less than or equal to"),
        ({"amount": {"amount": 10.0, "currency": "USD"}}, "amount.amount", "must be a string"),
        ({"amount": 10}, "amount", "must be a JSON object"),
        ({"amount": {"amount": "10.001", "currency": "USD"}}, "amount", "USD has 2 decimals"),
        ({"amount": {"amount": "10.5", "currency": "JPY"}}, "amount", "JPY has 0 decimals"),
        ({"amount": {"amount": "10", "currency": "XXX"}}, "amount", "unknown currency"),
        ({"amount": {"amount": "1,000", "currency": "USD"}}, "amount", "not a decimal amount"),
        ({"amount": {"amount": "-1", "currency": "USD"}}, "amount", "not be negative"),
        ({"amount": {"amount": "9" * 16, "currency": "USD"}}, "amount", "largest amount"),
        ({"amount": {"amount": "9" * 50, "currency": "USD"}}, "amount.amount", "at most 40"),
        ({"account": {}}, "account", "or be left out"),
        ({"milestones": {"demo": "soon"}}, "milestones.demo", "ISO 8601"),
        ({"kind": "gift"}, "kind", "'new', 'renewal' or 'expansion'"),
        ({"milestones": {"demo": "2026-03-06T17:00:03Z"}}, "milestones.demo", "24 hours"),
        ({"removed": "true"}, "removed", "boolean"),
        ({"removed": 1}, "removed", "boolean"),
        ({"removed": False, "amount": None}, "amount", "a won deal needs its amount"),
        ({"merged_into": "D-1"}, "merged_into", "names the deal itself"),
        ({"merged_into": ""}, "merged_into", "at least 1"),
        ({"region": 1}, "region", "must be a string"),
        ({"product": " "}, "product", "at least 1"),
        ({"removed": True, "stage": None}, "stage", "'open', 'won' or 'lost'"),
        ({"removed": True, "closed_at": "2026-03-06T17:00:03Z"}, "closed_at", "24 hours"),
        ({"margin": {"amount": "4.00", "currency": "EUR"}}, "margin", "must be in USD, the currency of the amount"),
        ({"first_year_value": {"amount": "4", "currency": "JPY"}}, "first_year_value", "must be in USD"),
        ({"margin": {"amount": "-4.00", "currency": "USD"}}, "margin", "must not be negative"),
        ({"first_year_value": {"amount": "4.001", "currency": "USD"}}, "first_year_value", "USD has 2 decimals"),
        ({"margin": "4.00"}, "margin", "must be a JSON object"),
        ({"margin": {"amount": 4, "currency": "USD"}}, "margin.amount", "must be a string"),
        ({"account": {"duns": "12"}}, "account.duns", "nine digits"),
        ({"source": "mine"}, "source", "not a field"),
    ],
)
def test_a_wrong_field_is_named_with_the_reason(change: dict[str, Any], field: str, complaint: str) -> None:
    """Money, versions, dates and words are checked before anything is kept."""
    found = faults(WON | change)
    assert list(found) == [field]
    assert complaint in found[field]


def test_bases_of_pay_may_be_known_before_the_amount() -> None:
    """An open deal may lack its amount, and zero is a base; both that are wrong are named."""
    (item,) = read(OPEN | {"margin": {"amount": "4", "currency": "EUR"}})
    assert item.get("margin") == {"amount": "4.00", "currency": "EUR"}
    assert read(WON | {"margin": {"amount": "0", "currency": "USD"}})
    euros = {"amount": "4.00", "currency": "EUR"}
    assert set(faults(WON | {"margin": euros, "first_year_value": euros})) == {"margin", "first_year_value"}


def test_a_close_date_may_be_the_day_that_has_begun_elsewhere() -> None:
    """CRMs that know the day alone are ahead by up to a day."""
    assert read(WON | {"closed_at": "2026-03-06T17:00:02Z"})


@pytest.mark.parametrize("gone", [{"removed": True}, {"merged_into": "D-2"}])
def test_a_deal_that_is_gone_needs_no_amount_and_no_close(gone: dict[str, Any]) -> None:
    """Whatever stage it was in, it earns nothing: an administrator need not dig for what it would have been."""
    bare = {"id": "D-1", "version": 8, "stage": "won"}
    (event,) = deals.events(read(bare | gone), "crm", NOW, None)
    snapshot = DealObserved.model_validate_json(event.data)
    assert (snapshot.removed, snapshot.merged_into) == (gone.get("removed", False), gone.get("merged_into"))
    assert set(faults(bare)) == {"amount", "closed_at"}


def test_milestones_have_any_name_and_may_lie_after_the_close() -> None:
    """Only the future is refused, each milestone by its name."""
    late = {"lead_created": "2026-03-06T17:00:02Z", "onboarding": "2026-03-05T18:00:00Z"}
    assert read(WON | {"milestones": late})
    ahead = {"a": "2027-01-01T00:00:00Z", "b": "2026-01-01T00:00:00Z", "c" * 100: "2027-01-01T00:00:00Z"}
    assert set(faults([WON | {"milestones": ahead}])) == {"items[0].milestones.a", "items[0].milestones." + "c" * 60}


def test_one_version_says_one_thing() -> None:
    """Two versions of a deal go together in a request; two bodies under one version do not."""
    assert len(read([WON, WON | {"version": 8}, WON])) == 3
    assert list(faults([WON, WON | {"name": "x"}])) == ["items[1].version"]
