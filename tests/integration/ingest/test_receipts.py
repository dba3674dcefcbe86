"""Receipts and exchange rates through the real doors: who may send them, and where they are found afterwards."""

import json
from typing import Any

import pytest

from shared import access
from shared.events import deal, exchange, receipt
from tests.integration.ingest.conftest import Door
from tests.integration.ingest.test_api import DEAL, fields

RECEIPT: dict[str, Any] = {
    "id": "P-1", "deal": "D-1", "kind": "payment", "amount": {"amount": "10.00", "currency": "USD"}, "on": "2026-01-15",
}  # fmt: skip
RATE: dict[str, Any] = {"base": "EUR", "quote": "USD", "on": "2026-01-15", "rate": "1.0842"}


async def test_receipts_are_in_kafka_under_their_deal(door: Door) -> None:
    """The source is the key's, as the deal's is; what is repeated is accepted again."""
    key = await door.key("receipts:write")
    back = RECEIPT | {"id": "R-1", "kind": "chargeback", "of": "P-1"}
    left = {"id": "C-1", "deal": "D-1", "kind": "churn", "on": "2026-01-16"}
    assert (await door.send("POST", "receipts", key, json=[RECEIPT, back, left])).json() == {"accepted": 3}
    assert (await door.send("POST", "receipts", key, json=RECEIPT)).json() == {"accepted": 1}
    events = await door.events()
    place = (receipt.TOPIC, f'["{door.source}","D-1"]'.encode())
    assert [(event.topic, event.key) for event in events] == [place] * 4
    facts = [receipt.ReceiptRecorded.model_validate_json(event.value) for event in events]
    assert [(fact.source, fact.id, fact.kind) for fact in facts] == [
        (door.source, "P-1", "payment"), (door.source, "R-1", "chargeback"), (door.source, "C-1", "churn"),
        (door.source, "P-1", "payment"),
    ]  # fmt: skip
    assert len({dict(event.headers)["ce_id"] for event in events}) == 3


async def test_exchange_rates_are_in_kafka_under_their_pair(door: Door) -> None:
    """Those of one source and pair stay in order."""
    key = await door.key("exchange-rates:write")
    sent = [RATE, RATE | {"on": "2026-01-16", "rate": "1.0900"}]
    assert (await door.send("POST", "exchange-rates", key, json=sent)).json() == {"accepted": 2}
    events = await door.events()
    assert {(event.topic, event.key) for event in events} == {
        (exchange.TOPIC, f'["{door.source}","EUR","USD"]'.encode())
    }
    facts = [exchange.RatePublished.model_validate_json(event.value) for event in events]
    assert [(fact.source, fact.on.isoformat(), fact.rate) for fact in facts] == [
        (door.source, "2026-01-15", "1.0842"), (door.source, "2026-01-16", "1.09"),
    ]  # fmt: skip


@pytest.mark.parametrize(("path", "body", "kind"), [
    ("receipts", RECEIPT, receipt.RECORDED), ("exchange-rates", RATE, exchange.PUBLISHED),
])  # fmt: skip
async def test_both_are_taken_as_cloud_events(door: Door, path: str, body: dict[str, Any], kind: str) -> None:
    """Structured; of another type they are refused."""
    key = await door.key("*")
    headers = {"content-type": "application/cloudevents+json"}
    event = {"specversion": "1.0", "type": kind, "source": "/x", "id": "e", "data": body}
    assert (await door.send("POST", path, key, content=json.dumps(event), headers=headers)).status_code == 202
    other = json.dumps(event | {"type": deal.OBSERVED})
    refused = await door.send("POST", path, key, content=other, headers=headers)
    assert (refused.status_code, fields(refused)) == (422, ["type"])


async def test_one_bad_item_keeps_all_others_out(door: Door) -> None:
    """Every fault of every item is named, contradictions within the request among them."""
    key = await door.key("*")
    other = RECEIPT | {"amount": {"amount": "11.00", "currency": "USD"}}
    answer = await door.send(
        "POST", "receipts", key, json=[RECEIPT, other, RECEIPT | {"id": "P-2", "on": "2400-01-01"}]
    )
    assert (answer.status_code, fields(answer)) == (422, ["items[1].id", "items[2].on"])
    answer = await door.send("POST", "exchange-rates", key, json=[RATE, RATE | {"rate": "1.1"}, RATE | {"rate": "0"}])
    assert (answer.status_code, fields(answer)) == (422, ["items[1].rate", "items[2].rate"])
    base = {"amount": "4.00", "currency": "EUR"}
    answer = await door.send("POST", "deals", key, json=[DEAL, DEAL | {"id": "D-2", "margin": base}])
    assert (answer.status_code, fields(answer)) == (422, ["items[1].margin"])
    assert await door.events() == []


@pytest.mark.parametrize(("path", "body", "scope"), [
    ("receipts", RECEIPT, "receipts:write"), ("exchange-rates", RATE, "exchange-rates:write"),
])  # fmt: skip
async def test_each_door_needs_its_own_scope(door: Door, path: str, body: dict[str, Any], scope: str) -> None:
    """No other scope opens it, and no key that is bound to a partner."""
    others = [name for name in access.SCOPES if name not in {scope, access.ALL}]
    assert (await door.send("POST", path, None, json=body)).status_code == 401
    assert (await door.send("POST", path, await door.key(*others), json=body)).status_code == 403
    assert (await door.send("POST", path, await door.key(scope, partner="p1"), json=body)).status_code == 403
    assert await door.events() == []
    assert (await door.send("POST", path, await door.key(scope), json=body)).status_code == 202
