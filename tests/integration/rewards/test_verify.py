"""The proof of the books: silent on good ones, naming the first fault of each kind that SQL could not stop."""

from collections.abc import AsyncIterator

import pytest

from services.rewards.ledger import verify
from tests.integration.rewards.conftest import NewBooks
from tests.integration.rewards.harness import Books
from tests.unit.rewards.builders import activated, decided, message, partner

UNGUARDED = """
ALTER TABLE rewards.entry DISABLE TRIGGER USER; ALTER TABLE rewards.journal DISABLE TRIGGER USER;
ALTER TABLE rewards.posting_key DISABLE TRIGGER USER; ALTER TABLE rewards.account DISABLE TRIGGER USER;
ALTER TABLE rewards.balance DISABLE TRIGGER USER;
"""
GUARDED = UNGUARDED.replace("DISABLE TRIGGER USER", "ENABLE ALWAYS TRIGGER no_change") + (
    "ALTER TABLE rewards.entry ENABLE ALWAYS TRIGGER entry_check, ENABLE ALWAYS TRIGGER no_truncate;"
    "ALTER TABLE rewards.journal ENABLE ALWAYS TRIGGER journal_check, ENABLE ALWAYS TRIGGER no_truncate;"
    "ALTER TABLE rewards.posting_key ENABLE ALWAYS TRIGGER no_truncate;"
    "ALTER TABLE rewards.account ENABLE ALWAYS TRIGGER no_truncate;"
    "ALTER TABLE rewards.balance ENABLE ALWAYS TRIGGER no_truncate;"
)


@pytest.fixture(scope="module")
async def booked(new_books: NewBooks) -> AsyncIterator[Books]:
    """Journal 1: acme earned 80.00; 2: beta earned 80.00; 3: acme's deal was lost. Tampering is rolled back."""
    async with new_books() as books:
        await books.tell(activated(), partner("acme"), partner("beta"), decided("D-1", 1, {"acme": 100_000}))
        await books.tell(decided("D-2", 1, {"beta": 100_000}))
        await books.tell(decided("D-1", 2, {}, cause="lost"))
        yield books


async def faults_after(booked: Books, *statements: str) -> dict[str, str | None]:
    """The checks that fail when the owner of the database has done this, each with its first fault."""
    async with booked.superuser(*statements) as connection:
        report = await verify.examine(connection, booked.now)
    return {finding.check: finding.first for finding in report.findings if finding.faults}


async def test_good_books_have_no_fault(booked: Books) -> None:
    """All checks look at something and find nothing."""
    report = await booked.verify()
    assert report.ok
    assert all(finding.examined for finding in report.findings)


