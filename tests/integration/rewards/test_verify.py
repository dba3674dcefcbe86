"""The proof of the books: silent on good ones, naming the first fault of each kind that SQL could not stop."""

from collections.abc import AsyncIterator

import pytest

from services.rewards.ledger import verify
from tests.integration.rewards.conftest import NewBooks
from tests.integration.rewards.harness import Books, payment, post_each, taken_back
from tests.unit.rewards.builders import activated, decided, document, message, partner

EACH = """DO $$ DECLARE g record; BEGIN
    FOR g IN SELECT tgrelid::regclass AS place, tgname AS name FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid
        WHERE c.relnamespace = 'rewards'::regnamespace AND NOT tgisinternal
    LOOP EXECUTE format('ALTER TABLE %s {change} TRIGGER %I', g.place, g.name); END LOOP;
END $$"""
UNGUARDED, GUARDED = EACH.format(change="DISABLE"), EACH.format(change="ENABLE ALWAYS")

UNGUARDED_MONTH = """
CREATE TABLE rewards.entry_2040_01 PARTITION OF rewards.entry FOR VALUES FROM ('2040-01-01') TO ('2040-02-01');
ALTER TABLE rewards.entry_2040_01 OWNER TO tributary_ledger_owner
"""
NO_CHECK = """
CREATE FUNCTION rewards.yes() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
DROP TRIGGER entry_check ON rewards.entry;
CREATE TRIGGER entry_check AFTER INSERT ON rewards.entry FOR EACH STATEMENT EXECUTE FUNCTION rewards.yes();
ALTER TABLE rewards.entry ENABLE ALWAYS TRIGGER entry_check
"""

RATES = {"silver": "5%", "gold": "8%"}
BY_HAND = {
    "partner": "acme", "amount": {"amount": "5.00", "currency": "EUR"}, "account": "payable",
    "effective_on": "2026-03-01", "reason": "a bonus", "reference": "ticket 7",
}  # fmt: skip
IN_YEN = document(2, plans={"influence": {"rate": RATES, "caps": [{"amount": 5_000, "per": "year"}]}})
IN_YEN["compensation"]["pays_in"] = "program_currency"
CAPPED = activated(2).model_copy(update={"document": IN_YEN | {"currency": "JPY"}})
NOT_AS_ASKED = "every adjustment by hand is booked as it was asked for, and by two where it takes two"


