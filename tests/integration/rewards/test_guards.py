"""The ledger attacked as the service, as its owner and in replication mode, through the parents and on partitions."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import asyncpg
import pytest

from services.rewards import roles
from services.rewards.domain.accounts import Account, Role
from services.rewards.domain.journal import Leg
from services.rewards.ledger import guards, post
from services.rewards.ledger.post import Outcome
from tests.integration.rewards.conftest import NewBooks
from tests.integration.rewards.harness import Books, outcomes_on, payment, post_each, taken_back

COLUMNS = {
    "account": "code", "balance": "posted_minor", "posting_key": "fingerprint", "reversal": "journal_id",
    "period_lock": "closed_at", "journal": "partner", "entry": "amount_minor", "ledger_seal": "hash",
}  # fmt: skip
TABLES = tuple(COLUMNS)
"""Each with a column that somebody might want to change."""
OWNER = f"SET LOCAL ROLE {roles.OWNER}"
MODES = pytest.mark.parametrize(
    "mode", [OWNER, "SET LOCAL session_replication_role = replica"], ids=["owner", "replica"]
)
BOTH = """
WITH header AS (
    INSERT INTO rewards.journal{at} (journal_id, kind, effective_on, period, leg_count, partner, reason, source_event)
    VALUES (900, 'payment', '2026-01-01', '{period}', {legs}, 'acme', '{{}}', 'attack'))
INSERT INTO rewards.entry{at} (journal_id, leg_no, account_id, currency, amount_minor, balance_after, account_version)
VALUES {rows}
"""
WHOLE = "(900, 1, 1, 'USD', 5, 0, 1), (900, 2, 2, 'USD', -5, 0, 1)"


@pytest.fixture(scope="module")
async def booked(new_books: NewBooks) -> AsyncIterator[Books]:
    """Journal 1 is a payment, 2 takes it back, 3 is another one; 2025-12 is closed. Attacks are rolled back."""
    async with new_books() as books:
        await post_each(books, payment("a", 5), taken_back(payment("a", 5), 1), payment("b", 7))
        await books.owner.execute("SELECT rewards.close_period('2025-12-01', 'test')")
        await books.seal()
        yield books


@pytest.fixture(scope="module")
async def at(booked: Books) -> str:
    """The suffix of this month's partitions."""
    return str(await booked.owner.fetchval("SELECT to_char(now() AT TIME ZONE 'UTC', '_YYYY_MM')"))


def attack(at: str, rows: str = WHOLE, legs: int = 2, period: str = "2026-01-01") -> str:
    return BOTH.format(at=at, rows=rows, legs=legs, period=period)


def in_default(statement: str) -> str:
    """The attack as the DEFAULT partition takes it: its rows must lie outside all months."""
    for old, new in (
        ("source_event)", "source_event, recorded_at)"), ("'attack')", "'attack', '2031-1-1')"),
        ("account_version)", "account_version, recorded_at)"), (", 0, 1)", ", 0, 1, '2031-1-1')"),
    ):  # fmt: skip
        statement = statement.replace(old, new)
    return statement


async def refused(books: Books, statement: str, error: type[Exception], said: str, mode: str) -> None:
    async with books.superuser(mode) as connection:
        with pytest.raises(error, match=said):
            await connection.execute(statement)


