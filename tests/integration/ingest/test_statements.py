"""Statements about who is who, and withdrawals: through HTTP into Kafka, by those who may."""

import time
from typing import Any

import pytest

from shared.events import deal, directory, touchpoint
from shared.events.base import Contract
from tests.integration.ingest.conftest import Door
from tests.integration.ingest.test_api import DEAL, fields

WITHDRAWAL: dict[str, Any] = {"id": "T-1", "reason": "It did not take place."}
ACCOUNT: dict[str, Any] = {"id": "acme", "name": "Acme", "domains": ["www.acme.example"], "crm_ids": [{"id": "A"}]}
MERGE: dict[str, Any] = {"id": "m", "accounts": [{"crm_id": "A"}, {"domain": "zenith.example"}], "evidence": "e"}
SEPARATION: dict[str, Any] = {"id": "s", "account": {"crm_id": "B", "duns": "15-048-3782"}, "evidence": "e"}
PARTNER_MERGE: dict[str, Any] = {"id": "pm", "partner": "p1", "into": "p2", "evidence": "e"}
STATEMENTS: list[tuple[str, str, dict[str, Any], type[Contract]]] = [
    ("accounts", "accounts:write", ACCOUNT, directory.AccountLinked),
    ("accounts/merges", "accounts:write", MERGE, directory.AccountMerged),
    ("accounts/separations", "accounts:write", SEPARATION, directory.AccountSeparated),
    ("partners/merges", "partners:write", PARTNER_MERGE, directory.PartnerMerged),
]


@pytest.mark.parametrize(("path", "scope", "body", "contract"), STATEMENTS)
async def test_a_statement_and_its_undoing_are_in_kafka(
    door: Door, path: str, scope: str, body: dict[str, Any], contract: type[Contract]
) -> None:
    """Alone and in a batch, without any program; the source is the key's, the version by default the instant."""
    key = await door.key(scope)
    assert (await door.send("POST", path, key, json=body)).json() == {"accepted": 1}
    undone = [body | {"version": 1}, body | {"version": 2, "undone": True}]
    answer = await door.send("POST", path, key, json=undone)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 2})
    events = await door.events()
    partner = "p1" if path.startswith("partners") else f'["{door.source}","{body["id"]}"]'
    assert [(event.topic, event.key) for event in events] == [(directory.TOPIC, partner.encode())] * 3
    assert len({dict(event.headers)["ce_id"] for event in events}) == 3
    first, second, third = (contract.model_validate_json(event.value).model_dump() for event in events)
    assert (first["source"], second["undone"], third["undone"]) == (door.source, False, True)
    assert (second["version"], third["version"]) == (1, 2)
    assert abs(first["version"] / 1_000_000 - time.time()) < 60


@pytest.mark.parametrize(("path", "scope", "body", "contract"), STATEMENTS)
async def test_statements_need_their_scope_and_a_key_of_the_vendor(
    door: Door, path: str, scope: str, body: dict[str, Any], contract: type[Contract]
) -> None:
    """No key, another scope, a key bound to a partner, another content type, a bad item: nothing reaches Kafka."""
    others = ("touchpoints:write", "deals:write", "partners:write" if scope == "accounts:write" else "accounts:write")
    bound = await door.key(scope, "*", partner="p1")
    assert (await door.send("POST", path, None, json=body)).status_code == 401
    assert (await door.send("POST", path, await door.key(*others), json=body)).status_code == 403
    assert (await door.send("POST", path, bound, json=body)).status_code == 403
    key = await door.key(scope)
    headers = {"content-type": "application/cloudevents+json"}
    assert (await door.send("POST", path, key, content=b"{}", headers=headers)).status_code == 415
    refused = await door.send("POST", path, key, json=[body, body | {"id": "x", "undone": "yes"}, {"id": 1}])
    assert refused.status_code == 422
    assert fields(refused)[:2] == ["items[1].undone", "items[2].id"]
    assert await door.events() == []
    assert contract.model_fields.keys() >= body.keys()


async def test_partners_named_merges_are_no_merges(door: Door) -> None:
    """The address of the merges takes nothing away from the partners' own: PUT states a partner of that name."""
    body = {"name": "Merges Ltd", "tier": "silver", "tier_since": "2026-01-01"}
    assert (await door.send("PUT", "partners/merges", await door.key("*"), json=body)).status_code == 202
    (event,) = await door.events()
    assert directory.PartnerUpserted.model_validate_json(event.value).id == "merges"


async def test_a_partner_withdraws_what_it_reported_itself(door: Door) -> None:
    """A bound key may withdraw: always under its own source, and for a reason."""
    key = await door.key("touchpoints:write", partner="p1")
    assert (await door.send("POST", "touchpoints/withdrawals", None, json=WITHDRAWAL)).status_code == 401
    other = await door.key("deals:write")
    assert (await door.send("POST", "touchpoints/withdrawals", other, json=WITHDRAWAL)).status_code == 403
    refused = await door.send("POST", "touchpoints/withdrawals", key, json=[WITHDRAWAL, {"id": "T-2", "reason": " "}])
    assert (refused.status_code, fields(refused)) == (422, ["items[1].reason"])
    claimed = await door.send("POST", "touchpoints/withdrawals", key, json=WITHDRAWAL | {"source": "another"})
    assert (claimed.status_code, fields(claimed)) == (422, ["source"])
    assert await door.events() == []
    answer = await door.send("POST", "touchpoints/withdrawals", key, json=[WITHDRAWAL, WITHDRAWAL | {"id": "T-2"}])
    assert (answer.status_code, answer.json()) == (202, {"accepted": 2})
    events = await door.events()
    assert {event.topic for event in events} == {touchpoint.TOPIC}
    facts = [touchpoint.TouchpointWithdrawn.model_validate_json(event.value) for event in events]
    assert {(fact.source, fact.id) for fact in facts} == {(door.source, "T-1"), (door.source, "T-2")}
    ids = {dict(event.headers)["ce_id"].decode() for event in events}
    assert ids == {f'["touchpoint.withdrawn","T-{number}"]' for number in (1, 2)}


async def test_deals_say_where_what_and_that_they_are_gone(door: Door) -> None:
    """The optional fields of a deal reach the event; a removed one needs no amount."""
    key = await door.key("deals:write")
    more = {"region": "EMEA", "product": "calibration", "milestones": {"lead_created": "2025-12-01T00:00:00Z"}}
    gone = {"id": "D-1", "version": 2, "stage": "won", "merged_into": "D-2"}
    removed = {"id": "D-1", "version": 3, "stage": "won", "removed": True}
    account = {"account": {"duns": "15-048-3782", "vat": "de 136695976"}}
    assert (await door.send("POST", "deals", key, json=[DEAL | more | account, gone, removed])).status_code == 202
    first, second, third = [deal.DealObserved.model_validate_json(event.value) for event in await door.events()]
    assert (first.region, first.product, list(first.milestones)) == ("EMEA", "calibration", ["lead_created"])
    assert first.account is not None
    assert (first.account.duns, first.account.vat) == ("150483782", "DE136695976")
    assert (first.removed, second.merged_into, third.removed) == (False, "D-2", True)
