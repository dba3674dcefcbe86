"""The ledger under attack: what the database itself refuses, to its owner and in replication mode too."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence

import asyncpg
import pytest

from services.rewards.domain.journal import Journal
from services.rewards.ledger.post import Outcome
from tests.integration.rewards.conftest import NewBooks
from tests.integration.rewards.harness import Books, outcomes_on, payment
from tests.unit.rewards.builders import activated, decided, partner

JOURNAL = (
    "INSERT INTO rewards.journal (journal_id, kind, effective_on, period, leg_count, partner, reason, source_event) "
    "VALUES ($1, 'payment', '2026-01-01', '2026-01-01', 2, 'acme', '{}', 'attack') RETURNING journal_id"
)
LEG = "INSERT INTO rewards.entry VALUES ($1, $2, $3, $4, $5, 0, 1)"
BOTH = """
WITH header AS (
    INSERT INTO rewards.journal (
        journal_id, kind, effective_on, period, leg_count, partner, reason, source_event, {columns})
    VALUES (900, 'payment', '2026-01-01', '2026-01-01', {legs}, 'acme', '{{}}', 'attack', {values}))
INSERT INTO rewards.entry (journal_id, leg_no, account_id, currency, amount_minor, balance_after, account_version)
VALUES {rows}
"""
WHOLE = "(900, 1, 1, 'USD', 5, 0, 1), (900, 2, 2, 'USD', -5, 0, 1)"
MODES = pytest.mark.parametrize("mode", ["origin", "replica"])


def attack(rows: str, legs: int = 2, columns: str = "plan", values: str = "NULL") -> str:
    return BOTH.format(rows=rows, legs=legs, columns=columns, values=values)


@pytest.fixture(scope="module")
async def booked(new_books: NewBooks) -> AsyncIterator[Books]:
    """Two deals in the books: accounts 1 (expense), 2 (acme pending), 3 (beta pending). Attacks are rolled back."""
    async with new_books() as books:
        await books.tell(
            activated(), partner("acme"), partner("beta"),
            decided("D-1", 1, {"acme": 100_000}), decided("D-2", 1, {"beta": 100_000}),
        )  # fmt: skip
        yield books


@MODES
@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (attack("(900, 1, 1, 'USD', 5, 0, 1), (900, 2, 2, 'USD', -4, 0, 1)"), "does not balance"),
        (attack("(900, 1, 1, 'USD', 5, 0, 1), (900, 2, 2, 'EUR', -5, 0, 1)"), "does not balance"),
        (attack("(900, 1, 1, 'EUR', 5, 0, 1), (900, 2, 2, 'EUR', -5, 0, 1)"), "does not exist in the currency"),
        (attack("(900, 1, 1, 'USD', 5, 0, 1), (900, 2, 77, 'USD', -5, 0, 1)"), "does not exist in the currency"),
        (attack(WHOLE, legs=3), "wrong leg count"),
        (attack("(900, 1, 1, 'USD', 5, 0, 1), (900, 3, 2, 'USD', -5, 0, 1)"), "wrong leg count"),
        (attack("(901, 1, 1, 'USD', 5, 0, 1), (901, 2, 2, 'USD', -5, 0, 1)"), "no header"),
        (attack("(900, 1, 1, 'USD', 0, 0, 1), (900, 2, 2, 'USD', 0, 0, 1)"), "amount_minor_check"),
        (attack(WHOLE, columns="adjusts_journal_id", values="1"),
         "adjusts a journal of another deal"),
        (attack(WHOLE, columns="adjusts_journal_id", values="901"),
         "adjusts_an_earlier_journal"),
    ],
)  # fmt: skip
async def test_a_journal_that_is_not_whole_is_refused(booked: Books, mode: str, statement: str, said: str) -> None:
    """Unbalanced, two currencies that net to zero, wrong currency, unknown account, missing or foreign legs."""
    async with booked.superuser(f"SET LOCAL session_replication_role = {mode}") as connection:
        with pytest.raises(asyncpg.CheckViolationError, match=said):
            await connection.execute(statement)


@MODES
async def test_a_header_without_legs_and_legs_without_a_header_are_refused(booked: Books, mode: str) -> None:
    """Neither can be written alone, not even to be completed later in the transaction."""
    for statement, arguments in ((JOURNAL, (900,)), (LEG, (900, 1, 1, "USD", 5))):
        async with booked.superuser(f"SET LOCAL session_replication_role = {mode}") as connection:
            with pytest.raises(asyncpg.CheckViolationError):
                await connection.execute(statement, *arguments)


@MODES
async def test_legs_cannot_be_added_later(booked: Books, mode: str) -> None:
    """A balanced pair of legs for a journal that is booked: refused, whatever their numbers."""
    pair = (
        "INSERT INTO rewards.entry SELECT 1, l.*, j.recorded_at FROM rewards.journal j, "
        "(VALUES ($1::smallint, 1, 'USD', 5, 0, 9), ($2, 2, 'USD', -5, 0, 9)) AS l WHERE j.journal_id = 1"
    )
    for numbers, error in (((3, 4), asyncpg.CheckViolationError), ((1, 2), asyncpg.UniqueViolationError)):
        async with booked.superuser(f"SET LOCAL session_replication_role = {mode}") as connection:
            with pytest.raises(error):
                await connection.execute(pair, *numbers)


@MODES
@pytest.mark.parametrize("table", ["account", "posting_key", "journal", "entry", "balance"])
async def test_nothing_is_changed_or_removed(booked: Books, mode: str, table: str) -> None:
    """Update, delete and truncate are refused on every table of the ledger (a balance may be updated, not removed)."""
    column = {"account": "code", "posting_key": "fingerprint", "journal": "partner", "entry": "amount_minor"}.get(table)
    attacks = [f"DELETE FROM rewards.{table}", f"TRUNCATE rewards.{table} CASCADE"]
    attacks += [f"UPDATE rewards.{table} SET {column} = {column}"] if column else []
    for statement in attacks:
        async with booked.superuser(f"SET LOCAL session_replication_role = {mode}") as connection:
            with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
                await connection.execute(statement)


async def outcomes(books: Books, journals: Sequence[Journal]) -> list[Outcome]:
    return await outcomes_on(books.database, journals)


async def test_a_key_is_posted_once_repeated_and_defended(books: Books) -> None:
    """New, again, again with other content; inside one batch and across batches."""
    assert await outcomes(books, [payment("a", 5), payment("a", 5), payment("a", 6), payment("b", 1)]) == [
        Outcome.POSTED, Outcome.DUPLICATE, Outcome.CONFLICT, Outcome.POSTED
    ]  # fmt: skip
    assert await outcomes(books, [payment("a", 5), payment("b", 1, reference="other"), payment("c", 2)]) == [
        Outcome.DUPLICATE, Outcome.CONFLICT, Outcome.POSTED
    ]  # fmt: skip
    assert await books.balances() == {"partner:acme:payable USD": 8, "cash:clearing:acme USD": -8}
    assert (await books.verify()).ok


async def test_any_text_is_booked_as_it_is(books: Books) -> None:
    """What means something in an array's text means nothing in a name; what is missing stays missing."""
    texts = ["a,b", "{}", "NULL", "null", '"', "\\", '\\"', "\n\t", " ", "", "é\u2028", '{a\\\\,"b"}', "'; --"]
    journals = [
        payment(f"{place} {text}", 1, text, text)._replace(source_event=text, deal_source=text, deal_id=text, plan=text)
        for place, text in enumerate(texts)
    ]
    assert set(await outcomes(books, [*journals, payment("none", 1)])) == {Outcome.POSTED}
    rows = await books.owner.fetch("""
        SELECT k.idempotency_key, k.fingerprint, j.partner, j.source_event, j.deal_source, j.deal_id, j.plan,
            j.reason ->> 'reference', j.program, j.program_version, j.scope, j.adjusts_journal_id
        FROM rewards.journal j JOIN rewards.posting_key k USING (journal_id) ORDER BY journal_id
    """)
    nothing = (None,) * 4
    assert [tuple(row) for row in rows[:-1]] == [
        (journal.key, journal.fingerprint, *(text,) * 6, *nothing)
        for journal, text in zip(journals, texts, strict=True)
    ]
    assert tuple(rows[-1])[4:7] == (None, None, None)
    assert await books.owner.fetchval("SELECT count(DISTINCT partner) FROM rewards.account") == len(texts) + 1
    assert set(await outcomes(books, journals)) == {Outcome.DUPLICATE}


