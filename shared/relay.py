"""Publishes the outbox to Kafka in commit order, and remembers how far by one moving position.

Ids are not in commit order, so only rows below the oldest running transaction are read (`pg_snapshot_xmin`). One relay
per schema is active (an advisory lock); a crash between sending and remembering sends twice, which consumers absorb.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import asyncpg
import structlog

from shared import database, retry, telemetry
from shared.errors import Transient
from shared.events.envelope import Event
from shared.kafka import Producer

BATCH: Final = 2_000
"""Events per turn: about a megabyte, well within memory, enough to fill Kafka batches."""
POLL_S: Final = 1.0
"""The safety net beneath the wake-up event."""
UNSETTLED_S: Final = 0.003
"""A row above the horizon waits for a transaction about to end; look again soon."""
PURGE_EVERY_S: Final = 60.0
"""Published rows are removed once a minute: the table stays small, and the hot path never waits for a delete."""
STANDBY_S: Final = 2.0
"""A second relay asks this often whether the first has gone."""

# The position is compared as two values, not joined: so reading begins at its place in the index, however much that was
# published stands before it.
_READ: Final = """
SELECT o.id, o.xid::text AS xid, o.topic, o.key, o.type, o.source, o.event_id, o.time, o.data, o.traceparent,
       o.xid < pg_snapshot_xmin(pg_current_snapshot()) AS settled
FROM {schema}.outbox o
WHERE (o.xid, o.id) > ((SELECT xid FROM {schema}.outbox_position), (SELECT id FROM {schema}.outbox_position))
ORDER BY o.xid, o.id LIMIT $1
"""
_REMEMBER: Final = "UPDATE {schema}.outbox_position SET xid = $1::text::xid8, id = $2"
_PURGE: Final = """
DELETE FROM {schema}.outbox o
WHERE (o.xid, o.id) <= ((SELECT xid FROM {schema}.outbox_position), (SELECT id FROM {schema}.outbox_position))
"""


class Relay:
    """The one active publisher of a schema's outbox."""

    def __init__(
        self, *, schema: str, database: database.Database, producer: Producer, wake: asyncio.Event,
        metrics: telemetry.Metrics,
    ) -> None:  # fmt: skip
        self._schema = schema
        self._database = database
        self._producer = producer
        self._wake = wake
        self._metrics = metrics
        self._log = structlog.get_logger()
        self._purged_at = time.monotonic()

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until stopped; waits in standby while another relay holds the lock."""
        failures = retry.delays()
        while not stop.is_set():
            try:
                async with self._database.pool.acquire() as connection:
                    if await connection.fetchval("SELECT pg_try_advisory_lock(hashtextextended($1, 1))", self._schema):
                        failures = retry.delays()
                        await self._publish(connection, stop)
                    else:
                        await retry.pause(STANDBY_S, stop)
            except (*database.TRANSIENT, Transient) as error:
                delay = next(failures)
                self._log.warning("relay.failed", error=repr(error), retry_in_s=delay)
                self._metrics.retried.labels("relay").inc()
                await retry.pause(delay, stop)

    async def _publish(self, connection: asyncpg.Connection, stop: asyncio.Event) -> None:
        try:
            while not stop.is_set():
                self._wake.clear()
                rows = await connection.fetch(_READ.format(schema=self._schema), BATCH)
                settled = [row for row in rows if row["settled"]]
                if settled:
                    await self._send(connection, settled)
                elif rows:
                    await retry.pause(UNSETTLED_S, stop)
                else:
                    await self._purge_now_and_then(connection)
                    await retry.pause(POLL_S, stop, self._wake)
        finally:
            if not connection.is_closed():
                await connection.execute("SELECT pg_advisory_unlock(hashtextextended($1, 1))", self._schema)

    async def _send(self, connection: asyncpg.Connection, rows: list[asyncpg.Record]) -> None:
        await self._producer.send([
            Event(row["topic"], row["key"], row["type"], row["source"], row["event_id"], row["time"], row["data"],
                  row["traceparent"])
            for row in rows
        ])  # fmt: skip
        await connection.execute(_REMEMBER.format(schema=self._schema), rows[-1]["xid"], rows[-1]["id"])
        self._metrics.published.inc(len(rows))

    async def _purge_now_and_then(self, connection: asyncpg.Connection) -> None:
        if time.monotonic() - self._purged_at >= PURGE_EVERY_S:
            await connection.execute(_PURGE.format(schema=self._schema))
            self._purged_at = time.monotonic()
