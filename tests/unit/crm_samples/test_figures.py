"""The exports of HubSpot and Salesforce are what their READMEs say: counts, sums and traps, by column name."""

from collections import Counter
from decimal import Decimal

import pytest

from tests.support import data
from tests.support.crm import export, hubspot, salesforce
from tests.support.crm.export import Decided, Export, Item

DECIDED = Decided("USD", ["one", "two"], 1)
ONE_DIGIT = 18
"""Length of a time with a one-digit hour."""


@pytest.fixture(scope="module")
def hubspot_rows() -> Export:
    return export.read(data.folder("fivetran_hubspot"))


@pytest.fixture(scope="module")
def salesforce_rows() -> Export:
    return export.read(data.folder("fivetran_salesforce"), "sf_")


def test_hubspot_deals_say_neither_stage_nor_amount(hubspot_rows: Export) -> None:
    """44 deals become open deals without amount, close or company; their owners are all known."""
    deals = hubspot_rows["deal"]
    owners = Counter(row["owner_id"] for row in deals)
    assert owners == {"": 22, "35252170": 19, "40706000": 2, "37790786": 1}
    assert set(owners) - {""} <= {row["owner_id"] for row in hubspot_rows["owner"]}
    mapped = [outcome for outcome in hubspot.outcomes(hubspot_rows, DECIDED)["deal"] if isinstance(outcome, Item)]
    assert len(mapped) == 44
    assert {item.body["stage"] for item in mapped} == {"open"}
    assert not any({"amount", "closed_at", "account", "removed"} & item.body.keys() for item in mapped)


def test_the_column_says_which_deal_survives_a_merge(hubspot_rows: Export) -> None:
    """14 deals go into 6 survivors, one taking 4, without chains; in 4 merges the survivor has the larger id."""
    merges = {row["merged_deal_id"]: row["deal_id"] for row in hubspot_rows["merged_deal"]}
    taken = Counter(merges.values())
    assert (len(merges), len(taken), taken["9089908390"]) == (14, 6, 4)
    assert not merges.keys() & taken.keys()
    assert not merges.keys() & {row["deal_id"] for row in hubspot_rows["deal"]}
    assert sum(int(survivor) > int(loser) for loser, survivor in merges.items()) == 4
    mapped = hubspot.outcomes(hubspot_rows, DECIDED)["merged_deal"]
    assert {o.body["id"]: o.body["merged_into"] for o in mapped if isinstance(o, Item)} == merges


def test_won_is_told_by_the_flag_of_the_stage(hubspot_rows: Export) -> None:
    """Of 71 stages 5 are won; probability 0 does not close a deal, and a blank or unknown stage is open."""
    stages = hubspot_rows["deal_pipeline_stage"]
    assert Counter(hubspot.stage(row["stage_id"], hubspot_rows) for row in stages) == {"won": 5, "open": 66}
    assert sum(Decimal(row["probability"]) == 0 for row in stages) == 42
    assert {hubspot.stage(stage, hubspot_rows) for stage in ("", "no such stage")} == {"open"}


def test_one_digit_hours_are_read(hubspot_rows: Export) -> None:
    """12 of 14 stage rows have one-digit hours; their milestone is the same instant, and 2050 is no close."""
    rows = hubspot_rows["deal_stage"]
    assert sum(len(row["date_entered"]) == ONE_DIGIT for row in rows) == 12
    first = hubspot.outcomes(hubspot_rows, DECIDED)["deal_stage"][0]
    assert isinstance(first, Item)
    assert first.body["milestones"] == {"stage_entered": "2021-01-07T06:49:18+00:00"}
    assert "closed_at" not in first.body


