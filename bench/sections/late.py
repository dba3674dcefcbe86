"""One late touchpoint: what it costs to store it and decide its deal anew, in a small system and in a large one.

Both systems run beside each other and are asked in turn, so that the machine's own ups and downs meet both alike.
"""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

import asyncpg

from bench import fill, lanes, workload
from bench.report import Figure, percentile, ratio_at_most
from bench.stage import Stage
from bench.workload import Workload
from services.attribution import handler
from services.ingest.domain import batch, touchpoints
from shared.database import Database
from shared.kafka import Producer
from shared.message import Message
from shared.reconcile import Reconciler

PART: Final = 100
"""The large system holds so many times what the small one does."""
WARM_UP: Final = 20
"""Statements are planned per connection; both have been used by then."""
SEED: Final = 20_260_102
_SETTLED: Final = ("TRUNCATE attribution.outbox", "VACUUM (ANALYZE)", "CHECKPOINT")
_REVISION: Final = "SELECT revision, touchpoints FROM attribution.standing_credit WHERE source = $1 AND deal_id = $2"


async def run(stage: Stage) -> list[Figure]:
    """Milliseconds from a touchpoint's message to its deal's committed new revision."""
    sizes = stage.sizes
    accounts = max(PART, sizes.late_touchpoints // sizes.late_per_account)
    large = Workload(accounts=accounts, per_account=sizes.late_per_account, now=stage.now)
    small = Workload(accounts=accounts // PART, per_account=sizes.late_per_account, now=stage.now)
    async with _filled(stage, "late-small", small) as few, _filled(stage, "late-large", large) as many:
        stage.say(f"late: {sizes.late_probes} late touchpoints in each, in turn")
        of_few: list[float] = []
        of_many: list[float] = []
        with stage.measured("late"):
            for number in range(WARM_UP + sizes.late_probes):
                for probes, taken in ((few, of_few), (many, of_many)):
                    taken.append(await probes.take(number) * 1000)
    figures = []
    for percent in (50, 95):
        value, floor = (percentile(taken[WARM_UP:], percent) for taken in (of_many, of_few))
        what = f"{large.touchpoint_count:,} stored touchpoints against {small.touchpoint_count:,}, p{percent}"
        figures.append(Figure("late", what, "ms", (value,), (floor,), ratio_at_most(1.25) if percent == 50 else None))
    return figures


class _Probes:
    """One system, and the late touchpoints for it."""

    def __init__(self, database: Database, load: Workload) -> None:
        self._database = database
        self._lane: Reconciler = lanes.reconciler(database)
        self._facts = handler.Facts()
        self._load = load
        self._dice = random.Random(SEED)
        self._later: dict[int, int] = {}

    async def take(self, number: int) -> float:
        """Seconds of one late touchpoint; AssertionError unless its deal has a new revision that counts it."""
        account = self._dice.randrange(self._load.accounts)
        message = _message(self._load, account, number)
        begin = time.perf_counter()
        async with self._database.transaction() as connection:
            refused = await self._facts.store(connection, [message])
        handled = await self._lane.turn()
        seconds = time.perf_counter() - begin
        self._later[account] = self._later.get(account, 0) + 1
        deal = self._load.deal(account)
        row = await self._database.pool.fetchrow(_REVISION, workload.CRM, deal["id"])
        wanted = (1 + self._later[account], self._load.per_account + self._later[account])
        if refused or handled != (1, 1) or tuple(row) != wanted:
            raise AssertionError(
                f"{deal['id']} has (revision, touchpoints) {tuple(row)}, not {wanted}; refused: {refused}"
            )
        return seconds


@asynccontextmanager
async def _filled(stage: Stage, name: str, load: Workload) -> AsyncIterator[_Probes]:
    """A system in which every touchpoint is stored and every deal credited, and nothing is left to do."""
    async with stage.system(name, []) as system:
        connection = await asyncpg.connect(system.database_url)
        database = await Database.connect(system.database_url, connections=4)
        producer = await Producer.connect(system.kafka)
        try:
            stage.say(f"late: filling one with {load.touchpoint_count:,} touchpoints of {load.accounts:,} accounts")
            await fill.programs(connection, load)
            await fill.accounts_and_deals(connection, load)
            await fill.touchpoints(connection, load)
            await fill.mark_all(connection)
            await lanes.reconcile(database)
            await lanes.publish(database, producer, connection)
            for statement in _SETTLED:
                await connection.execute(statement)
            yield _Probes(database, load)
        finally:
            await producer.close()
            await database.close()
            await connection.close()


def _message(load: Workload, account: int, number: int) -> Message:
    """What ingest makes of a touchpoint that happened before the close and is reported now."""
    at = load.closed_at(account) - timedelta(days=1, seconds=number)
    item = {
        "id": f"T-late-{number:06d}", "partner": load.partner(account, number),
        "account": {"domain": load.domain(account), "name": f"Customer {account}"},
        "activity": load.activities[number % len(load.activities)], "occurred_at": at.isoformat(),
    }  # fmt: skip
    (body,) = workload.bodies([item], 1)
    (event,) = touchpoints.events(batch.read(body, touchpoints.SHAPE, lambda _: ()), workload.CRM, load.now, None)
    return Message(event.topic, 0, number, event.key, event.type, event.data, event.traceparent, ())