async def test_one_wrong_journal_takes_its_batch_with_it(books: Books) -> None:
    """A batch is whole or nothing: no key, account or leg of it stays."""
    crooked = payment("x", 5)._replace(legs=(payment("x", 5).legs[0], payment("x", 4).legs[1]))
    with pytest.raises(asyncpg.CheckViolationError):
        await outcomes(books, [payment("a", 5), crooked])
    for table in ("account", "balance", "posting_key", "journal", "entry"):
        assert await books.database.pool.fetchval(f"SELECT count(*) FROM rewards.{table}") == 0


async def test_four_posters_with_the_same_keys_shuffled_post_each_once(books: Books) -> None:
    """Concurrent batches in any order: no deadlock, each key once, running balances without a gap."""
    chance = random.Random(7)
    journals = [payment(f"k{n}", n + 1, partner=f"P-{n % 7}") for n in range(600)]

    async def poster() -> list[Outcome]:
        mine = chance.sample(journals, len(journals))
        found = []
        for begin in range(0, len(mine), 100):
            found += await outcomes(books, mine[begin : begin + 100])
        return found

    found = [outcome for part in await asyncio.gather(*(poster() for _ in range(4))) for outcome in part]
    assert found.count(Outcome.POSTED) == 600
    assert found.count(Outcome.DUPLICATE) == 1_800
    assert sum(-v for k, v in (await books.balances()).items() if k.startswith("cash")) == 600 * 601 // 2
    assert (await books.verify()).ok


async def test_running_balances_follow_the_order_of_posting(books: Books) -> None:
    """Each leg carries the balance and the version of its account right after it."""
    await outcomes(books, [payment(f"k{n}", amount) for n, amount in enumerate((5, 7, 11))])
    rows = await books.database.pool.fetch(
        "SELECT balance_after, account_version FROM rewards.entry JOIN rewards.account USING (account_id) "
        "WHERE role = 'payable' ORDER BY account_version"
    )
    assert [tuple(row) for row in rows] == [(5, 1), (12, 2), (23, 3)]
