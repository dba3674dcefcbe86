"""The doors of ingest on real engines: what is accepted is in Kafka, what is refused leaves nothing there."""

import json
import time
from collections.abc import AsyncIterator, Sequence
from copy import deepcopy
from typing import Any

import httpx
import pytest
import yaml

from services.ingest.crm import standard_webhooks
from shared import http
from shared.database import Database
from shared.errors import Transient
from shared.events import deal, directory, program, touchpoint
from shared.events.envelope import Event
from shared.program import parse
from tests.integration.ingest import conftest
from tests.integration.ingest.conftest import PROGRAM, SECRET, Door

TOUCH: dict[str, Any] = {
    "id": "T-1", "partner": "p1", "account": {"domain": "www.acme.example"}, "activity": "product_demo",
    "occurred_at": "2026-01-05T10:00:00+01:00",
}  # fmt: skip
DEAL: dict[str, Any] = {
    "id": "D-1", "version": 1, "account": {"crm_id": "A"}, "stage": "won", "closed_at": "2026-01-09T00:00:00Z",
    "amount": {"amount": "10.00", "currency": "USD"},
}  # fmt: skip
PARTNER: dict[str, Any] = {"name": "P", "tier": "silver", "tier_since": "2026-01-01"}


@pytest.fixture
def active(door: Door) -> Door:
    """A door that knows the program."""
    door.ingest.catalogue.add(parse(PROGRAM), PROGRAM)
    return door


def fields(answer: httpx.Response) -> list[str]:
    assert answer.headers["content-type"] == http.PROBLEM_TYPE
    return [error["field"] for error in answer.json()["errors"]]


async def test_accepted_touchpoints_are_in_kafka_with_their_attributes(active: Door) -> None:
    """`202` means the log has them: CloudEvents headers, the account as key, the normalised domain."""
    key = await active.key("touchpoints:write")
    answer = await active.send("POST", "touchpoints", key, json=[TOUCH, TOUCH | {"id": "T-2"}])
    assert (answer.status_code, answer.json()) == (202, {"accepted": 2})
    events = await active.events()
    assert [(event.topic, event.key) for event in events] == [(touchpoint.TOPIC, b"domain:acme.example")] * 2
    headers = {name: value.decode() for name, value in events[0].headers}
    assert headers.items() >= {"ce_id": "T-1", "ce_source": active.source, "ce_type": touchpoint.RECORDED}.items()
    fact = touchpoint.TouchpointRecorded.model_validate_json(events[0].value)
    assert (fact.source, fact.account.domain) == (active.source, "acme.example")


async def test_one_bad_item_keeps_everything_out(active: Door) -> None:
    """Nothing of a refused request reaches Kafka, and each bad item is named."""
    key = await active.key("touchpoints:write")
    items = [TOUCH | {"id": str(n)} for n in range(300)]
    for bad in range(0, 300, 2):
        items[bad] |= {"activity": "dinner"}
    answer = await active.send("POST", "touchpoints", key, json=items)
    assert answer.status_code == 422
    assert fields(answer) == [f"items[{bad}].activity" for bad in range(0, 300, 2)]
    assert await active.events() == []


async def test_keys_decide_who_may_post_what(active: Door) -> None:
    """No key, no scope, another's partner, the past: each is refused with its own words."""
    bound = await active.key("touchpoints:write", "deals:write", "partners:write", "programs:write", partner="p1")
    assert (await active.send("POST", "touchpoints", None, json=TOUCH)).status_code == 401
    assert (await active.send("POST", "touchpoints", "trb_wrong", json=TOUCH)).status_code == 401
    assert (await active.send("POST", "touchpoints", await active.key("deals:write"), json=TOUCH)).status_code == 403
    other = await active.send("POST", "touchpoints", bound, json=[TOUCH, TOUCH | {"id": "2", "partner": "p2"}])
    assert (other.status_code, fields(other)) == (403, ["items[1].partner"])
    past = await active.send("POST", "touchpoints", bound, json=TOUCH | {"reported_at": "2026-01-06T00:00:00Z"})
    assert (past.status_code, fields(past)) == (403, ["reported_at"])
    for method, path in (("POST", "deals"), ("PUT", "partners/p1"), ("POST", "partners"), ("POST", "programs")):
        assert (await active.send(method, path, bound, json={})).status_code == 403
    assert await active.events() == []
    assert (await active.send("POST", "touchpoints", bound, json=TOUCH)).status_code == 202


