"""Messages to rows: the short way and the contract agree, and what is wrong names its field."""

import json
from pathlib import Path
from typing import Any

import pytest

from services.attribution.domain import parse
from shared.errors import Invalid

GOLDEN = Path(__file__).parents[2] / "contracts" / "golden"
TOUCHPOINT: dict[str, Any] = {
    "source": "portal", "id": "t1", "partner": "ada", "activity": "demo",
    "account": {"domain": "acme.example", "crm_id": "A-1", "name": "Acme"},
    "occurred_at": "2026-03-01T10:00:00Z", "received_at": "2026-03-01T10:00:01.5Z",
    "evidence": "minutes", "details": {"room": "1", "attendees": "5"},
}  # fmt: skip
DEAL: dict[str, Any] = {
    "source": "crm", "id": "D-1", "version": 1, "stage": "won", "account": {"crm_id": "A-1"},
    "amount": {"amount": "5.00", "currency": "USD"}, "closed_at": "2026-03-31T12:00:00Z",
    "observed_at": "2026-04-01T00:00:00Z",
}  # fmt: skip


def touchpoint(**fields: object) -> parse.TouchRow:
    return parse.touchpoint(json.dumps(TOUCHPOINT | fields).encode())


def test_a_touchpoint_is_read_with_its_keys() -> None:
    """Strong keys are derived from the account; instants are kept in UTC."""
    row = touchpoint(occurred_at="2026-03-01T12:00:00+02:00")
    assert (row.id_key, row.domain_key, row.account_name) == ("crm:crm:A-1", "domain:acme.example", "Acme")
    assert row.occurred_at.isoformat() == "2026-03-01T10:00:00+00:00"
    assert row.details is not None
    assert json.loads(row.details) == TOUCHPOINT["details"]


@pytest.mark.parametrize(
    "fields",
    [
        {"received_at": "2027-01-01T00:00:00Z"},  # a repeat is reported later; it is the same fact
        {"occurred_at": "2026-03-01T12:00:00+02:00"},
        {"occurred_at": 1772359200},  # seconds: only the contract reads them
        {"details": {"attendees": "5", "room": "1"}},
        {"a_later_field": 1},
    ],
)
def test_two_spellings_of_one_fact_have_one_fingerprint(fields: dict[str, object]) -> None:
    """A repeat is recognised by its content, however it is written and by whichever way it is read."""
    assert touchpoint(**fields).fingerprint == touchpoint().fingerprint


@pytest.mark.parametrize(
    "fields",
    [
        {"partner": "bob"}, {"activity": "course"}, {"occurred_at": "2026-03-01T10:00:00.000001Z"}, {"evidence": None},
        {"details": {}}, {"account": TOUCHPOINT["account"] | {"crm": "other"}},
        {"account": TOUCHPOINT["account"] | {"domain": "gmail.com"}},
    ],
)  # fmt: skip
def test_another_content_has_another_fingerprint(fields: dict[str, object]) -> None:
    """Every field but the time of reporting makes a body another one."""
    assert touchpoint(**fields).fingerprint != touchpoint().fingerprint


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"partner": ""}, "partner"),
        ({"partner": "x" * 201}, "partner"),
        ({"partner": "a\x00b"}, "partner"),
        ({"details": {"k": "\x00"}}, "details.k"),
        ({"occurred_at": "2026-03-01T10:00:00"}, "occurred_at"),
        ({"occurred_at": "yesterday"}, "occurred_at"),
        ({"occurred_at": "9999-01-01T00:00:00Z"}, "occurred_at"),
        ({"account": "Acme"}, "account"),
    ],
)
def test_a_bad_touchpoint_names_its_field(fields: dict[str, object], named: str) -> None:
    """A refused message says where it is wrong."""
    with pytest.raises(Invalid) as caught:
        touchpoint(**fields)
    assert named in [fault.field for fault in caught.value.faults]


@pytest.mark.parametrize("value", [b"", b"[]", b"not json", b'"text"', b"\xff\xfe", b'{"id": "\\ud800"}'])
def test_what_is_no_object_is_refused(value: bytes) -> None:
    """Garbage is an Invalid from every parser, never another exception."""
    for read in (parse.touchpoint, parse.deal, parse.program_version):
        with pytest.raises(Invalid):
            read(value)


