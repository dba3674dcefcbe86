"""From the log to stored facts: the attribution consumer on a backlog, against the bare consumer on the same topic.

Both are timed from their first commit to their last, so that joining a group and connecting do not count.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import asyncpg

from bench import fill, workload
from bench.floors import store as floor
from bench.report import Figure, ratio
from bench.stage import Stage
from bench.workload import Workload
from services.attribution import handler
from services.ingest.domain import batch, touchpoints
from shared import telemetry
from shared.consume import Consumer
from shared.database import Database
from shared.errors import TributaryError
from shared.events import touchpoint
from shared.kafka import Producer
from shared.message import Message, Refused
from tributary.runner import System

Commits = list[tuple[float, int]]
"""When each batch was committed, and how many messages it held."""
MIN_COMMITS = 2


class _Counting:
    """The real handler; remembers the size of the batch in hand and how many were refused."""

    def __init__(self) -> None:
        self._facts = handler.Facts()
        self.size = 0
        self.refused = 0

    async def store(self, connection: asyncpg.Connection, messages: Sequence[Message]) -> Sequence[Refused]:
        self.size = len(messages)
        refused = await self._facts.store(connection, messages)
        self.refused += len(refused)
        return refused


class _Commits(asyncio.Event):
    """The consumer sets its wake event after each commit; this one notes when, and stops it after the last."""

    def __init__(self, counting: _Counting, total: int, stop: asyncio.Event) -> None:
        super().__init__()
        self._counting = counting
        self._left = total
        self._stop = stop
        self.commits: Commits = []

    def set(self) -> None:
        super().set()
        self.commits.append((time.perf_counter(), self._counting.size))
        self._left -= self._counting.size
        if self._left <= 0:
            self._stop.set()


async def run(stage: Stage) -> list[Figure]:
    """Touchpoints per second; on new accounts, and on accounts each of which has a won deal to be marked."""
    load = Workload(accounts=max(1, stage.sizes.store_touchpoints // 25), per_account=25, now=stage.now)
    new: list[float] = []
    marked: list[float] = []
    floors: list[float] = []
    async with stage.system("store", []) as system:
        stage.say(f"store: a backlog of {load.touchpoint_count:,} touchpoints")
        await _produce(system, load)
        await floor.create(system.database_url)
        for turn in range(2 * stage.repeat + 1):
            with_deals = turn > stage.repeat
            kind = "with won deals" if with_deals else "on new accounts"
            stage.say(f"store: repetition {turn} of {2 * stage.repeat}, {kind}" if turn else "store: warming up")
            with stage.measured("store-floor"):
                of_floor = await floor.consume(
                    system.database_url, system.kafka, touchpoint.TOPIC, load.touchpoint_count
                )
            await _empty(system, load, with_deals=with_deals)
            with stage.measured("store"):
                ours = await _consume(system, load.touchpoint_count)
            if turn:
                floors.append(rate(of_floor))
                (marked if with_deals else new).append(rate(ours))
    middle = len(new)
    return [
        Figure("store", "on new accounts", "touchpoints/s", tuple(new), tuple(floors[:middle]), ratio(0.6)),
        Figure("store", "on accounts with a won deal", "touchpoints/s", tuple(marked), tuple(floors[middle:])),
    ]


def rate(commits: Commits) -> float:
    """Messages per second from the first commit to the last; raises TributaryError when there was but one."""
    if len(commits) < MIN_COMMITS:
        raise TributaryError(
            "the backlog was stored in one transaction, which cannot be timed; give it more touchpoints"
        )
    return sum(count for _, count in commits[1:]) / (commits[-1][0] - commits[0][0])


async def _produce(system: System, load: Workload) -> None:
    """The messages ingest makes of these touchpoints, made by its own functions."""
    producer = await Producer.connect(system.kafka)
    try:
        for body in workload.bodies(load.touchpoints(), batch.MAX_ITEMS):
            items = batch.read(body, touchpoints.SHAPE, lambda _: ())
            await producer.send(touchpoints.events(items, workload.CRM, load.now, None))
    finally:
        await producer.close()


async def _empty(system: System, load: Workload, *, with_deals: bool) -> None:
    connection = await asyncpg.connect(system.database_url)
    try:
        await connection.execute(
            "TRUNCATE attribution.touchpoint, attribution.consumer_position, attribution.dirty, attribution.account, "
            "attribution.account_key, attribution.deal"
        )
        if with_deals:
            await fill.accounts_and_deals(connection, load)
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def _consume(system: System, total: int) -> Commits:
    stop = asyncio.Event()
    counting = _Counting()
    wake = _Commits(counting, total, stop)
    database = await Database.connect(system.database_url, connections=4)
    consumer = Consumer(
        bootstrap=system.kafka, schema="attribution", topics=handler.TOPICS, handler=counting, database=database,
        wake=wake, relay_wake=asyncio.Event(), metrics=telemetry.Metrics(), batch=2_000,
    )  # fmt: skip
    try:
        await consumer.run(stop)
        stored = await database.pool.fetchval("SELECT count(*) FROM attribution.touchpoint")
    finally:
        await database.close()
    if stored != total or counting.refused:
        raise AssertionError(f"{stored} of {total} touchpoints stored, {counting.refused} refused")
    return wake.commits