async def test_without_a_program_touchpoints_wait(door: Door) -> None:
    """Activities mean nothing yet: 409 says what to do; before the topic is read, 503 says when to come back."""
    key = await door.key("*")
    answer = await door.send("POST", "touchpoints", key, json=TOUCH)
    assert answer.status_code == 409
    assert "tributary program activate" in answer.json()["detail"]
    door.ingest.catalogue.read = False
    answer = await door.send("POST", "touchpoints", key, json=TOUCH)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, str(http.RETRY_AFTER_S))
    ready = await door.http.get("/ingest/v1/health/ready")
    assert (ready.status_code, ready.json()["faults"]) == (503, ["the program topic is not yet read"])
    assert (await door.send("POST", "deals", key, json=DEAL)).status_code == 202


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({}, b"{}", 415),
        ({"content-type": "text/csv"}, b"{}", 415),
        ({"content-type": "application/json; charset=latin-1"}, b"{}", 415),
        ({"content-type": "application/json", "content-encoding": "gzip"}, b"{}", 415),
        ({"content-type": "application/json"}, b'{"id": ', 400),
        ({"content-type": "application/json"}, b"\xff\xfe", 400),
        ({"content-type": "application/json"}, b"[" * 100_000, 400),
        ({"content-type": "APPLICATION/JSON; charset=UTF-8"}, b"[]", 422),
        ({"content-type": "application/json"}, b" " * (http.MAX_BODY_BYTES + 1), 413),
        ({"content-type": "application/json", "ce-specversion": "1.0", "ce-type": "x"}, b"{}", 422),
    ],
)
async def test_bodies_that_cannot_be_read_are_clear_problems(
    active: Door, headers: dict[str, str], content: bytes, status: int
) -> None:
    """Wrong type, encoding, syntax or size: a problem document each."""
    key = await active.key("*")
    answer = await active.send("POST", "touchpoints", key, content=content, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == http.PROBLEM_TYPE


async def test_an_endless_body_is_cut_off_while_it_streams(active: Door) -> None:
    """Without Content-Length the limit counts what arrives, and stops asking for more."""
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 65_536
            yield b" " * 65_536

    answer = await active.send(
        "POST", "touchpoints", await active.key("*"), content=endless(), headers={"content-type": "application/json"}
    )
    assert answer.status_code == 413
    assert sent <= http.MAX_BODY_BYTES + 2 * 65_536


async def test_cloud_events_come_in_three_modes(active: Door) -> None:
    """Structured, batch and binary carry the same touchpoint; the key's source counts, not the event's."""
    key = await active.key("*")
    event = {"specversion": "1.0", "type": "touchpoint.recorded", "source": "/elsewhere", "id": "e", "data": TOUCH}
    binary = {"ce-specversion": "1.0", "ce-type": "touchpoint.recorded", "ce-id": "e", "ce-source": "/elsewhere"}
    sent = [
        ("application/cloudevents+json", event, {}),
        ("application/cloudevents-batch+json; charset=utf-8", [event], {}),
        ("application/json", TOUCH, binary),
    ]
    for content_type, body, more in sent:
        headers = {"content-type": content_type, **more}
        answer = await active.send("POST", "touchpoints", key, content=json.dumps(body), headers=headers)
        assert answer.status_code == 202, answer.text
    facts = [json.loads(event.value) for event in await active.events()]
    assert [(fact["source"], fact["id"]) for fact in facts] == [(active.source, "T-1")] * 3


async def test_deals_share_a_partition_by_their_key(active: Door) -> None:
    """All versions of a deal stay in order; a deal event of CloudEvents is as good."""
    key = await active.key("deals:write")
    answer = await active.send("POST", "deals", key, json=[DEAL, DEAL | {"version": 2}])
    assert answer.json() == {"accepted": 2}
    event = {"specversion": "1.0", "type": "deal.observed", "source": "/x", "id": "e", "data": DEAL | {"version": 3}}
    headers = {"content-type": "application/cloudevents+json"}
    assert (await active.send("POST", "deals", key, content=json.dumps(event), headers=headers)).status_code == 202
    events = await active.events()
    assert {(event.topic, event.key) for event in events} == {(deal.TOPIC, f'["{active.source}","D-1"]'.encode())}
    assert [deal.DealObserved.model_validate_json(event.value).version for event in events] == [1, 2, 3]
    refused = await active.send("POST", "deals", key, json=DEAL | {"amount": {"amount": 10, "currency": "USD"}})
    assert (refused.status_code, fields(refused)) == (422, ["amount.amount"])


def signed(body: bytes, *, at: float | None = None) -> dict[str, str]:
    timestamp = str(int(time.time() if at is None else at))
    signature = standard_webhooks.sign(standard_webhooks.decode_secret(SECRET), "msg_1", timestamp, body)
    return {"webhook-id": "msg_1", "webhook-timestamp": timestamp, "webhook-signature": signature}


async def test_signed_webhooks_carry_deals(active: Door) -> None:
    """The source is the webhook's name; no API key is involved."""
    body = json.dumps({"type": "deal.observed", "timestamp": "2026-01-01T00:00:00Z", "data": [DEAL]}).encode()
    answer = await active.send("POST", "webhooks/hooked", None, content=body, headers=signed(body))
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1})
    (event,) = await active.log.events("hooked")
    assert deal.DealObserved.model_validate_json(event.value).source == "hooked"