def test_a_deal_is_read_exactly() -> None:
    """Minor units, keys, and one fingerprint for 5.0 and 5.00; a deal without strong key gets a key of its own."""
    row = parse.deal(json.dumps(DEAL).encode())
    assert (row.amount_minor, row.currency, row.keys, row.keyed) == (500, "USD", ("crm:crm:A-1",), True)
    spelled = DEAL | {"amount": {"amount": "5.0", "currency": "USD"}, "observed_at": "2026-05-01T00:00:00Z"}
    assert parse.deal(json.dumps(spelled).encode()).fingerprint == row.fingerprint
    other = parse.deal(json.dumps(DEAL | {"stage": "lost"}).encode())
    assert other.fingerprint != row.fingerprint
    bare = parse.deal(json.dumps(DEAL | {"account": {"name": "Acme"}}).encode())
    assert (bare.keys, bare.keyed) == (('deal:["crm","D-1"]',), False)


def test_bases_of_pay_are_read_in_the_currency_of_the_amount() -> None:
    """In minor units, part of what a repeat must equal; in another currency the deal is refused by field."""
    row = parse.deal(json.dumps(DEAL).encode())
    assert (row.margin_minor, row.first_year_minor) == (None, None)
    usd = {"amount": "2.50", "currency": "USD"}
    rich = parse.deal(
        json.dumps(DEAL | {"margin": usd, "first_year_value": {"amount": "0", "currency": "USD"}}).encode()
    )
    assert (rich.margin_minor, rich.first_year_minor) == (250, 0)
    again = DEAL | {"margin": usd | {"amount": "2.5"}, "first_year_value": {"amount": "0.0", "currency": "USD"}}
    assert parse.deal(json.dumps(again).encode()).fingerprint == rich.fingerprint
    swapped = DEAL | {"margin": again["first_year_value"], "first_year_value": again["margin"]}
    others = [DEAL | {"margin": usd}, DEAL | {"first_year_value": usd}, swapped, DEAL]
    prints = {parse.deal(json.dumps(other).encode()).fingerprint for other in others}
    assert len(prints | {rich.fingerprint}) == 5
    euros = {"amount": "2.50", "currency": "EUR"}
    with pytest.raises(Invalid) as caught:
        parse.deal(json.dumps(DEAL | {"margin": euros, "first_year_value": euros}).encode())
    assert [fault.field for fault in caught.value.faults] == ["margin", "first_year_value"]
    bare = {name: DEAL[name] for name in DEAL if name not in {"amount", "closed_at"}} | {"stage": "open"}
    assert parse.deal(json.dumps(bare | {"margin": euros}).encode()).margin_minor is None


def test_facts_of_earlier_releases_keep_their_fingerprints() -> None:
    """A repeat of what was stored before there were these fields is still a repeat, and no conflict."""
    assert parse.deal(json.dumps(DEAL).encode()).fingerprint.hex() == "eba2106e3a0abbfa11f571c997427506"
    somewhere = parse.deal(json.dumps(DEAL | {"region": "EMEA"}).encode())
    assert somewhere.fingerprint.hex() == "581f08f2a918c7646d4052cef49f782a"


def test_a_program_tells_whether_it_asks_for_first_deals() -> None:
    """Only a plan with `recurring` does."""
    document = golden_document()
    assert not parse.program_version(activation(document)).recurs
    document["compensation"]["plans"]["influence"]["recurring"] = "24 months"
    assert parse.program_version(activation(document)).recurs


def golden_document() -> dict[str, Any]:
    body: dict[str, Any] = json.loads((GOLDEN / "program.activated.json").read_text())
    document: dict[str, Any] = body["document"]
    return document


def activation(document: dict[str, Any]) -> bytes:
    said = {"program": document["program"], "version": 1, "document": document, "received_at": "2026-01-01T00:00:00Z"}
    return json.dumps(said).encode()


def test_a_won_deal_must_have_amount_and_close() -> None:
    """Both missing fields are named at once."""
    with pytest.raises(Invalid) as caught:
        parse.deal(json.dumps(DEAL | {"amount": None, "closed_at": None}).encode())
    assert [fault.field for fault in caught.value.faults] == ["amount", "closed_at"]


def test_a_program_is_checked_before_it_is_stored() -> None:
    """A document that does not parse, or names another version than its event, is refused."""
    body = {"program": "p", "version": 1, "document": {"program": "p"}, "received_at": "2026-01-01T00:00:00Z"}
    with pytest.raises(Invalid) as caught:
        parse.program_version(json.dumps(body).encode())
    assert "activities" in [fault.field for fault in caught.value.faults]