async def test_the_service_may_read_and_call_and_nothing_else(booked: Books, at: str) -> None:
    """Every way of writing is refused by rights alone, on every table, its partitions and its sequence."""
    places = COLUMNS | {
        f"{name}{suffix}": COLUMNS[name] for name in ("journal", "entry") for suffix in (at, "_default")
    }
    for place, column in places.items():
        name = f"rewards.{place}"
        for statement in (
            f"INSERT INTO {name} DEFAULT VALUES", f"UPDATE {name} SET {column} = {column}", f"DELETE FROM {name}",
            f"TRUNCATE {name}", f"ALTER TABLE {name} DISABLE TRIGGER ALL", f"DROP TABLE {name}",
        ):  # fmt: skip
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await booked.database.pool.execute(statement)
    for statement in (
        "SET LOCAL session_replication_role = replica",
        "SELECT nextval('rewards.journal_id')", "SELECT rewards.make_month('entry', '2031-01-01')",
        "SELECT rewards.guard('balance', 'entry', 'ROW')", "CREATE TABLE rewards.mine (x int)",
        "SELECT * FROM rewards.balance FOR UPDATE", "LOCK TABLE rewards.balance IN SHARE MODE",
        "LOCK TABLE rewards.ledger_seal IN SHARE MODE",
        f"SET ROLE {roles.OWNER}", "SELECT * FROM rewards.entry_default",
    ):  # fmt: skip
        async with booked.owner.acquire() as connection, connection.transaction():
            await connection.execute(f"SET LOCAL SESSION AUTHORIZATION {roles.SERVICE}")  # without the way back
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with connection.transaction():
                    await connection.execute(statement)
            assert await connection.fetchval("SELECT count(*) FROM rewards.entry") == 6


async def test_a_searched_name_of_the_callers_own_is_not_found_by_the_function(booked: Books) -> None:
    """Temporary tables named like the ledger's stay untouched: the function's search path is fixed."""
    async with booked.database.transaction() as connection:
        await connection.execute("CREATE TEMP TABLE balance (LIKE rewards.balance) ON COMMIT DROP")
        await connection.execute("CREATE TEMP TABLE posting_key (LIKE rewards.posting_key) ON COMMIT DROP")
        await connection.execute("SET LOCAL search_path = pg_temp, rewards")
        (result,) = await post.post(connection, [payment("b", 7)])
        assert (result.outcome, result.journal_id) == (Outcome.DUPLICATE, 3)


@MODES
@pytest.mark.parametrize("default", [False, True], ids=["month", "default"])
@pytest.mark.parametrize("parent", [True, False], ids=["parent", "partition"])
async def test_a_journal_that_is_not_whole_is_refused_everywhere(
    booked: Books, at: str, mode: str, default: bool, parent: bool
) -> None:  # fmt: skip
    """Unbalanced, empty, with a leg missing, for a closed month: through the parent and on partitions."""
    place = "" if parent else "_default" if default else at
    there = in_default if default and not parent else str
    check = asyncpg.CheckViolationError
    lopsided = attack(place, "(900, 1, 1, 'USD', 5, 0, 1), (900, 2, 2, 'USD', -4, 0, 1)")
    empty = (
        attack(place).split("INSERT INTO rewards.entry", maxsplit=1)[0].replace("WITH header AS (", "").rstrip(")\n ")
    )
    for statement, said in (
        (lopsided, "does not balance"), (f"{empty})", "without its legs"), (attack(place, legs=3), "wrong leg count"),
        (attack(place, period="2025-12-01").replace("2026-01-01", "2025-12-01"), "the period 2025-12 is closed"),
        (attack(place, "(900, 1, 1, 'USD', 5, 0, 1), (900, 2, 99, 'USD', -5, 0, 1)"), "account 99 does not exist"),
    ):  # fmt: skip
        await refused(booked, there(statement), check, said, mode)
    async with booked.superuser(mode) as connection:
        await connection.execute(there(attack(place)))  # the form of the attack is right, its content was wrong


@MODES
async def test_a_late_leg_is_refused_on_the_partition_too(booked: Books, at: str, mode: str) -> None:
    """A balanced pair of legs for a booked journal."""
    for place in ("", at):
        late = (
            f"INSERT INTO rewards.entry{place} SELECT 1, l.*, j.recorded_at FROM rewards.journal j, "
            "(VALUES (3, 1, 'USD', 5, 0, 9), (4, 2, 'USD', -5, 0, 9)) AS l WHERE j.journal_id = 1"
        )
        await refused(booked, late, asyncpg.CheckViolationError, "wrong leg count", mode)


