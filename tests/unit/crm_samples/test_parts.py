"""What mapping a CRM's rows rests on: times, flags, hashes of nothing, and ids that are checked before joining."""

from datetime import UTC, datetime

import pytest

from tests.support.crm import export, hubspot, salesforce
from tests.support.crm.export import Decided, Item, Refusal

DECIDED = Decided("USD", ["one", "two"], 1)
TOUCH = {
    "id": "t1", "is_deleted": "TRUE", "account_id": "0015500000Xyy06AAB", "partner_account_c": "", "type": "Call",
    "activity_date": "2019-11-11 17:23:34", "start_date_time": "2019-11-11 17:23:34",
}  # fmt: skip


@pytest.mark.parametrize("text", ["2021-01-07 6:49:18", "2021-01-07 06:49:18", "2021-01-07 06:49:18.000"])
def test_times_are_utc_whatever_their_digits(text: str) -> None:
    """One-digit hours and fractions are read as the same instant."""
    assert export.instant(text) == datetime(2021, 1, 7, 6, 49, 18, tzinfo=UTC)
    assert export.version(text) == 1_610_002_158_000_000


def test_flags_come_in_two_spellings_and_no_third() -> None:
    """`TRUE` and `false` are read, a blank is no, anything else is refused."""
    assert [export.flag(text) for text in ("TRUE", "true", "FALSE", "false", "")] == [True, True, False, False, False]
    with pytest.raises(ValueError, match="neither true nor false"):
        export.flag("yes")


def test_the_hash_of_nothing_is_nothing() -> None:
    """Both spellings of the empty text's hash are blank."""
    assert [export.filled(text) for text in ("1B2M2Y8AsgTpgAmY7PhCfg==", "d41d8cd98f00b204e9800998ecf8427e")] == [
        "",
        "",
    ]
    assert export.filled("x") == "x"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("0015500000Xyy06AAB", None),
        ("0015500000Xyy06", None),
        ("0015500000Xyy06AAA", "account id fails its check letters"),
        ("0015500000Xyy6AAB", "account id has 17 characters"),
        ("0015500000Xyy  AAB", "account id contains blanks"),
        ("0065500000Xyy06AAB", "account id does not begin with 001"),
    ],
)
def test_ids_are_checked_before_anything_is_joined_by_them(text: str, fault: str | None) -> None:
    """Length, alphabet, kind of object and check letters of an id of Salesforce."""
    assert export.salesforce_fault("account", text, "001") == fault


def test_what_is_laid_over_depends_on_the_touchpoint_alone() -> None:
    """The same seed and id give the same partner, in any order and process."""
    names = [DECIDED.partner(str(number)) for number in range(20)]
    assert names == [DECIDED.partner(str(number)) for number in range(20)]
    assert set(names) == {"one", "two"}


def test_a_deleted_activity_is_withdrawn() -> None:
    """A touchpoint that the CRM deleted is taken back, not posted again."""
    for mapped in (salesforce.task(TOUCH, DECIDED, "crm"), salesforce.event(TOUCH, DECIDED, "crm")):
        assert mapped == Item("touchpoints/withdrawals", {"id": "t1", "reason": "deleted in the CRM"})


def test_an_activity_names_its_partner_where_the_crm_does() -> None:
    """The partner's own column comes before what is laid over; a broken account id joins nothing."""
    mapped = salesforce.event({**TOUCH, "is_deleted": "FALSE", "partner_account_c": "fernhill"}, DECIDED, "crm")
    assert isinstance(mapped, Item)
    assert (mapped.body["partner"], mapped.body["activity"]) == ("fernhill", "closing")
    broken = salesforce.task({**TOUCH, "is_deleted": "FALSE", "account_id": "0015500000Xyy0"}, DECIDED, "crm")
    assert broken == Refusal("account id has 14 characters")


def test_an_account_with_a_master_record_is_merged_into_it() -> None:
    """With a readable master id the row becomes a merge of both accounts, with a hashed one it is refused."""
    row = {"id": "0015500000Xyy06AAB", "name": "A", "is_deleted": "true", "master_record_id": "0015500000Ygpq1AAB"}
    merged = salesforce.account(row, "2019-10-17 21:33:00")
    assert isinstance(merged, Item)
    assert merged.path == "accounts/merges"
    assert [one["crm_id"] for one in merged.body["accounts"]] == ["0015500000Xyy06AAB", "0015500000Ygpq1AAB"]
    hashed = salesforce.account({**row, "master_record_id": "L4izOo4yZpLq5io5YM8pvA=="}, "2019-10-17 21:33:00")
    assert hashed == Refusal("master record id has 24 characters")


def test_a_deal_of_hubspot_is_mapped_whole() -> None:
    """A filled row gives stage, exact amount, close and company; a deleted one is removed."""
    stages = [{"stage_id": "s", "closed_won": "TRUE", "is_closed": "TRUE"}]
    row = {
        "deal_id": "1", "property_createdate": "2020-01-01 1:00:00", "deal_pipeline_stage_id": "s",
        "property_amount": "0.10", "property_dealname": "D", "property_closedate": "2020-02-01 00:00:00",
        "is_deleted": "TRUE",
    }  # fmt: skip
    rows = {"deal_pipeline_stage": stages, "deal_company": [{"deal_id": "1", "company_id": "7"}]}
    mapped = hubspot.deal(row, rows, DECIDED)
    assert isinstance(mapped, Item)
    assert mapped.body == {
        "id": "1", "version": 1_577_840_400_000_000, "stage": "won", "name": "D", "removed": True,
        "created_at": "2020-01-01T01:00:00+00:00", "closed_at": "2020-02-01T00:00:00+00:00",
        "amount": {"amount": "0.10", "currency": "USD"}, "account": {"crm": "hubspot", "crm_id": "7"},
    }  # fmt: skip
