"""Touchpoints: what is refused, in which words, and what is appended."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain import batch, fields, touchpoints
from services.ingest.domain.batch import Form, Malformed, Refused
from shared.events.account import AccountRef
from shared.events.touchpoint import TouchpointRecorded

GOLDEN = Path(__file__).parents[2] / "contracts" / "golden" / "touchpoint.recorded.json"
NOW = datetime(2026, 3, 2, 15, 30, 0, 123456, tzinfo=UTC)
RULES = touchpoints.Rules(frozenset({"product_demo", "referral"}), NOW, partner=None, history=False)
GOOD: dict[str, Any] = {
    "id": "T-1",
    "partner": "brightfield",
    "account": {"domain": "acme.example"},
    "activity": "product_demo",
    "occurred_at": "2026-03-02T14:00:00Z",
}


def read(body: object, rules: touchpoints.Rules = RULES, form: Form = Form.JSON) -> list[touchpoints.Touchpoint]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return batch.read(raw, touchpoints.SHAPE, rules.objections, form)


def faults(body: object, rules: touchpoints.Rules = RULES, form: Form = Form.JSON) -> dict[str, str]:
    with pytest.raises(Refused) as caught:
        read(body, rules, form)
    return {fault.field: fault.message for fault in caught.value.faults}


def test_the_event_is_the_one_its_consumers_read() -> None:
    """What ingest appends for the golden touchpoint is the golden event."""
    golden = json.loads(GOLDEN.read_text())
    body = {key: value for key, value in golden.items() if key not in {"source", "received_at"}}
    body["account"] = {"domain": "https://www.ACME.example/", "crm_id": "A-77", "name": " Acme Instruments "}
    (event,) = touchpoints.events(read(body), "brightfield-portal", NOW, "00-trace")
    assert TouchpointRecorded.model_validate_json(event.data).model_dump(mode="json") == golden
    assert (event.topic, event.type, event.source, event.id, event.time, event.traceparent) == (
        "tributary.touchpoints", "touchpoint.recorded", "brightfield-portal", "T-1001", NOW, "00-trace",
    )  # fmt: skip
    assert event.key == "crm:crm:A-77"


def test_one_object_is_as_good_as_an_array_of_one() -> None:
    """A single touchpoint needs no brackets."""
    assert read(GOOD) == read([GOOD]) == read(b" \r\n\t" + json.dumps(GOOD).encode())


def test_nothing_said_and_null_are_the_same() -> None:
    """A field sent as null does not reach the event."""
    nulls = {"evidence": None, "details": None, "reported_at": None, "account": {**GOOD["account"], "crm": None}}
    assert touchpoints.events(read(GOOD | nulls), "s", NOW, None) == touchpoints.events(read(GOOD), "s", NOW, None)


@pytest.mark.parametrize(
    ("change", "field", "complaint"),
    [
        ({"id": ""}, "id", "at least 1"),
        ({"id": "  "}, "id", "at least 1"),
        ({"id": 7}, "id", "must be a string"),
        ({"id": "x" * 201}, "id", "at most 200"),
        ({"id": "a\x00b"}, "id", "NUL"),
        ({"partner": None}, "partner", "must be a string"),
        ({"activity": "dinner"}, "activity", "'dinner' is no activity of the program; it has: product_demo, referral"),
        ({"occurred_at": "2026-03-02T15:35:01Z"}, "occurred_at", "future"),
        ({"occurred_at": "2026-03-02T14:00:00"}, "occurred_at", "lacks its time zone"),
        ({"occurred_at": "2026-03-02"}, "occurred_at", "lacks its time zone"),
        ({"occurred_at": "yesterday"}, "occurred_at", "ISO 8601"),
        ({"occurred_at": 1772460000}, "occurred_at", "must be a string"),
        ({"occurred_at": "1772460000"}, "occurred_at", "ISO 8601"),
        ({"occurred_at": "1969-12-31T23:00:00-00:30"}, "occurred_at", "between the years"),
        ({"occurred_at": "0001-01-01T00:00:00+23:59"}, "occurred_at", "between the years"),
        ({"account": {}}, "account", "by domain, crm_id, duns, vat or name"),
        ({"account": {"crm": "eu"}}, "account", "by domain, crm_id, duns, vat or name"),
        ({"account": "acme.example"}, "account", "must be a JSON object"),
        ({"account": {"domain": "co.uk"}}, "account.domain", "'co.uk' is not a company's domain"),
        ({"account": {"duns": "15-048-378"}}, "account.duns", "'15-048-378' is no DUNS number; write its nine digits"),
        ({"account": {"duns": "٣50483782"}}, "account.duns", "nine digits"),
        ({"account": {"duns": 150483782}}, "account.duns", "must be a string"),
        ({"account": {"duns": "1" * 41}}, "account.duns", "at most 40"),
        ({"account": {"vat": "D1"}}, "account.vat", "'D1' is no VAT number"),
        ({"account": {"vat": "136695976"}}, "account.vat", "two letters of the country"),
        ({"account": {"vat": "DEXYZ"}}, "account.vat", "no VAT number"),
        ({"account": {"vat": "DE" + "1" * 19}}, "account.vat", "no VAT number"),
        ({"account": {"vat": "DE1/2"}}, "account.vat", "no VAT number"),
        ({"account": {"vat": "ß136695976"}}, "account.vat", "no VAT number"),
        ({"account": {"vat": ""}}, "account.vat", "no VAT number"),
        ({"account": {"domian": "acme.com"}}, "account.domian", "not a field"),
        ({"details": {"a": 1}}, "details.a", "must be a string"),
        ({"details": {str(n): "" for n in range(51)}}, "details", "at most 50"),
        ({"evidence": "x" * 2_001}, "evidence", "at most 2000"),
        ({"colour": "red"}, "colour", "not a field"),
        ({"reported_at": "2026-03-02T14:00:00Z"}, "reported_at", "touchpoints:history"),
    ],
)
def test_a_wrong_field_is_named_with_the_reason(change: dict[str, Any], field: str, complaint: str) -> None:
    """Alone the field stands by itself; in an array, with the item's number."""
    found = faults(GOOD | change)
    assert list(found) == [field]
    assert complaint in found[field]
    assert list(faults([GOOD | {"id": "before"}, GOOD | change])) == [f"items[1].{field}"]