@MODES
async def test_nothing_is_changed_or_removed_anywhere(booked: Books, at: str, mode: str) -> None:
    """Update, delete and truncate of every table, and of the partitions directly."""
    error, said = asyncpg.RestrictViolationError, "append-only|stays closed"
    for place in (*TABLES, f"journal{at}", f"entry{at}"):
        await refused(booked, f"DELETE FROM rewards.{place}", error, said, mode)
    for place in (*TABLES, f"journal{at}", f"entry{at}", "journal_default", "entry_default"):
        await refused(booked, f"TRUNCATE rewards.{place} CASCADE", error, said, mode)
    kept = {name: column for name, column in COLUMNS.items() if name not in {"balance", "period_lock"}}
    for place, column in (*kept.items(), (f"journal{at}", "partner"), (f"entry{at}", "amount_minor")):
        await refused(booked, f"UPDATE rewards.{place} SET {column} = {column}", error, said, mode)
    for parent in ("journal", "entry"):
        for statement in (
            f"DELETE FROM rewards.{parent}_default",
            f"UPDATE rewards.{parent}_default SET {COLUMNS[parent]} = {COLUMNS[parent]}",
        ):
            async with booked.superuser(mode) as connection:
                await connection.execute(in_default(attack("_default")))
                with pytest.raises(error, match=said):
                    await connection.execute(statement)


@MODES
async def test_a_reused_key_is_refused(booked: Books, mode: str) -> None:
    """Whatever content it is to stand for, and for whatever journal."""
    for journal in (1, 900):
        key = f"INSERT INTO rewards.posting_key VALUES ('a', 'other', {journal})"
        await refused(booked, key, asyncpg.UniqueViolationError, "posting_key_pkey", mode)


@MODES
async def test_a_second_or_crooked_reversal_is_refused(booked: Books, mode: str) -> None:
    """At most one per journal, over all months, and only one that takes back each leg."""
    for statement, error, said in (
        ("INSERT INTO rewards.reversal VALUES (3, 1)", asyncpg.UniqueViolationError, "reverses_journal_id"),
        ("INSERT INTO rewards.reversal VALUES (3, 2)", asyncpg.CheckViolationError, "does not take back each leg"),
        ("INSERT INTO rewards.reversal VALUES (99, 3)", asyncpg.CheckViolationError, "does not take back each leg"),
        ("INSERT INTO rewards.reversal VALUES (98, 97)", asyncpg.CheckViolationError, "does not take back each leg"),
    ):
        await refused(booked, statement, error, said, mode)


@MODES
async def test_a_closed_month_is_not_opened_and_no_month_is_forgotten(booked: Books, mode: str) -> None:
    """Closing is the only change there is."""
    for statement in (
        "UPDATE rewards.period_lock SET closed_at = NULL, closed_by = NULL WHERE month = '2025-12-01'",
        "UPDATE rewards.period_lock SET month = '2024-01-01' WHERE month = '2026-01-01'",
        "DELETE FROM rewards.period_lock WHERE month = '2025-12-01'",
    ):
        await refused(booked, statement, asyncpg.RestrictViolationError, "a closed month stays closed", mode)