async def test_a_bad_signature_and_an_unknown_source_get_the_same_answer(active: Door) -> None:
    """Nobody learns which sources exist; malformed headers are refused like any other."""
    body = json.dumps({"type": "deal.observed", "data": DEAL}).encode()
    good = signed(body)
    attempts = [
        ("hooked", good | {"webhook-signature": "v1,AAAA"}),
        ("hooked", good | {"webhook-signature": "no-comma"}),
        ("hooked", good | {"webhook-timestamp": "soon"}),
        ("hooked", signed(body, at=time.time() - 400)),
        ("hooked", {}),
        ("unknown", good),
    ]
    answers = [await active.send("POST", f"webhooks/{to}", None, content=body, headers=h) for to, h in attempts]
    assert {(answer.status_code, answer.text) for answer in answers} == {(401, answers[0].text)}
    wrong = json.dumps({"type": "deal.observed", "data": DEAL | {"amount": None}}).encode()
    refused = await active.send("POST", "webhooks/hooked", None, content=wrong, headers=signed(wrong))
    assert (refused.status_code, fields(refused)) == (422, ["data.amount"])


async def test_partners_come_one_by_one_and_in_batches(active: Door) -> None:
    """Both doors append the same event, keyed by the partner."""
    key = await active.key("partners:write")
    assert (await active.send("PUT", "partners/p1", key, json=PARTNER)).status_code == 202
    batch = [{"id": "p2", **PARTNER, "version": 5}, {"id": "p3", **PARTNER, "version": 5}]
    assert (await active.send("POST", "partners", key, json=batch)).json() == {"accepted": 2}
    events = await active.events()
    assert [(event.topic, event.key) for event in events] == [(directory.TOPIC, key) for key in (b"p1", b"p2", b"p3")]
    found = [directory.PartnerUpserted.model_validate_json(event.value).version for event in events]
    assert found[1:] == [5, 5]
    assert abs(found[0] / 1_000_000 - time.time()) < 60


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("partners/p1", PARTNER | {"tier": "brass"}, ["tier"]),
        ("partners/p1", PARTNER | {"id": "p1"}, ["id"]),
        ("partners/p1", PARTNER | {"recruiter": "p1", "currency": "euro"}, ["currency"]),
        ("partners/p1", PARTNER | {"recruiter": "p1"}, ["recruiter"]),
        ("partners/" + "x" * 201, PARTNER, ["partner_id"]),
        ("partners/a%00b", PARTNER, ["partner_id"]),
    ],
)
async def test_a_wrong_partner_is_refused_by_field(
    active: Door, path: str, body: dict[str, Any], named: list[str]
) -> None:
    """The tier must be the program's, the id storable."""
    answer = await active.send("PUT", path, await active.key("*"), json=body)
    assert (answer.status_code, fields(answer)) == (422, named)


