"""When is all done? Logs read to their ends, no key marked, outboxes published; asked of the system from outside."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from services.attribution import handler as attribution
from services.rewards import handler as rewards
from shared import topics
from shared.errors import TributaryError
from tributary.runner import System

READS: Final = {"attribution": attribution.TOPICS, "rewards": rewards.TOPICS}
LOOK_S: Final = 0.1
"""Rare enough not to be noticed by the engines, exact enough for work of many seconds."""
PATIENCE_S: Final = 60.0
"""A system that makes no progress at all for a minute is stuck."""


async def settled(system: System) -> float:
    """Wait until every accepted fact has had its whole effect; returns when that was (`time.perf_counter`).

    Raises TributaryError when nothing moves any more.
    """
    connection = await asyncpg.connect(system.database_url)
    client = AIOKafkaConsumer(bootstrap_servers=system.kafka)
    await client.start()
    before, moved_at = "", time.perf_counter()
    try:
        while unfinished := await _unfinished(connection, client):
            now = time.perf_counter()
            if unfinished != before:
                before, moved_at = unfinished, now
            elif now - moved_at > PATIENCE_S:
                raise TributaryError(f"nothing has moved for {PATIENCE_S:.0f} s: {unfinished}")
            await asyncio.sleep(LOOK_S)
        return time.perf_counter()
    finally:
        await client.stop()
        await connection.close()


async def _unfinished(connection: asyncpg.Connection, client: AIOKafkaConsumer) -> str:
    """What is still on its way, upstream first so that nothing slips by between the looks; empty when all is done."""
    for schema, read in READS.items():
        places = [TopicPartition(topic, n) for topic in read for n in range(topics.PARTITIONS[topic])]
        ends = await client.end_offsets(places)
        rows = await connection.fetch(f"SELECT topic, partition, next_offset FROM {schema}.consumer_position")  # noqa: S608 (our own names)
        stored = {TopicPartition(row["topic"], row["partition"]): row["next_offset"] for row in rows}
        unread = sum(end - stored.get(place, 0) for place, end in ends.items())
        if unread:
            return f"{schema} has {unread} messages to read"
        # The horizons move with every batch of work, so they tell progress without counting a backlog.
        row = await connection.fetchrow(
            f"SELECT (SELECT min(id) FROM {schema}.dirty) AS marked, "  # noqa: S608 (our own names)
            f"(SELECT o.id FROM {schema}.outbox o WHERE (o.xid, o.id) > ((SELECT xid FROM {schema}.outbox_position), "
            f"(SELECT id FROM {schema}.outbox_position)) ORDER BY o.xid, o.id LIMIT 1) AS unsent"
        )
        if row["marked"] is not None or row["unsent"] is not None:
            return f"{schema} works on mark {row['marked']}, event {row['unsent']}"
    return ""
