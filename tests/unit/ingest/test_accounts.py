"""Statements about customer companies: what is refused, in which words, and what is appended."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.ingest.domain import accounts, batch
from services.ingest.domain.batch import Refused
from shared.events import directory

GOLDEN = Path(__file__).parents[2] / "contracts" / "golden"
NOW = datetime(2026, 4, 1, 8, tzinfo=UTC)
LINK: dict[str, Any] = {"id": "a", "name": "Acme", "domains": ["acme.com"]}
MERGE: dict[str, Any] = {"id": "m", "accounts": [{"crm_id": "1"}, {"domain": "acme.com"}], "evidence": "e"}
SEPARATION: dict[str, Any] = {"id": "s", "account": {"domain": "acme.com"}, "evidence": "e"}


def links(body: object) -> list[accounts.Linked]:
    return batch.read(json.dumps(body).encode(), accounts.LINKED, accounts.link_objections)


def merges(body: object) -> list[accounts.Merge]:
    return batch.read(json.dumps(body).encode(), accounts.MERGES, accounts.merge_objections)


def separations(body: object) -> list[accounts.Separation]:
    return batch.read(json.dumps(body).encode(), accounts.SEPARATIONS, accounts.separation_objections)


def faults(read: Callable[[object], object], body: object) -> dict[str, str]:
    with pytest.raises(Refused) as caught:
        read(body)
    return {fault.field: fault.message for fault in caught.value.faults}


def golden(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The golden event, and what its sender posts for it."""
    event = json.loads((GOLDEN / f"{name}.json").read_text())
    return event, {key: value for key, value in event.items() if key not in {"source", "received_at"}}


def test_an_account_statement_is_the_event_its_consumers_read() -> None:
    """Domains and numbers are normalised, what a list says twice is said once, and the version is the instant."""
    event, body = golden("account.linked")
    body |= {
        "version": None, "duns": " 15-048-3782", "vat": "de 136.695.976", "aliases": body["aliases"] * 2,
        "domains": ["https://www.ACME.example/", "acme.example", "acme-instruments.example"],
        "crm_ids": [{"id": "A-77"}, {"crm": "apac", "id": "12"}, {"crm": "crm", "id": "A-77"}],
    }  # fmt: skip
    (made,) = accounts.link_events(links(body), "crm", NOW, "00-trace")
    assert directory.AccountLinked.model_validate_json(made.data).model_dump(mode="json") == event
    assert (made.topic, made.type, made.source, made.key, made.time, made.traceparent) == (
        "tributary.directory", "account.linked", "crm", '["crm","acme"]', NOW, "00-trace",
    )  # fmt: skip
    assert made.id == '["account.linked","acme","1775030400000000"]'


def test_merges_and_separations_are_the_events_their_consumers_read() -> None:
    """What ingest appends for the golden statements are the golden events, each under an id of its own kind."""
    event, body = golden("account.merged")
    (made,) = accounts.merge_events(merges(body), "crm", NOW, None)
    assert directory.AccountMerged.model_validate_json(made.data).model_dump(mode="json") == event
    assert (made.key, made.id) == ('["crm","acme-buys-zenith"]', '["account.merged","acme-buys-zenith","2"]')
    event, body = golden("account.separated")
    (made,) = accounts.separation_events(separations(body), "crm", NOW, None)
    assert directory.AccountSeparated.model_validate_json(made.data).model_dump(mode="json") == event
    assert (made.key, made.id) == ('["crm","acme-foundation"]', '["account.separated","acme-foundation","1"]')


def test_nulls_say_nothing() -> None:
    """A field sent as null does not reach the event."""
    nulls = dict.fromkeys(["version", "aliases", "crm_ids", "duns", "vat", "effective_from", "evidence", "undone"])
    (event,) = accounts.link_events(links(LINK | nulls), "s", NOW, None)
    assert set(json.loads(event.data)) == {"source", "id", "version", "name", "domains", "received_at"}


@pytest.mark.parametrize(
    "body",
    [
        LINK,
        {"id": "a", "domains": ["acme.com"], "aliases": ["Acme"]},
        {"id": "a", "domains": ["acme.com", "acme.org"]},
        {"id": "a", "crm_ids": [{"id": "1"}, {"crm": "eu", "id": "1"}]},
        {"id": "a", "duns": "150483782", "vat": "DE136695976"},
        {"id": "a", "undone": True},
        {"id": "a", "undone": True, "domains": ["acme.com"]},
    ],
)
def test_two_names_with_a_key_among_them_are_a_statement(body: dict[str, Any]) -> None:
    """Any two, one of which is a key; one that is taken back need not repeat them."""
    assert links(body)


