"""Two CRMs' exports (HubSpot 632 rows, Salesforce 79) through the generic doors: each row is stored or refused by name.

The exports hold no partner, no currency, and no won deal with an account to match by. What is laid over them is made
here: partners and the companies of meetings with a fixed seed, US dollars, and a few deals and touchpoints of their own
that make deletion, merging and equal instants tell in money. Rows are mapped by `tests/support/crm`.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import asyncpg
import pytest

from tests.support import data, exports, facts
from tests.support.crm import export, hubspot, salesforce
from tests.support.crm.delivery import Sender, Table
from tests.support.crm.export import Decided, Export, Item, Outcome, Row
from tests.support.system import JsonObject, Tributary

SEED = 17
PARTNERS = [f"partner-{n}" for n in range(6)]
RESELLERS = [f"reseller-{n}" for n in range(3)]
"""Partners of the one won deal with an amount, and of no other."""
DECIDED = Decided("USD", PARTNERS, SEED)
WON = "24120000"
MERGED_WORTH = Decimal("100.00")
EQUAL_WORTH = Decimal("1000.01")
EQUAL_CLOSE = "2019-12-01T00:00:00+00:00"
RUNS = ("first", "second")
PIECE = 3
"""Touchpoints per request of the shuffled runs, so that they arrive one after another."""

NO_ACCOUNT = "door: account: must name the account by domain, crm_id, duns, vat or name"
NO_AMOUNT = "door: amount: a won deal needs its amount"


@dataclass(frozen=True)
class Look:
    """What the system says at one moment."""

    credit: dict[tuple[str, str], JsonObject]
    balances: dict[str, list[int]]
    totals: JsonObject
    verified: bool
    counted: tuple[int, ...]

    def shares(self, source: str, deal: str) -> dict[str, tuple[str, str]]:
        """Share and amount by partner of a deal's standing credit."""
        shares = self.credit[source, deal]["shares"]
        return {share["partner"]: (share["share"], share["amount"]["amount"]) for share in shares}


@dataclass(frozen=True)
class Delivered:
    """Both exports delivered: before deletions and merges, after all rows, and after all rows once more."""

    before: Look
    after: Look
    again: Look
    undeleted: Table
    hubspot: dict[str, Table]
    salesforce: dict[str, Table]
    repeated: dict[str, dict[str, Table]]
    stored: dict[str, set[tuple[str, str, int]]]


@asynccontextmanager
async def connected(tributary: Tributary) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(tributary.system.database_url)
    try:
        yield connection
    finally:
        await connection.close()


async def look(tributary: Tributary) -> Look:
    """Wait until all has had its effect, and look at it."""
    await tributary.settle()
    async with connected(tributary) as connection:
        credit = await connection.fetch(
            "SELECT c.source, c.deal_id, c.snapshot FROM attribution.credit c "
            "JOIN attribution.standing_credit USING (source, deal_id, revision)"
        )
        balances = await connection.fetch(
            "SELECT partner, array_agg(posted_minor ORDER BY code) AS posted FROM rewards.account "
            "JOIN rewards.balance USING (account_id) WHERE partner IS NOT NULL GROUP BY partner"
        )
        counted = await connection.fetchrow(
            "SELECT (SELECT count(*) FROM attribution.credit), (SELECT count(*) FROM rewards.journal), "
            "(SELECT count(*) FROM attribution.deal_version), (SELECT count(*) FROM attribution.touchpoint), "
            "(SELECT count(*) FROM attribution.account_statement)"
        )
    [totals] = (await tributary.get("attribution", "summary"))["totals"]
    return Look(
        {(row["source"], row["deal_id"]): json.loads(row["snapshot"]) for row in credit},
        {row["partner"]: row["posted"] for row in balances},
        totals,
        (await tributary.get("rewards", "verification"))["ok"],
        tuple(counted),
    )


def undeleted(rows: Sequence[Row]) -> list[Outcome]:
    """Opportunities as they were created, before they were deleted; the one with an amount gets an account laid over.

    Their own account ids are hashes, which join nothing.
    """
    outcomes = [salesforce.opportunity({**row, "is_deleted": "false"}, row["created_date"], DECIDED) for row in rows]
    for outcome in outcomes:
        assert isinstance(outcome, Item)
        if outcome.body["stage"] == "won" and "amount" in outcome.body:
            outcome.body["account"] = {"crm_id": "laid-over"}
    return outcomes