def test_a_missing_field_is_named() -> None:
    """Each required field is asked for."""
    assert faults({}) == dict.fromkeys(["id", "partner", "account", "activity", "occurred_at"], "is required")


def test_every_bad_item_is_named_whatever_is_wrong_with_it() -> None:
    """Wrong form, unknown words and impossible times are all reported at once."""
    items = [GOOD | {"id": str(n)} for n in range(6)]
    items[1] |= {"activity": "dinner"}
    items[3] |= {"occurred_at": 5}
    items[4] = 17  # type: ignore[call-overload]  # wrong on purpose
    items[5] |= {"occurred_at": "2027-01-01T00:00:00Z"}
    assert list(faults(items)) == ["items[1].activity", "items[3].occurred_at", "items[4]", "items[5].occurred_at"]


def test_a_thousand_bad_items_are_all_named() -> None:
    """However many faults each has, no bad item goes unnamed, and the answer stays bounded."""
    worst = {f"wrong{n}": 1 for n in range(30)}
    with pytest.raises(Refused) as caught:
        read([worst] * 1_000)
    named = {fault.field.partition(".")[0] for fault in caught.value.faults}
    assert named == {f"items[{n}]" for n in range(1_000)}
    assert len(caught.value.faults) == batch.MAX_FAULTS


@pytest.mark.parametrize(
    ("body", "complaint"),
    [([], "at least 1 item"), ([GOOD] * 1_001, "at most 1000 items"), (5, "array"), ("text", "array"), (None, "array")],
)
def test_a_body_that_is_no_batch_is_refused(body: object, complaint: str) -> None:
    """Empty, too long, or neither object nor array."""
    assert complaint in faults(body)["items"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"id": }',
        b"[1,]",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b"[" * 5_000,
        b'["\\ud800"]',
        b"[" + b"1" * 9_000 + b"]",
    ],
)
def test_what_is_no_json_is_malformed_with_its_place(body: bytes) -> None:
    """Syntax, encoding, depth, surrogates, endless numbers: one kind of error, with line and column."""
    with pytest.raises(Malformed, match=r"line \d+ column \d+"):
        read(body)


@pytest.mark.parametrize("literal", [b"NaN", b"Infinity", b"1e999", b"123456789012345678901234567890"])
def test_numbers_beyond_json_are_refused_where_they_stand(literal: bytes) -> None:
    """NaN and huge numbers are a wrong type like any other."""
    assert "id" in faults(json.dumps(GOOD).encode().replace(b'"T-1"', literal))


def test_an_id_repeated_with_another_body_is_refused() -> None:
    """Two truths under one id cannot both be meant; the same truth twice can."""
    other = GOOD | {"activity": "referral"}
    assert "items[0]" in faults([GOOD, GOOD, other])["items[2].id"]
    assert len(read([GOOD, GOOD])) == 2


def test_a_key_bound_to_a_partner_posts_for_that_partner_alone() -> None:
    """Posting for another is forbidden, naming the items."""
    rules = touchpoints.Rules(RULES.activities, NOW, partner="brightfield", history=False)
    with pytest.raises(Refused) as caught:
        read([GOOD, GOOD | {"id": "2", "partner": "other"}], rules)
    assert caught.value.forbidden
    assert [fault.field for fault in caught.value.faults] == ["items[1].partner"]
    assert read([GOOD], rules)