@pytest.mark.parametrize(
    ("change", "field", "complaint"),
    [
        ({"domains": None}, "domains", "at least one of domains, crm_ids, duns or vat"),
        ({"domains": [], "aliases": ["Acme Ltd", "ACME"]}, "domains", "at least one of"),
        ({"name": None}, "domains", "is the only key and links nothing"),
        ({"name": None, "domains": ["acme.com", "www.acme.com"]}, "domains", "is the only key"),
        ({"name": None, "domains": None, "crm_ids": [{"id": "1"}, {"crm": "crm", "id": "1"}]}, "crm_ids", "only key"),
        ({"name": None, "domains": None, "vat": "DE136695976"}, "vat", "is the only key"),
        ({"name": None, "domains": None, "undone": False}, "domains", "at least one of"),
        ({"domains": ["acme.com", "co.uk"]}, "domains.1", "not a company's domain"),
        ({"domains": [f"a{n}.com" for n in range(51)]}, "domains", "at most 50"),
        ({"domains": "acme.com"}, "domains", "array"),
        ({"aliases": ["x"] * 51}, "aliases", "at most 50"),
        ({"aliases": [""]}, "aliases.0", "at least 1"),
        ({"crm_ids": [{"id": "1"}] * 51}, "crm_ids", "at most 50"),
        ({"crm_ids": [{"crm": "eu"}]}, "crm_ids.0.id", "is required"),
        ({"crm_ids": [{"id": "1", "system": "eu"}]}, "crm_ids.0.system", "not a field"),
        ({"duns": "15048378"}, "duns", "nine digits"),
        ({"vat": "136695976"}, "vat", "two letters of the country"),
        ({"effective_from": "1 April"}, "effective_from", "not a date"),
        ({"version": -1}, "version", "greater than or equal to 0"),
        ({"version": "2"}, "version", "integer"),
        ({"undone": "true"}, "undone", "boolean"),
        ({"undone": 1}, "undone", "boolean"),
        ({"evidence": "x" * 2_001}, "evidence", "at most 2000"),
        ({"id": " "}, "id", "at least 1"),
        ({"crm_id": "1"}, "crm_id", "not a field"),
    ],
)
def test_a_wrong_account_statement_is_refused_by_field(change: dict[str, Any], field: str, complaint: str) -> None:
    """In an array the item is named too."""
    found = faults(links, [LINK | {"id": "before"}, LINK | change])
    assert list(found) == [f"items[1].{field}"]
    assert complaint in found[f"items[1].{field}"]


@pytest.mark.parametrize(
    ("change", "field", "complaint"),
    [
        ({"accounts": [{"crm_id": "1"}]}, "accounts", "at least 2"),
        ({"accounts": [{"crm_id": str(n)} for n in range(51)]}, "accounts", "at most 50"),
        ({"accounts": [{"crm_id": "1"}, {}]}, "accounts.1", "must name the account by crm_id, duns, vat or domain"),
        ({"accounts": [{"name": "Acme"}, {"crm_id": "1"}]}, "accounts.0", "a name alone may be that of several"),
        ({"accounts": [{"crm": "eu"}, {"crm_id": "1"}]}, "accounts.0", "must name the account by"),
        ({"accounts": [{"crm_id": "1"}, {"crm": "crm", "crm_id": "1", "name": "A"}]}, "accounts.1", "the same as"),
        ({"accounts": [{"domain": "acme.com"}, {"domain": "www.acme.com"}]}, "accounts.1", "same as accounts.0"),
        ({"accounts": [{"domain": "a.com"}, {"domain": "b"}]}, "accounts.1.domain", "not a company's domain"),
        ({"accounts": None}, "accounts", "array"),
        ({"evidence": None}, "evidence", "must be a string"),
        ({"evidence": "  "}, "evidence", "at least 1"),
        ({"undone": "no"}, "undone", "boolean"),
        ({"account": {}}, "account", "not a field"),
    ],
)
def test_a_wrong_merge_is_refused_by_field(change: dict[str, Any], field: str, complaint: str) -> None:
    """Two different accounts at least, each with a key of its own, and what shows that they are one."""
    found = faults(merges, [MERGE | {"id": "before"}, MERGE | change])
    assert list(found) == [f"items[1].{field}"]
    assert complaint in found[f"items[1].{field}"]


@pytest.mark.parametrize(
    ("change", "field", "complaint"),
    [
        ({"account": {}}, "account", "must name the account by crm_id, duns, vat or domain"),
        ({"account": {"name": "Acme"}}, "account", "a name alone"),
        ({"account": {"duns": "x"}}, "account.duns", "nine digits"),
        ({"account": None}, "account", "must be a JSON object"),
        ({"evidence": ""}, "evidence", "at least 1"),
        ({"effective_from": 20260401}, "effective_from", "must be a string"),
        ({"accounts": []}, "accounts", "not a field"),
    ],
)
def test_a_wrong_separation_is_refused_by_field(change: dict[str, Any], field: str, complaint: str) -> None:
    """One account with a key of its own, and what shows that it is a company of its own."""
    found = faults(separations, [SEPARATION | {"id": "before"}, SEPARATION | change])
    assert list(found) == [f"items[1].{field}"]
    assert complaint in found[f"items[1].{field}"]


@pytest.mark.parametrize(
    ("read", "good"),
    [(links, LINK), (merges, MERGE), (separations, SEPARATION)],
    ids=["links", "merges", "separations"],
)
def test_one_version_says_one_thing(read: Callable[[object], list[object]], good: dict[str, Any]) -> None:
    """Undoing is a higher version; two bodies under one version, stated or not, are refused."""
    assert len(read([good | {"version": 1}, good | {"version": 2, "undone": True}, good | {"version": 1}])) == 3
    for version in (None, 1):
        said = good | {"version": version}
        assert list(faults(read, [said, said | {"evidence": "other"}])) == ["items[1].id"]


def test_the_required_fields_are_asked_for() -> None:
    """Each by name."""
    assert faults(links, {}) == {"id": "is required"}
    assert faults(merges, {}) == dict.fromkeys(["id", "evidence", "accounts"], "is required")
    assert faults(separations, {}) == dict.fromkeys(["id", "evidence", "account"], "is required")