def resold() -> Iterator[Item]:
    """A touchpoint of each reseller in the weeks before the won deal's close, laid over."""
    for number, name in enumerate(RESELLERS):
        when = datetime.fromisoformat("2018-12-01T09:00:00+00:00") + timedelta(days=number)
        touch = facts.touchpoint(f"resold-{number}", name, "demo", when, crm_id="laid-over", reported=when)
        yield Item("touchpoints", touch)


def unmerged(rows: Sequence[Row]) -> Iterator[Item]:
    """Merged deals and their survivors as won deals before the merge, worth 100 dollars each, laid over."""
    for survivor in sorted({row["deal_id"] for row in rows}):
        losers = [row["merged_deal_id"] for row in rows if row["deal_id"] == survivor]
        account = {"crm_id": f"laid-over-{survivor}"}
        closed = datetime.fromisoformat("2023-06-01T00:00:00+00:00")
        for number in (survivor, *losers):
            yield Item("deals", facts.deal(number, account, str(MERGED_WORTH), closed))
        when = closed - timedelta(days=10)
        partner = DECIDED.partner(survivor)
        touch = facts.touchpoint(f"laid-over-{survivor}", partner, "demo", when, reported=when, **account)
        yield Item("touchpoints", touch)


async def equal_instants(tributary: Tributary, run: str, rows: Export) -> None:
    """All tasks and events, which carry one instant, on one company laid over, in an order of the run's own."""
    sender = await Sender.named(tributary, run)
    mapped = salesforce.outcomes({name: rows[name] for name in ("task", "event")}, DECIDED, run)
    touches = [one for table in mapped.values() for one in table if isinstance(one, Item) and one.body["account"]]
    named = sorted({touch.body["account"]["crm_id"] for touch in touches})
    company = {"id": "laid-over", "version": 1, "crm_ids": [{"crm": run, "id": number} for number in named]}
    closed = datetime.fromisoformat(EQUAL_CLOSE)
    won = facts.deal("equal", {"crm": run, "crm_id": named[0]}, str(EQUAL_WORTH), closed)
    random.Random(run).shuffle(touches)
    for start in range(0, len(touches), PIECE):
        await sender.deliver({"touches": touches[start : start + PIECE]})
        if start == PIECE:
            await sender.deliver({"laid over": [Item("accounts", company), Item("deals", won)]})


@pytest.fixture(scope="module")
def hubspot_rows() -> Export:
    return export.read(data.folder("fivetran_hubspot"))


@pytest.fixture(scope="module")
def salesforce_rows() -> Export:
    return export.read(data.folder("fivetran_salesforce"), "sf_")


@pytest.fixture(scope="module")
async def delivered(hubspot_rows: Export, salesforce_rows: Export, tributary: Tributary) -> Delivered:
    """Everything that is laid over, then all rows of both exports, then all rows once more."""
    await tributary.activate(facts.document())
    await tributary.accept("partners", [facts.partner(name, "gold") for name in PARTNERS + RESELLERS])
    senders = {name: await Sender.named(tributary, name) for name in ("hubspot", "salesforce")}
    mapped = {
        "hubspot": hubspot.outcomes(hubspot_rows, DECIDED), "salesforce": salesforce.outcomes(salesforce_rows, DECIDED)
    }  # fmt: skip
    early = await senders["salesforce"].deliver(
        {
            "opportunity": undeleted(salesforce_rows["opportunity"]),
            "laid over": list(resold()),
        }
    )
    await senders["hubspot"].deliver({"laid over": list(unmerged(hubspot_rows["merged_deal"]))})
    for run in RUNS:
        await equal_instants(tributary, run, salesforce_rows)
    before = await look(tributary)
    tables = {name: await sender.deliver(mapped[name]) for name, sender in senders.items()}
    after = await look(tributary)
    repeated = {name: await sender.deliver(mapped[name]) for name, sender in senders.items()}
    again = await look(tributary)
    async with connected(tributary) as connection:
        stored = {name: await sender.stored(connection) for name, sender in senders.items()}
    return Delivered(
        before, after, again, early["opportunity"], tables["hubspot"], tables["salesforce"], repeated, stored
    )  # fmt: skip