async def test_the_function_refuses_what_the_guards_refuse(booked: Books) -> None:
    """A second reversal, a reused key, an account that balances in two currencies: the batch leaves nothing."""
    before = await booked.owner.fetchval("SELECT count(*) FROM rewards.posting_key")
    with pytest.raises(asyncpg.UniqueViolationError, match="reverses_journal_id"):
        await post_each(booked, taken_back(payment("a", 5), 1, key="again"))
    with pytest.raises(asyncpg.CheckViolationError, match="does not take back each leg"):
        await post_each(booked, taken_back(payment("b", 6), 3, key="part"))
    assert await outcomes_on(booked.database, [payment("a", 6)]) == [Outcome.CONFLICT]
    assert await booked.owner.fetchval("SELECT count(*) FROM rewards.posting_key") == before
    assert (await booked.verify()).ok


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"effective_on": None}, "effective_on"), ({"legs": ()}, "leg_count_check"), ({"kind": "gift"}, "journal_kind"),
        ({"legs": payment("n", 1).legs[:1]}, "does not balance|leg_count_check"), ({"adjusts": 99}, "adjusts"),
        ({"legs": (payment("n", 5).legs[0], payment("n", 4).legs[1])}, "does not balance"),
        ({"effective_on": date(2025, 12, 5), "period": date(2025, 12, 1)}, "the period 2025-12 is closed"),
        ({"period": date(2025, 12, 31)}, "month_check"), ({"period": date(2026, 2, 2)}, "month_check"),
        ({"legs": tuple(Leg(Account(Role.PAID, "usd", name), amount) for name, amount in (("a", 1), ("b", -1)))},
         "currency_check"),
        ({"effective_on": date(2026, 6, 1), "period": date(2026, 5, 1)}, "another_period_is_named"),
    ],
)  # fmt: skip
async def test_the_function_refuses_a_journal_that_makes_no_sense(
    booked: Books, change: dict[str, Any], said: str
) -> None:  # fmt: skip
    """No day, no legs, one leg, legs that differ, an unknown kind or currency, a month that is none or closed.

    Nothing hangs, nothing stays.
    """
    with pytest.raises((asyncpg.IntegrityConstraintViolationError, post.PeriodClosed), match=said):
        await post_each(booked, payment("n", 1)._replace(**change))
    assert (await booked.verify()).ok


async def test_two_reversals_at_once_are_one(books: Books) -> None:
    """Each under a key of its own, at the same moment: one is booked, the other refused."""
    await post_each(books, payment("a", 5))
    found = await asyncio.gather(
        *(post_each(books, taken_back(payment("a", 5), 1, key=f"k{n}")) for n in range(4)), return_exceptions=True
    )
    assert [isinstance(each, asyncpg.UniqueViolationError) for each in found].count(True) == 3
    assert set((await books.balances()).values()) == set()
    assert (await books.verify()).ok


async def test_a_detached_month_keeps_its_guards(booked: Books, at: str) -> None:
    """Guards of partitions are their own, so that detaching does not take them away."""
    for change in ("UPDATE rewards.entry{at} SET amount_minor = 1", "DELETE FROM rewards.entry{at}"):
        async with booked.superuser(f"ALTER TABLE rewards.entry DETACH PARTITION rewards.entry{at}") as connection:
            with pytest.raises(asyncpg.RestrictViolationError):
                await connection.execute(change.format(at=at))


async def test_a_start_is_refused_when_a_guard_is_missing(booked: Books) -> None:
    """By name, for one partition's trigger that sleeps in replication mode, and for a right too many."""
    for tamper, said in (
        ("ALTER TABLE rewards.entry_default ENABLE TRIGGER no_change", "no_change on rewards.entry_default is missing"),
        (f"GRANT UPDATE (posted_minor) ON rewards.balance TO {roles.SERVICE}", "may be written by tributary_rewards"),
        (f"GRANT INSERT (leg_no) ON rewards.entry TO {roles.SERVICE}", "entry is owned by .* or may be written"),
        (f"GRANT UPDATE (action) ON rewards.audit TO {roles.SERVICE}", "audit is owned by .* or may be written"),
        ("ALTER TABLE rewards.audit ENABLE TRIGGER no_change", "no_change on rewards.audit is missing"),
    ):
        async with booked.superuser(tamper) as connection:
            with pytest.raises(guards.Unguarded, match=said):
                await guards.require(connection)
    async with booked.database.pool.acquire() as connection:
        await guards.require(connection)
