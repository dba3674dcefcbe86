"""Receipts: what is refused, in which words, and what is appended."""

import json
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from services.ingest.domain import batch, receipts
from services.ingest.domain.batch import Form, Refused
from shared.events.receipt import Movement, ReceiptRecorded

GOLDEN = Path(__file__).parents[2] / "contracts" / "golden" / "receipt.recorded.json"
NOW = datetime(2026, 5, 12, 8, tzinfo=UTC)
PAID: dict[str, Any] = {
    "id": "P-1", "deal": "D-1", "kind": "payment", "amount": {"amount": "10.00", "currency": "USD"}, "on": "2026-05-01",
}  # fmt: skip
BACK: dict[str, Any] = PAID | {"id": "R-1", "kind": "refund", "of": "P-1"}
LEFT: dict[str, Any] = {"id": "C-1", "deal": "D-1", "kind": "churn", "on": "2026-05-01"}


def read(body: object, form: Form = Form.JSON) -> list[receipts.Receipt]:
    return batch.read(json.dumps(body).encode(), receipts.SHAPE, partial(receipts.objections, now=NOW), form)


def faults(body: object) -> dict[str, str]:
    with pytest.raises(Refused) as caught:
        read(body)
    return {fault.field: fault.message for fault in caught.value.faults}


def test_the_event_is_the_one_its_consumers_read() -> None:
    """What ingest appends for the golden receipt is the golden event, under the key of its deal."""
    golden = json.loads(GOLDEN.read_text())
    body = {key: value for key, value in golden.items() if key not in {"source", "received_at"}}
    body["amount"] = {"amount": "100", "currency": "USD"}
    (event,) = receipts.events(read(body), "crm", NOW, "00-trace")
    assert ReceiptRecorded.model_validate_json(event.data).model_dump(mode="json") == golden
    assert (event.topic, event.type, event.source, event.time, event.traceparent) == (
        "tributary.receipts", "receipt.recorded", "crm", NOW, "00-trace",
    )  # fmt: skip
    assert (event.key, event.id) == ('["crm","D-501"]', '["receipt.recorded","R-7001"]')


@pytest.mark.parametrize("body", [PAID, BACK, BACK | {"kind": "chargeback", "of": None}, LEFT, LEFT | {"amount": None}])
def test_every_kind_has_its_fields(body: dict[str, Any]) -> None:
    """A payment and what takes it back have an amount; a customer that leaves has none."""
    (event,) = receipts.events(read(body), "crm", NOW, None)
    fact = ReceiptRecorded.model_validate_json(event.data)
    assert fact.kind is Movement(body["kind"])
    assert (fact.amount is None, fact.of) == (body["kind"] == "churn", body.get("of"))


@pytest.mark.parametrize(
    ("body", "field", "complaint"),
    [
        (PAID | {"amount": None}, "amount", "a payment needs its amount"),
        (BACK | {"amount": None}, "amount", "a refund needs its amount"),
        (LEFT | {"amount": PAID["amount"]}, "amount", "must be left out"),
        (PAID | {"amount": {"amount": "0.00", "currency": "USD"}}, "amount", "must be above zero"),
        (BACK | {"amount": {"amount": "-5.00", "currency": "USD"}}, "amount", "must be above zero"),
        (PAID | {"amount": {"amount": "1.005", "currency": "USD"}}, "amount", "USD has 2 decimals"),
        (PAID | {"amount": {"amount": "1", "currency": "XXX"}}, "amount", "unknown currency"),
        (PAID | {"amount": {"amount": 10, "currency": "USD"}}, "amount.amount", "must be a string"),
        (PAID | {"amount": 10}, "amount", "must be a JSON object"),
        (PAID | {"of": "P-0"}, "of", "a payment takes no payment back"),
        (LEFT | {"of": "P-1"}, "of", "a churn takes no payment back"),
        (BACK | {"of": "R-1"}, "of", "names the receipt itself"),
        (BACK | {"of": ""}, "of", "at least 1"),
        (PAID | {"on": "2026-05-14"}, "on", "more than a day in the future"),
        (PAID | {"on": "2026-02-30"}, "on", "not a date"),
        (PAID | {"on": 20260501}, "on", "must be a string"),
        (PAID | {"on": "2026-05-01T10:00:00Z"}, "on", "not a date"),
        (PAID | {"kind": "gift"}, "kind", "'payment', 'refund', 'chargeback' or 'churn'"),
        (PAID | {"id": "a\x00"}, "id", "NUL"),
        (PAID | {"deal": " "}, "deal", "at least 1"),
        (PAID | {"deal": None}, "deal", "must be a string"),
        (PAID | {"source": "other"}, "source", "not a field"),
        (PAID | {"version": 1}, "version", "not a field"),
    ],
)
def test_a_wrong_field_is_named_with_the_reason(body: dict[str, Any], field: str, complaint: str) -> None:
    """Money, days and kinds are checked before anything is kept."""
    found = faults([PAID | {"id": "before"}, body])
    assert list(found) == [f"items[1].{field}"]
    assert complaint in found[f"items[1].{field}"]


def test_what_is_needed_is_asked_for() -> None:
    """All of it at once."""
    assert set(faults({})) == {"id", "deal", "kind", "on"}


def test_a_day_that_has_begun_elsewhere_is_no_future() -> None:
    """One day ahead of the day in UTC."""
    assert read(PAID | {"on": "2026-05-13"})


def test_a_receipt_says_one_thing_in_a_request() -> None:
    """The same twice does no harm, however its amount is written; another one under its id does."""
    spelled = PAID | {"amount": {"amount": "10", "currency": "USD"}}
    assert len(read([PAID, spelled, PAID | {"id": "P-2"}])) == 3
    assert list(faults([PAID, PAID | {"on": "2026-05-02"}])) == ["items[1].id"]


def test_a_cloud_event_carries_one() -> None:
    """As deals do."""
    event = {"specversion": "1.0", "type": "receipt.recorded", "source": "/eu", "id": "e", "data": PAID}
    assert read(event, Form.EVENT) == read([event], Form.EVENTS) == read(PAID)