@pytest.mark.parametrize(
    ("vendor", "files", "rows", "kept", "distinct"), [("hubspot", 25, 632, 189, 189), ("salesforce", 10, 79, 57, 48)]
)
async def test_every_row_ends_stored_or_refused(
    delivered: Delivered, vendor: str, files: int, rows: int, kept: int, distinct: int
) -> None:
    """In each table, rows are those found in the database plus those refused, and nothing is both or neither.

    Salesforce states 9 accounts in two tables alike: one fact each.
    """
    tables: dict[str, Table] = getattr(delivered, vendor)
    found = {name: [i for i in t.accepted if i.fact in delivered.stored[vendor]] for name, t in tables.items()}
    assert {name: len(found[name]) + table.refused.total() for name, table in tables.items()} == {
        name: table.rows for name, table in tables.items()
    }
    assert all(found[name] == table.accepted for name, table in tables.items())
    assert len(tables) == files
    assert sum(table.rows for table in tables.values()) == rows
    assert sum(map(len, found.values())) == kept
    assert len({item.fact for items in found.values() for item in items}) == distinct


async def test_each_refusal_of_hubspot_has_its_reason(delivered: Delivered) -> None:
    """Reasons add up: the mapping names what is no fact for Tributary, the door names activities of no company."""
    reasons = sum((table.refused for table in delivered.hubspot.values()), Counter[str]())
    assert reasons == {
        hubspot.HASHED_PROPERTY: 100, hubspot.MACHINE_MAIL: 100, hubspot.EMPLOYEE: 100, hubspot.CONFIGURATION: 77,
        hubspot.PERSON: 21, hubspot.LIVE_MERGED: 1, hubspot.PERSONS_MERGED: 4, hubspot.CONTACT_ALONE: 12,
        hubspot.FORM: 10, hubspot.IN_1970: 7, hubspot.DEAL_ELSEWHERE: 2, hubspot.ENGAGEMENT_ELSEWHERE: 2,
        hubspot.SAID_BY_ENGAGEMENT: 1, NO_ACCOUNT: 6,
    }  # fmt: skip


async def test_each_refusal_of_salesforce_has_its_reason(delivered: Delivered) -> None:
    """Broken ids are refused before anything is joined by them, a task of no account by the door."""
    reasons = sum((table.refused for table in delivered.salesforce.values()), Counter[str]())
    assert reasons == {
        "contact id has 17 characters": 4, salesforce.PERSON: 4, salesforce.NO_OPPORTUNITY: 1,
        "line item id contains blanks": 1, "opportunity id contains blanks": 2, salesforce.OPPORTUNITY_ELSEWHERE: 7,
        "master record id has 24 characters": 2, NO_ACCOUNT: 1,
    }  # fmt: skip


async def test_everything_delivered_twice_changes_nothing(delivered: Delivered) -> None:
    """All rows once more, merges among them: accepted and refused as before, and no credit or journal is added."""
    assert delivered.repeated == {"hubspot": delivered.hubspot, "salesforce": delivered.salesforce}
    assert delivered.again == delivered.after


async def test_nothing_is_lost_on_the_way(delivered: Delivered, tributary: Tributary) -> None:
    """There is no dead letter and no conflict: the same account stated by two tables is one fact."""
    assert all(seen.verified for seen in (delivered.before, delivered.after, delivered.again))
    async with connected(tributary) as connection:
        for table in ("attribution.dead_letter", "rewards.dead_letter", "attribution.conflict", "rewards.conflict"):
            assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0, table


async def test_deals_without_an_amount_wait_and_earn_nothing(delivered: Delivered, tributary: Tributary) -> None:
    """The 44 deals without stage, amount and company, and the 14 of the history, are in the review list."""
    tables = delivered.hubspot
    numbers = {item.body["id"] for name in ("deal", "deal_stage") for item in tables[name].accepted}
    assert len(numbers) == 44 + 14
    waiting = await tributary.every("attribution", "review", kind="unmatched_deal")
    assert numbers <= {item["id"] for item in waiting if item["source"] == "hubspot"}
    assert not [key for key in delivered.again.credit if key[0] == "hubspot" and key[1] in numbers]


