"""Reconcilers and the relay in this process, over a database that was filled: marks in, what follows from them out."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import asyncpg

from services.attribution.credit_store import Reference
from services.attribution.reconcile import Credit
from services.rewards.reconcile import Rewards
from shared import retry, telemetry
from shared.database import Database
from shared.kafka import Producer
from shared.reconcile import Reconciler, Work
from shared.relay import Relay
from shared.service import utc_now
from shared.settings import ServiceSettings

LOOK_S: Final = 0.02
"""How often the end of publishing is looked for; it takes seconds."""
_UNPUBLISHED: Final = """
SELECT EXISTS (SELECT 1 FROM attribution.outbox o, attribution.outbox_position p WHERE (o.xid, o.id) > (p.xid, p.id))
"""


def reconciler(database: Database) -> Reconciler:
    """Attribution's light lane as the service runs it."""
    return _lane("attribution", Credit(Reference()), database)


def rewards(database: Database) -> Reconciler:
    """The light lane of rewards as the service runs it."""
    return _lane("rewards", Rewards(), database)


def _lane(schema: str, work: Work, database: Database) -> Reconciler:
    return Reconciler(
        schema=schema, work=work, database=database, wake=asyncio.Event(), relay_wake=asyncio.Event(),
        metrics=telemetry.Metrics(), clock=utc_now, batch=ServiceSettings.model_fields["batch_keys"].default,
    )  # fmt: skip


async def reconcile(database: Database) -> float:
    """Seconds until no key is marked."""
    lane = reconciler(database)
    begin = time.perf_counter()
    while (await lane.turn())[0]:
        pass
    return time.perf_counter() - begin


async def publish(database: Database, producer: Producer, connection: asyncpg.Connection) -> float:
    """Seconds until the outbox is published."""
    stop = asyncio.Event()
    relay = Relay(
        schema="attribution", database=database, producer=producer, wake=asyncio.Event(), metrics=telemetry.Metrics()
    )
    begin = time.perf_counter()
    running = asyncio.create_task(relay.run(stop))
    while not running.done() and await connection.fetchval(_UNPUBLISHED):
        await retry.pause(LOOK_S, stop)
    seconds = time.perf_counter() - begin
    stop.set()
    await running
    return seconds
