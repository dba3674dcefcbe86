"""What reconciliation promises: no mark is lost, a failed turn leaves no trace, large keys hold up no others."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg
import pytest

from shared import reconcile
from shared.reconcile import HEAVY, LIGHT, Context, Outcome, Reconciler, Work
from shared.service import utc_now
from tests.integration.kit.conftest import Toy


class Log:
    """How far the consumer is, as far as a reconciler asks."""

    def __init__(self, *, behind: bool) -> None:
        self.behind = behind

    def is_behind(self) -> bool:
        return self.behind


def reconciler(
    toy: Toy, work: Work, lane: int = LIGHT, *, batch: int = 100, log: Log | None = None,
    more: asyncio.Event | None = None,
) -> Reconciler:  # fmt: skip
    return Reconciler(
        schema="toy", work=work, database=toy.database, wake=toy.wake, relay_wake=toy.relay_wake, metrics=toy.metrics,
        clock=utc_now, batch=batch, lane=lane, more_wake=more, is_behind=(log or Log(behind=False)).is_behind,
    )  # fmt: skip


@asynccontextmanager
async def running(worker: Reconciler) -> AsyncIterator[None]:
    """The reconciler at work during the block; its failure is raised at the end of it."""
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def mark(toy: Toy, *keys: str) -> None:
    await toy.database.pool.execute("INSERT INTO toy.dirty (key) SELECT unnest($1::text[])", list(keys))


async def marks(toy: Toy) -> list[tuple[str, int]]:
    return [
        (row["key"], row["lane"])
        for row in await toy.database.pool.fetch("SELECT key, lane FROM toy.dirty ORDER BY id")
    ]


async def test_a_key_marked_often_is_computed_once(toy: Toy) -> None:
    """Marks of one key are handled together and removed."""
    handled: list[str] = []

    async def work(_: asyncpg.Connection, keys: Sequence[str], __: Context) -> Outcome:
        handled.extend(keys)
        return Outcome(changed=len(keys))

    await mark(toy, "a", "b", "a", "a")
    assert await reconciler(toy, work).turn() == (2, True)
    assert sorted(handled) == ["a", "b"]
    assert await marks(toy) == []


async def test_a_fact_that_arrives_during_the_computation_brings_the_key_back(toy: Toy) -> None:
    """Only marks seen before the facts were loaded are removed."""

    async def work(_: asyncpg.Connection, __: Sequence[str], ___: Context) -> Outcome:
        await mark(toy, "a")
        return Outcome(changed=0)

    await mark(toy, "a")
    await reconciler(toy, work).turn()
    assert await marks(toy) == [("a", LIGHT)]


async def test_a_failed_computation_keeps_its_marks(toy: Toy) -> None:
    """A turn that fails is as if it had not begun."""

    async def work(connection: asyncpg.Connection, _: Sequence[str], __: Context) -> Outcome:
        await connection.execute("INSERT INTO toy.fact VALUES ('half')")
        raise RuntimeError("no")

    await mark(toy, "a")
    with pytest.raises(RuntimeError):
        await reconciler(toy, work).turn()
    assert await marks(toy) == [("a", LIGHT)]
    assert await toy.facts() == []


async def test_a_key_in_hand_is_left_to_its_worker(toy: Toy) -> None:
    """Two workers never compute one key at the same time."""
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: asyncpg.Connection, __: Sequence[str], ___: Context) -> Outcome:
        inside.set()
        await go_on.wait()
        return Outcome(changed=0)

    async def never(_: asyncpg.Connection, keys: Sequence[str], __: Context) -> Outcome:
        raise AssertionError(keys)

    await mark(toy, "a")
    first = asyncio.create_task(reconciler(toy, slow).turn())
    await inside.wait()
    assert await reconciler(toy, never).turn() == (0, True)
    go_on.set()
    assert await first == (1, True)


async def test_a_second_worker_takes_what_the_first_has_left(toy: Toy) -> None:
    """Oldest keys first, a batch each; a full batch wakes the other worker."""
    inside, go_on, more = asyncio.Event(), asyncio.Event(), asyncio.Event()
    handled: list[str] = []

    async def slow(_: asyncpg.Connection, keys: Sequence[str], __: Context) -> Outcome:
        handled.extend(keys)
        inside.set()
        await go_on.wait()
        return Outcome(changed=0)

    async def work(_: asyncpg.Connection, keys: Sequence[str], __: Context) -> Outcome:
        handled.extend(keys)
        return Outcome(changed=0)

    await mark(toy, "d", "b", "a", "c", "e")
    first = asyncio.create_task(reconciler(toy, slow, batch=2, more=more).turn())
    await inside.wait()
    assert more.is_set()
    second = reconciler(toy, work, batch=2, more=more)
    assert await second.turn() == (2, True)
    assert handled == ["d", "b", "a", "c"]
    more.clear()
    assert await second.turn() == (1, True)
    assert not more.is_set()
    assert await second.turn() == (0, True)
    go_on.set()
    await first
    assert await second.turn() == (0, False)


async def test_a_heavy_key_moves_to_its_own_lane(toy: Toy) -> None:
    """What the light lane defers, the heavy lane computes."""

    async def work(_: asyncpg.Connection, keys: Sequence[str], context: Context) -> Outcome:
        deferred = ["big"] if context.lane == LIGHT and "big" in keys else []
        return Outcome(changed=len(keys) - len(deferred), deferred=deferred)

    await mark(toy, "small", "big")
    await reconciler(toy, work).turn()
    assert await marks(toy) == [("big", HEAVY)]
    assert await reconciler(toy, work, lane=HEAVY).turn() == (1, True)
    assert await marks(toy) == []


async def test_a_round_ends_with_the_marks_it_began_with(toy: Toy) -> None:
    """Only keys marked up to a bound are handled; the others keep their marks."""
    handled: list[str] = []

    async def work(_: asyncpg.Connection, keys: Sequence[str], __: Context) -> Outcome:
        handled.extend(keys)
        return Outcome(changed=0)

    await mark(toy, "a")
    bound = await toy.database.pool.fetchval("SELECT max(id) FROM toy.dirty")
    await mark(toy, "b")
    worker = reconciler(toy, work)
    assert await worker.turn(bound) == (1, True)
    assert await worker.turn(bound) == (0, False)
    assert handled == ["a"]
    assert await marks(toy) == [("b", LIGHT)]


async def test_a_backlog_is_read_before_it_is_reconciled(toy: Toy) -> None:
    """While the consumer is behind, marked keys wait; once it has caught up, they are handled."""
    log = Log(behind=True)
    handled = asyncio.Event()

    async def work(_: asyncpg.Connection, __: Sequence[str], ___: Context) -> Outcome:
        assert not log.behind
        handled.set()
        return Outcome(changed=0)

    async with running(reconciler(toy, work, log=log)):
        await asyncio.sleep(0.1)
        await mark(toy, "a")
        toy.wake.set()
        await asyncio.sleep(0.3)
        assert await marks(toy) == [("a", LIGHT)]
        log.behind = False
        async with asyncio.timeout(10):
            await handled.wait()


async def test_a_backlog_that_begins_meanwhile_is_read_first_too(toy: Toy) -> None:
    """Marked keys wait whether or not others were being handled when the consumer fell behind."""
    log = Log(behind=False)
    handled: list[str] = []
    first = asyncio.Event()

    async def work(_: asyncpg.Connection, keys: Sequence[str], __: Context) -> Outcome:
        assert not log.behind
        log.behind = not handled
        handled.extend(keys)
        first.set()
        return Outcome(changed=0)

    await mark(toy, "a", "b")
    async with running(reconciler(toy, work, batch=1, log=log)):
        async with asyncio.timeout(10):
            await first.wait()
        await asyncio.sleep(0.3)
        assert len(handled) == 1
        log.behind = False
        async with asyncio.timeout(10):
            while await marks(toy):
                await asyncio.sleep(0.02)
    assert sorted(handled) == ["a", "b"]


async def test_a_key_is_computed_once_per_wait_however_long_the_backlog(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backlog too long to wait for lets a round pass. What is marked again in the course of it waits anew."""
    handled: list[str] = []
    done = asyncio.Event()

    async def work(_: asyncpg.Connection, keys: Sequence[str], __: Context) -> Outcome:
        monkeypatch.setattr(reconcile, "HOLD_S", 3_600.0)
        handled.extend(keys)
        await mark(toy, "a")
        done.set()
        return Outcome(changed=0)

    monkeypatch.setattr(reconcile, "HOLD_S", 0.0)
    await mark(toy, "a")
    async with running(reconciler(toy, work, log=Log(behind=True))):
        async with asyncio.timeout(10):
            await done.wait()
        await asyncio.sleep(0.3)
    assert handled == ["a"]
    assert await marks(toy) == [("a", LIGHT)]
