"""Months made beforehand, guards looked at, and the proof on a schedule with its metric."""

import asyncio
import math

import asyncpg
import pytest

from services.rewards.ledger import guards
from services.rewards.proof import Proof
from services.rewards.upkeep import AHEAD, Upkeep
from tests.integration.rewards.conftest import NewBooks
from tests.integration.rewards.harness import Books, payment, post_each

LAST = "SELECT to_char(now() AT TIME ZONE 'UTC' + make_interval(months => $1), '_YYYY_MM')"


async def test_months_are_made_ahead_with_their_guards_and_once(new_books: NewBooks) -> None:
    """A month that is missing is made, guarded and tuned; a second turn makes nothing; several at once make it once."""
    async with new_books() as books:
        last = await books.owner.fetchval(LAST, AHEAD)
        upkeep = Upkeep(books.database)
        assert await upkeep.turn() == 0
        await books.owner.execute(f"DROP TABLE rewards.entry{last}; DROP TABLE rewards.journal{last}")
        assert sum(await asyncio.gather(*(upkeep.turn() for _ in range(3)))) == 2
        options = await books.owner.fetchval("SELECT reloptions FROM pg_class WHERE relname = $1", f"entry{last}")
        assert options == [
            "fillfactor=100", "autovacuum_vacuum_insert_threshold=50000", "autovacuum_vacuum_insert_scale_factor=0",
            "autovacuum_freeze_min_age=0",
        ]  # fmt: skip
        assert (await books.verify()).ok


async def test_without_its_month_a_journal_goes_to_the_default_partition_and_is_named(new_books: NewBooks) -> None:
    """Nothing is lost and posting goes on; the verification says where it lies; upkeep goes on too."""
    async with new_books() as books:
        now = await books.owner.fetchval(LAST, 0)
        await books.owner.execute(f"DROP TABLE rewards.entry{now}; DROP TABLE rewards.journal{now}")
        await post_each(books, payment("a", 5))
        faults = {finding.check: finding.first for finding in (await books.verify()).findings if finding.faults}
        assert list(faults) == ["every journal lies in the partition of its month"]
        assert str(faults.popitem()[1]).endswith("of journal 1 lies in the DEFAULT partition")
        assert await Upkeep(books.database).turn() == 0


async def test_a_guard_taken_away_while_running_ends_the_process_by_name(new_books: NewBooks) -> None:
    """The upkeep's worker raises, and a worker that raises ends the process."""
    async with new_books() as books:
        await books.owner.execute("DROP TRIGGER entry_check ON rewards.entry_default")
        with pytest.raises(guards.Unguarded, match=r"entry_check on rewards\.entry_default"):
            await Upkeep(books.database).run(asyncio.Event())


async def test_the_proof_is_a_metric(books: Books) -> None:
    """NaN before the first run, then the number of faults and the time."""
    registry = books.metrics.registry
    proof = Proof(books.database, registry, lambda: books.now)
    assert math.isnan(registry.get_sample_value("tributary_ledger_faults") or 0)
    await post_each(books, payment("a", 5))
    assert (await proof.turn()).ok
    assert registry.get_sample_value("tributary_ledger_faults") == 0
    assert registry.get_sample_value("tributary_ledger_verified_timestamp_seconds") == books.now.timestamp()
    await books.owner.execute("UPDATE rewards.balance SET version = 7 WHERE account_id = 1")
    await proof.turn()
    assert registry.get_sample_value("tributary_ledger_faults") == 1


async def test_the_proof_runs_at_start_and_ends_when_told(books: Books) -> None:
    """A worker like the others."""
    stop = asyncio.Event()
    proof = Proof(books.database, books.metrics.registry, lambda: books.now)
    worker = asyncio.create_task(proof.run(stop))
    while not books.metrics.registry.get_sample_value("tributary_ledger_verified_timestamp_seconds"):
        await asyncio.sleep(0.01)
    stop.set()
    await asyncio.wait_for(worker, 10)


async def test_a_database_that_is_not_migrated_is_told_so(database_url: str) -> None:
    """One plain line, not a traceback."""
    connection = await asyncpg.connect(database_url)
    with pytest.raises(guards.Unguarded, match="run `tributary migrate`"):
        await guards.require(connection)
    await connection.close()