PLANTED = [
    (
        "UPDATE rewards.entry SET amount_minor = 8001 WHERE journal_id = 2 AND leg_no = 1",
        "every journal balances per currency",
        "journal 2 is off by 1 minor units of USD",
    ),
    (
        "UPDATE rewards.entry SET amount_minor = 8001 WHERE journal_id = 2 AND leg_no = 1",
        "every currency sums to zero",
        "USD is off by 1 minor units",
    ),
    (
        "DELETE FROM rewards.entry WHERE journal_id = 2",
        "every journal has all its legs",
        "journal 2 announces 2 legs and has 0",
    ),
    (
        "UPDATE rewards.entry SET account_id = 77 WHERE journal_id = 2 AND leg_no = 2",
        "every leg has a journal and an account in its currency",
        "leg 2 of journal 2 has no journal or no such account",
    ),
    (
        "DELETE FROM rewards.journal WHERE journal_id = 2",
        "every leg has a journal and an account in its currency",
        "leg 1 of journal 2 has no journal or no such account",
    ),
    (
        "UPDATE rewards.balance SET posted_minor = 1 WHERE account_id = 1",
        "every balance is the sum of its legs",
        "account expense:commission USD stands at 1, its legs sum to 8000",
    ),
    (
        "DELETE FROM rewards.balance WHERE account_id = 1",
        "every balance is the sum of its legs",
        "account expense:commission USD stands at nothing, its legs sum to 8000",
    ),
    (
        "UPDATE rewards.balance SET version = 7 WHERE account_id = 1",
        "every balance has counted its legs",
        "account expense:commission USD is at version 7 and has 3 legs",
    ),
    (
        "UPDATE rewards.entry SET balance_after = 5 WHERE journal_id = 2 AND leg_no = 1",
        "running balances have no gap",
        "account 1: leg 1 of journal 2 says balance 5 at version 2",
    ),
    (
        "UPDATE rewards.entry SET account_version = 9 WHERE journal_id = 3 AND leg_no = 1",
        "running balances have no gap",
        "account 1: leg 1 of journal 3 says balance 8000 at version 9",
    ),
    (
        "DELETE FROM rewards.posting_key WHERE journal_id = 2",
        "every posting key has its journal, and every journal one key",
        "journal 2 has 0 keys",
    ),
    (
        "INSERT INTO rewards.posting_key VALUES ('ghost', '', 99)",
        "every posting key has its journal, and every journal one key",
        "key ghost names the missing journal 99",
    ),
    (
        "INSERT INTO rewards.posting_key VALUES ('twin', '', 2)",
        "every posting key has its journal, and every journal one key",
        "journal 2 has 2 keys",
    ),
    (
        "UPDATE rewards.journal SET adjusts_journal_id = 2 WHERE journal_id = 3",
        "every adjustment follows a journal of the same deal, partner and plan",
        "journal 3 (reversal) adjusts journal 2",
    ),
    (
        "UPDATE rewards.journal SET adjusts_journal_id = NULL WHERE journal_id = 3",
        "every adjustment follows a journal of the same deal, partner and plan",
        "journal 3 (reversal) adjusts nothing",
    ),
    (
        "UPDATE rewards.entry SET amount_minor = sign(amount_minor) * 7999 WHERE journal_id = 3",
        "every reversal takes back exactly what was earned",
        "reversal 3 leaves 1 minor units",
    ),
    (
        "UPDATE rewards.journal SET deal_id = 'D-9' WHERE journal_id = 2",
        "every journal of a deal has its credit",
        "journal 2 is for deal crm/D-9, which nobody credited",
    ),
    (
        "UPDATE rewards.entry SET amount_minor = 2 * amount_minor WHERE journal_id = 2",
        "posted amounts equal what the facts say",
        (
            "deal crm/D-2, partner beta, plan influence: expense:commission is off by 8000 minor units, "
            "partner:beta:pending is off by -8000 minor units"
        ),
    ),
    (
        "UPDATE rewards.credit_snapshot SET credited_minor = '{50000}' WHERE deal_id = 'D-2'",
        "posted amounts equal what the facts say",
        (
            "deal crm/D-2, partner beta, plan influence: expense:commission is off by 4000 minor units, "
            "partner:beta:pending is off by -4000 minor units"
        ),
    ),
]


@pytest.mark.parametrize(("tamper", "check", "first"), PLANTED)
async def test_each_planted_fault_is_found_and_named(booked: Books, tamper: str, check: str, first: str) -> None:
    """With the guards off for a moment the owner can change anything; the verification says what and where."""
    faults = await faults_after(booked, UNGUARDED, tamper, GUARDED)
    assert faults[check] == first
    assert "every guard of the ledger is in place" not in faults


@pytest.mark.parametrize(
    "tamper",
    [
        "ALTER TABLE rewards.entry DISABLE TRIGGER entry_check",
        "ALTER TABLE rewards.entry ENABLE TRIGGER entry_check",
        "DROP TRIGGER no_change ON rewards.journal",
    ],
)
async def test_a_guard_taken_away_or_weakened_is_a_fault(booked: Books, tamper: str) -> None:
    """A missing trigger, and one that would sleep in replication mode."""
    assert list(await faults_after(booked, tamper)) == ["every guard of the ledger is in place"]


async def test_deals_waiting_to_be_reconciled_are_no_fault(books: Books) -> None:
    """A fact not yet reconciled and a hold just ended are counted as waiting, not as wrong."""
    await books.tell(activated(), partner("beta"), decided("D-1", 1, {"beta": 5}), decided("D-2", 1, {"beta": 100_000}))
    await books.store(message(decided("D-2", 2, {"beta": 5_000})))
    report = await books.verify()
    assert (report.ok, report.waiting) == (True, 1)
    await books.settle()
    books.now = books.now.replace(year=2027)
    report = await books.verify()
    assert (report.ok, report.waiting) == (True, 1)
    await books.mature(books.now)
    report = await books.verify()
    assert (report.ok, report.waiting) == (True, 0)