async def test_a_program_counts_from_the_moment_it_is_accepted(door: Door) -> None:
    """YAML or JSON goes into the log whole, and its activities are known to the next request."""
    key = await door.key("*")
    yaml_type = {"content-type": "application/yaml"}
    answer = await door.send("POST", "programs", key, content=yaml.safe_dump(PROGRAM), headers=yaml_type)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "program": "northwind", "version": 1})
    (event,) = await door.events()
    assert (event.topic, event.key) == (program.TOPIC, b"northwind")
    assert program.ProgramActivated.model_validate_json(event.value).document == PROGRAM
    assert (await door.send("POST", "touchpoints", key, json=TOUCH)).status_code == 202
    assert (await door.send("POST", "programs", key, json=PROGRAM)).status_code == 202
    changed = deepcopy(PROGRAM) | {"currency": "EUR"}
    assert (await door.send("POST", "programs", key, json=changed)).status_code == 409
    assert (await door.send("POST", "programs", key, json=changed | {"version": 2})).status_code == 202


@pytest.mark.parametrize(
    ("content_type", "content", "status"),
    [
        ("text/plain", b"program: x", 415),
        ("application/yaml", b"a: [", 400),
        ("application/json", b"{", 400),
        ("application/json", b"[]", 422),
        ("application/yaml", b"program: x", 422),
        ("application/yaml", b"a: " + b"x" * 300_000, 413),
    ],
)
async def test_a_wrong_program_is_a_clear_problem(door: Door, content_type: str, content: bytes, status: int) -> None:
    """Type, syntax, rules and size each have their answer; nothing is appended."""
    key = await door.key("*")
    answer = await door.send("POST", "programs", key, content=content, headers={"content-type": content_type})
    assert answer.status_code == status
    assert answer.headers["content-type"] == http.PROBLEM_TYPE
    assert await door.events() == []


class Away:
    """A Kafka that does not answer."""

    async def send(self, _: Sequence[Event]) -> None:
        raise Transient("no broker")


async def test_without_kafka_the_sender_is_told_to_come_back(active: Door, ingest_database: Database) -> None:
    """`503` with `Retry-After`; and a program that Kafka has not taken is not known."""
    catalogue = active.ingest.catalogue
    async with conftest.opened(Away(), catalogue, ingest_database, active.log) as door:
        key = await door.key("*")
        for path, body in (("touchpoints", TOUCH), ("deals", DEAL), ("programs", PROGRAM | {"version": 9})):
            answer = await door.send("POST", path, key, json=body)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, str(http.RETRY_AFTER_S))
    assert ("northwind", 9) not in catalogue.known.documents


async def test_the_documentation_names_every_body_with_an_example_that_is_accepted(active: Door) -> None:
    """OpenAPI states the schemas, without loose references, and its examples are true."""
    document = (await active.http.get("/ingest/v1/openapi.json")).json()
    assert "$ref" not in json.dumps(
        [route.get("requestBody") for p in document["paths"].values() for route in p.values()]
    )
    key = await active.key("*")
    examples = 0
    doors = [path for path in document["paths"] if "requestBody" in json.dumps(document["paths"][path])]
    assert len(doors) == 13
    for path in sorted(doors, key=lambda path: not path.endswith("programs")):  # activities first
        if "webhooks" in path:  # needs a signature, and is tried elsewhere
            continue
        for method, route in document["paths"][path].items():
            for content_type, media in route["requestBody"]["content"].items():
                several = media.get("examples", {"only": {"value": media.get("example")}})
                for example in (one["value"] for one in several.values() if one["value"] is not None):
                    content = example if isinstance(example, str) else json.dumps(example)
                    headers = {"content-type": content_type}
                    where = path.removeprefix("/ingest/v1/").replace("{partner_id}", "alpine-consulting")
                    answer = await active.send(method, where, key, content=content, headers=headers)
                    assert answer.status_code == 202, answer.text
                    examples += 1
    assert examples >= 24
