"""What reconciliation promises: no mark is lost, a failed turn leaves no trace, large keys hold up no others."""

import asyncio
from collections.abc import Sequence

import asyncpg
import pytest

from shared.reconcile import HEAVY, LIGHT, Context, Outcome, Reconciler, Work
from shared.service import utc_now
from tests.integration.kit.conftest import Toy


def reconciler(toy: Toy, work: Work, lane: int = LIGHT) -> Reconciler:
    return Reconciler(
        schema="toy", work=work, database=toy.database, wake=toy.wake, relay_wake=toy.relay_wake, metrics=toy.metrics,
        clock=utc_now, batch=100, lane=lane,
    )  # fmt: skip


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
    assert await reconciler(toy, work).turn() == (2, 2)
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
    assert await reconciler(toy, never).turn() == (0, 1)
    go_on.set()
    assert await first == (1, 1)


async def test_a_heavy_key_moves_to_its_own_lane(toy: Toy) -> None:
    """What the light lane defers, the heavy lane computes."""

    async def work(_: asyncpg.Connection, keys: Sequence[str], context: Context) -> Outcome:
        deferred = ["big"] if context.lane == LIGHT and "big" in keys else []
        return Outcome(changed=len(keys) - len(deferred), deferred=deferred)

    await mark(toy, "small", "big")
    await reconciler(toy, work).turn()
    assert await marks(toy) == [("big", HEAVY)]
    assert await reconciler(toy, work, lane=HEAVY).turn() == (1, 1)
    assert await marks(toy) == []


async def test_a_backlog_is_read_before_it_is_reconciled(toy: Toy) -> None:
    """While the consumer is behind, marked keys wait; once it has caught up, they are handled."""
    behind = True
    handled = asyncio.Event()

    async def work(_: asyncpg.Connection, __: Sequence[str], ___: Context) -> Outcome:
        assert not behind
        handled.set()
        return Outcome(changed=0)

    waiting = Reconciler(
        schema="toy", work=work, database=toy.database, wake=toy.wake, relay_wake=toy.relay_wake, metrics=toy.metrics,
        clock=utc_now, batch=100, is_behind=lambda: behind,
    )  # fmt: skip
    stop = asyncio.Event()
    task = asyncio.create_task(waiting.run(stop))
    await asyncio.sleep(0.1)
    await mark(toy, "a")
    toy.wake.set()
    await asyncio.sleep(0.3)
    assert await marks(toy) == [("a", LIGHT)]
    behind = False
    async with asyncio.timeout(10):
        await handled.wait()
    stop.set()
    await task