def test_history_says_when_it_was_reported_but_never_in_the_future() -> None:
    """With the scope, `reported_at` becomes `received_at`; later than now it is refused."""
    rules = touchpoints.Rules(RULES.activities, NOW, partner=None, history=True)
    (event,) = touchpoints.events(read(GOOD | {"reported_at": "2026-03-02T16:00:00+01:00"}, rules), "s", NOW, None)
    assert json.loads(event.data)["received_at"] == "2026-03-02T15:00:00Z"
    assert "reported_at" not in json.loads(event.data)
    late = (NOW + timedelta(seconds=1)).isoformat()
    assert faults(GOOD | {"reported_at": late}, rules) == {"reported_at": "lies in the future"}


def cloud_event(data: object, **changes: object) -> dict[str, object]:
    return {"specversion": "1.0", "type": "touchpoint.recorded", "source": "/eu", "id": "e", "data": data, **changes}


def test_cloud_events_carry_touchpoints_alone_and_in_batches() -> None:
    """The data is the touchpoint; other attributes and extensions are allowed."""
    assert read(cloud_event(GOOD, time="2026-03-02T15:00:00Z", myext="x"), form=Form.EVENT) == read(GOOD)
    assert read([cloud_event(GOOD)], form=Form.EVENTS) == read([GOOD])


def test_cloud_events_name_faults_where_they_are() -> None:
    """In the attributes, in the data, in what the program says about the data."""
    assert list(faults(cloud_event(GOOD, type="x", specversion="0.3"), form=Form.EVENT)) == ["specversion", "type"]
    bad = [cloud_event(GOOD | {"activity": "dinner"}), cloud_event({**GOOD, "occurred_at": 1}), {}]
    named = list(faults(bad, form=Form.EVENTS))
    assert named[:2] == ["items[0].data.activity", "items[1].data.occurred_at"]
    assert "items[2].data" in named


ACCOUNT_TEXT = st.none() | st.text(min_size=1, max_size=20).map(str.strip).filter(bool)


@given(st.fixed_dictionaries(dict.fromkeys(AccountRef.model_fields, ACCOUNT_TEXT)))
def test_the_kafka_key_is_the_accounts_hint(account: dict[str, str | None]) -> None:
    """The fast path agrees with the contract about which facts share a partition, and which name an account at all."""
    said = {key: value for key, value in account.items() if value is not None and "\x00" not in value}
    assert touchpoints.hint(dict(said)) == AccountRef.model_validate(said).hint
    assert fields.keyless(cast("fields.Account", said)) == (said.keys() <= {"crm"})
    assert fields.weak(cast("fields.Account", said)) == AccountRef.model_validate(said).hint.startswith("name:")


@pytest.mark.parametrize(
    ("field", "written", "kept"),
    [
        ("duns", "150483782", "150483782"),
        ("duns", " 15-048-3782 ", "150483782"),
        ("duns", "15\u2013048\u00a03782", "150483782"),
        ("vat", "de136695976", "DE136695976"),
        ("vat", "BE 0123.456.789", "BE0123456789"),
        ("vat", "CHE-123.456.789", "CHE123456789"),
        ("vat", "IE1+23456L", "IE1+23456L"),
        ("vat", "XY12", "XY12"),
        ("vat", "XY" + "1" * 18, "XY" + "1" * 18),
    ],
)
def test_registry_numbers_are_kept_in_one_spelling(field: str, written: str, kept: str) -> None:
    """However they are grouped, the same number is the same key."""
    (event,) = touchpoints.events(read(GOOD | {"account": {field: written}}), "s", NOW, None)
    assert json.loads(event.data)["account"] == {field: kept}
    assert event.key == f"{field}:{kept}"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
FIELDS = [*GOOD, "evidence", "details", "reported_at", "other"]
NEARLY = st.builds(
    lambda wrong, dropped: {key: value for key, value in {**GOOD, **wrong}.items() if key not in dropped},
    st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=3),
    st.sets(st.sampled_from(FIELDS), max_size=2),
)


@given(st.lists(NEARLY | JSON, max_size=5) | JSON, st.sampled_from(Form))
def test_any_json_is_accepted_or_refused_by_name(body: object, form: Form) -> None:
    """No JSON breaks the reading, and a refusal always names something; what is accepted, consumers can read."""
    raw = json.dumps(body).encode()
    try:
        items = read(raw, form=form)
    except Malformed:
        return
    except Refused as refused:
        named = [f"{fault.field}: {fault.message}".encode() for fault in refused.faults]
        if not named:
            raise AssertionError("a refusal that names nothing") from None
        return
    for event in touchpoints.events(items, "s", NOW, None):
        TouchpointRecorded.model_validate_json(event.data)


@given(st.binary(max_size=200), st.sampled_from(Form))
def test_any_bytes_are_malformed_or_refused(body: bytes, form: Form) -> None:
    """Bytes that are no touchpoints never get through, and break nothing."""
    with pytest.raises((Malformed, Refused)):
        read(body, form=form)