def test_meetings_of_1970_and_machine_mail_are_no_touch(hubspot_rows: Export) -> None:
    """Of 100 meetings 7 begin in 1970, 1,000 times too early; of 100 mail events, people sent none."""
    meetings = hubspot_rows["engagement_meeting"]
    assert Counter(row["source"] for row in meetings) == {
        "BIDIRECTIONAL_API": 42, "BIDIRECTIONAL_SYNC": 22, "INTEGRATION": 21, "CRM_UI": 15,
    }  # fmt: skip
    early = [row for row in meetings if row["start_time"].startswith("1970-01-19")]
    meant = {(export.instant(row["start_time"]) - export.EPOCH) * 1_000 + export.EPOCH for row in early}
    assert {when.year for when in meant} == {2020}
    mapped = hubspot.outcomes(hubspot_rows, DECIDED)
    refused = [one.reason for one in mapped["engagement_meeting"] if not isinstance(one, Item)]
    assert refused == [hubspot.IN_1970] * len(early) == [hubspot.IN_1970] * 7
    events = hubspot_rows["email_event"]
    assert Counter(row["type"] for row in events) == {"OPEN": 90, "SENT": 4, "DELIVERED": 3, "PROCESSED": 3}
    assert len({row["recipient"] for row in events}) == 19


def test_salesforce_opportunities_are_won_by_flag_and_all_deleted(salesforce_rows: Export) -> None:
    """5 won, 4 lost, 1 open, all removed; the amounts are exact and only one won deal has one."""
    mapped = salesforce.outcomes(salesforce_rows, DECIDED)["opportunity"]
    deals = [one.body for one in mapped if isinstance(one, Item)]
    assert Counter(deal["stage"] for deal in deals) == {"won": 5, "lost": 4, "open": 1}
    assert all(deal["removed"] for deal in deals)
    assert not any("account" in deal for deal in deals)
    amounts = [(deal["stage"], Decimal(deal["amount"]["amount"])) for deal in deals if "amount" in deal]
    assert (len(amounts), sum(amount for _, amount in amounts)) == (4, 24_530_001)
    assert [amount for stage, amount in amounts if stage == "won"] == [24_120_000]


def test_salesforce_history_gives_versions_of_the_same_deals(salesforce_rows: Export) -> None:
    """Each opportunity has one row of history; its version is the time it began to hold, 2 of them are superseded."""
    mapped = salesforce.outcomes(salesforce_rows, DECIDED)
    now, then = (
        {one.body["id"]: one.body["version"] for one in mapped[name] if isinstance(one, Item)}
        for name in ("opportunity", "opportunity_history")
    )
    assert now.keys() == then.keys()
    assert not now.items() & then.items()
    assert Counter(row["_fivetran_active"] for row in salesforce_rows["opportunity_history"]) == {"true": 8, "false": 2}


def test_salesforce_line_items_are_exact_and_join_nothing(salesforce_rows: Export) -> None:
    """Quantity times unit price is the total on all 10 lines, which add up to 295,488.77."""
    lines = salesforce_rows["opportunity_line_item"]
    totals = [Decimal(row["total_price"]) for row in lines]
    assert totals == [Decimal(row["quantity"]) * Decimal(row["unit_price"]) for row in lines]
    assert sum(totals) == Decimal("295488.77")
    assert not any(
        isinstance(one, Item) for one in salesforce.outcomes(salesforce_rows, DECIDED)["opportunity_line_item"]
    )


def test_salesforce_activities_carry_one_instant(salesforce_rows: Export) -> None:
    """All tasks and events happened at once; 19 name an account, and each is mapped alone, whatever its place."""
    mapped = salesforce.outcomes(salesforce_rows, DECIDED)
    touches = [one.body for name in ("task", "event") for one in mapped[name] if isinstance(one, Item)]
    assert {touch["occurred_at"] for touch in touches} == {"2019-11-11T17:23:34+00:00"}
    assert (len(touches), sum(bool(touch["account"]) for touch in touches)) == (20, 19)
    turned = {name: list(reversed(rows)) for name, rows in salesforce_rows.items()}
    assert {name: list(reversed(rows)) for name, rows in salesforce.outcomes(turned, DECIDED).items()} == mapped


def test_wide_rows_are_mapped_by_the_name_of_their_columns(salesforce_rows: Export) -> None:
    """Columns in another order, or unknown ones among them, change no outcome."""
    turned = {
        name: [dict(reversed([*row.items(), ("unknown_c", "x")])) for row in rows]
        for name, rows in salesforce_rows.items()
    }
    assert len(salesforce_rows["event"][0]) == 113
    assert salesforce.outcomes(turned, DECIDED) == salesforce.outcomes(salesforce_rows, DECIDED)