@pytest.fixture(scope="module")
async def booked(new_books: NewBooks) -> AsyncIterator[Books]:
    """Journal 1: acme earned 80.00; 2: beta earned 80.00; 3: acme's is lost; 4: a payment; 5: taken back; 6: by hand.

    7: gamma earned 8,000 yen; 8: its year is capped at 5,000. Tampering is rolled back.
    """
    async with new_books() as books:
        await books.tell(activated(), partner("acme"), partner("beta"), decided("D-1", 1, {"acme": 100_000}))
        await books.tell(decided("D-2", 1, {"beta": 100_000}))
        await books.tell(decided("D-1", 2, {}, cause="lost"))
        await post_each(books, payment("p", 5), taken_back(payment("p", 5), 4))
        async with books.client("rewards:adjust") as client:
            assert (await client.post("/adjustments", json=BY_HAND, headers={"Idempotency-Key": "k"})).is_success
        await books.tell(CAPPED, partner("gamma"), decided("D-3", 1, {"gamma": 100_000}, currency="JPY", version=2))
        await books.seal()
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
    *(
        (statement, NOT_AS_ASKED, "journal 6 does not book adjustment 1 as it was asked for and decided")
        for statement in (
            "UPDATE rewards.adjustment SET amount_minor = 501",
            "UPDATE rewards.adjustment SET partner = 'beta'",
            "UPDATE rewards.adjustment SET account = 'pending'",
            "UPDATE rewards.adjustment SET needs_approval = true",
        )
    ),
    (
        "DELETE FROM rewards.adjustment_decision",
        NOT_AS_ASKED,
        "journal 6 does not book adjustment none as it was asked for and decided",
    ),
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
        "every adjustment follows a journal of the same deal or scope, partner and plan",
        "journal 3 (reversal) adjusts journal 2",
    ),
    (
        "UPDATE rewards.journal SET adjusts_journal_id = NULL WHERE journal_id = 3",
        "every adjustment follows a journal of the same deal or scope, partner and plan",
        "journal 3 (reversal) adjusts nothing",
    ),
    (
        "UPDATE rewards.entry SET amount_minor = sign(amount_minor) * 7999 WHERE journal_id = 3",
        "every reversal takes back exactly what was earned",
        "reversal 3 leaves 1 minor units",
    ),
    (
        "UPDATE rewards.entry SET amount_minor = -amount_minor WHERE journal_id = 5",
        "every journal that is named as reversed is taken back leg by leg",
        "journal 5 does not take back each leg of journal 4",
    ),
    (
        "INSERT INTO rewards.reversal VALUES (99, 2)",
        "every journal that is named as reversed is taken back leg by leg",
        "journal 99 does not take back each leg of journal 2",
    ),
    (
        "UPDATE rewards.period_lock SET closed_at = now(), closed_by = 'x' WHERE month > '2026-03-01'",
        "months are closed in order",
        "2026-01 is open and {ahead} is closed",
    ),
    (
        "UPDATE rewards.period_lock SET closed_at = '2026-03-03', closed_by = 'x' WHERE month <= '2026-03-01'",
        "nothing was booked into a closed month",
        "journal 1 of 2026-03 came after it was closed",
    ),
    (
        (
            "ALTER TABLE rewards.journal DROP CONSTRAINT another_period_is_named; "
            "UPDATE rewards.journal SET period = '2026-04-01' WHERE journal_id = 2"
        ),
        "every journal names the month it adjusts",
        "journal 2 counts in 2026-03, is of 2026-04 and adjusts none",
    ),
    (
        "UPDATE rewards.entry SET recorded_at = '2031-01-01' WHERE journal_id = 2 AND leg_no = 2",
        "every journal lies in the partition of its month",
        "a leg of journal 2 lies in the DEFAULT partition",
    ),
    (
        (
            "CREATE TABLE twin AS SELECT * FROM rewards.journal WHERE journal_id = 2; "
            "UPDATE twin SET recorded_at = recorded_at + interval '1 month'; "
            "INSERT INTO rewards.journal SELECT * FROM twin"
        ),
        "every posting key has its journal, and every journal one key",
        "journal 2 is there 2 times",
    ),
    (
        "GRANT INSERT ON rewards.entry_default TO tributary_rewards",
        "the service may read the ledger and not write it",
        "rewards.entry_default is owned by tributary_ledger_owner or may be written by tributary_rewards",
    ),
    (
        "ALTER TABLE rewards.reversal OWNER TO CURRENT_USER",
        "the service may read the ledger and not write it",
        "rewards.reversal is owned by {user} or may be written by tributary_rewards",
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
    ahead, user = await booked.owner.fetchrow(
        "SELECT (SELECT to_char(max(month), 'YYYY-MM') FROM rewards.period_lock), current_user"
    )
    faults = await faults_after(booked, UNGUARDED, tamper, GUARDED)
    assert faults[check] == first.format(ahead=ahead, user=user)
    assert "every guard of the ledger is in place" not in faults


@pytest.mark.parametrize(
    ("tamper", "trigger", "place"),
    [
        ("ALTER TABLE rewards.entry DISABLE TRIGGER entry_check", "entry_check", "entry"),
        ("ALTER TABLE rewards.entry ENABLE TRIGGER entry_check", "entry_check", "entry"),
        ("DROP TRIGGER no_change ON rewards.journal", "no_change", "journal"),
        ("DROP TRIGGER no_change ON rewards.journal_default", "no_change", "journal_default"),
        ("ALTER TABLE rewards.entry_default DISABLE TRIGGER entry_check", "entry_check", "entry_default"),
        (UNGUARDED_MONTH, "entry_check", "entry_2040_01"),
        (NO_CHECK, "entry_check", "entry"),
    ],
)
async def test_a_guard_taken_away_or_weakened_is_a_fault(
    booked: Books, tamper: str, trigger: str, place: str
) -> None:  # fmt: skip
    """A missing trigger, one that would sleep in replication mode, and one that calls something else: each is named."""
    assert await faults_after(booked, tamper) == {
        "every guard of the ledger is in place": f"trigger {trigger} on rewards.{place} is missing or not ENABLE ALWAYS"
    }


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