async def test_meetings_that_name_a_company_alone_wait(delivered: Delivered, tributary: Tributary) -> None:
    """Of the 93 meetings of this century, those without a company's id are in the review list, and no others."""
    meetings = delivered.hubspot["engagement_meeting"].accepted
    assert len(meetings) == 93
    waiting = await tributary.every("attribution", "review", kind="unmatched_touchpoint")
    assert {item["id"] for item in waiting} == {m.body["id"] for m in meetings if "name" in m.body["account"]}
    assert waiting


async def test_won_deals_without_an_amount_are_refused_by_name(delivered: Delivered) -> None:
    """Before their deletion, 4 of the 5 won opportunities have no amount; the other 6 opportunities are taken."""
    assert delivered.undeleted.refused == {NO_AMOUNT: 4}
    assert Counter(item.body["stage"] for item in delivered.undeleted.accepted) == {"won": 1, "lost": 4, "open": 1}


async def test_a_deleted_deal_gives_back_what_it_earned(delivered: Delivered) -> None:
    """The won deal credits 24,120,000 and pays 8 % of it; deleted, it credits nothing, and its partners have zero."""
    [(key, won)] = [one for one in delivered.before.credit.items() if one[0][0] == "salesforce"]
    assert Decimal(won["amount"]["amount"]) == Decimal(WON)
    before, after = delivered.before, delivered.after
    assert sum(Decimal(amount) for _, amount in before.shares(*key).values()) == Decimal(WON)
    assert sum(sum(before.balances[name]) for name in RESELLERS) == -int(WON) * 8
    assert after.shares(*key) == {}
    assert all(set(after.balances[name]) == {0} for name in RESELLERS)


async def test_merged_deals_leave_credit_to_their_survivors(delivered: Delivered, hubspot_rows: Export) -> None:
    """Of 20 credited deals, the 6 survivors keep their credit and the 14 merged into them lose theirs, once."""
    merges = hubspot_rows["merged_deal"]
    survivors, losers = ({row[column] for row in merges} for column in ("deal_id", "merged_deal_id"))
    assert (len(survivors), len(losers)) == (6, 14)
    for number in survivors | losers:
        assert len(delivered.before.shares("hubspot", number)) == 1
    for seen in (delivered.after, delivered.again):
        for number in survivors:
            assert seen.shares("hubspot", number) == delivered.before.shares("hubspot", number)
        assert not any(seen.shares("hubspot", number) for number in losers)


async def test_equal_instants_give_the_same_credit_in_any_order(delivered: Delivered) -> None:
    """19 tasks and events of one instant, in two shuffled orders: the same share and cents for each partner."""
    first, second = (delivered.before.shares(run, "equal") for run in RUNS)
    assert first == second
    assert len(first) > 1
    assert sum(Decimal(amount) for _, amount in first.values()) == EQUAL_WORTH


async def test_credited_plus_unattributed_is_what_was_won(delivered: Delivered) -> None:
    """The summary adds up to the won deals that stand: with the deleted and merged ones before, without them after."""
    equal = EQUAL_WORTH * len(RUNS)
    expected = {"before": Decimal(WON) + MERGED_WORTH * 20 + equal, "after": MERGED_WORTH * 6 + equal}
    for moment, won in expected.items():
        totals = getattr(delivered, moment).totals
        credited, unattributed = (Decimal(totals[part]["amount"]) for part in ("credited", "unattributed"))
        assert credited + unattributed == won == Decimal(totals["amount"]["amount"])


@exports.FORMATS
@pytest.mark.usefixtures("delivered")
async def test_the_exported_books_assert_every_stored_balance(tributary: Tributary, form: str) -> None:
    """After deletions and merges too, each account's legs sum to what is stored, exactly."""
    await exports.assert_exact(tributary, form)


@pytest.mark.outside
@exports.FORMATS
@pytest.mark.usefixtures("delivered")
async def test_an_outside_program_finds_the_books_good(tributary: Tributary, tmp_path: Path, form: str) -> None:
    """And finds one balance that is off by a cent."""
    await exports.assert_accepted(form, await exports.export(tributary, form), tmp_path)
