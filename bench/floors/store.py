"""Floor of storing facts: the bare consumer. Position and rows in one transaction; no check, no link, no mark."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg
import orjson
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from shared import topics
from shared.errors import TributaryError

BATCH: Final = 2_000
CREATE: Final = (
    "CREATE SCHEMA floor",
    "CREATE TABLE floor.consumer_offset (partition integer PRIMARY KEY, next_offset bigint NOT NULL)",
    """CREATE TABLE floor.touchpoint (
        source text, id text, partner text, account_name text, domain text, crm_id text, activity text,
        occurred_at timestamptz, received_at timestamptz, evidence text, details jsonb, PRIMARY KEY (source, id))""",
)
_MOVE: Final = """
UPDATE floor.consumer_offset AS c SET next_offset = n.ending
FROM unnest($1::integer[], $2::bigint[], $3::bigint[]) AS n (partition, first, ending)
WHERE c.partition = n.partition AND c.next_offset = n.first
"""
_INSERT: Final = """
INSERT INTO floor.touchpoint SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[],
    $9::timestamptz[], $10::text[], $11::jsonb[]) ON CONFLICT DO NOTHING
"""


async def create(database_url: str) -> None:
    """The tables of the bare consumer."""
    connection = await asyncpg.connect(database_url)
    try:
        for statement in CREATE:
            await connection.execute(statement)
    finally:
        await connection.close()


async def consume(database_url: str, bootstrap: str, topic: str, total: int) -> list[tuple[float, int]]:
    """Store `total` messages into emptied tables; returns (when, messages) of each commit."""
    connection = await asyncpg.connect(database_url)
    client = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, max_poll_records=BATCH)
    await client.start()
    try:
        places = [TopicPartition(topic, n) for n in range(topics.PARTITIONS[topic])]
        await connection.execute("TRUNCATE floor.consumer_offset, floor.touchpoint")
        await connection.executemany(
            "INSERT INTO floor.consumer_offset VALUES ($1, 0)", [(place.partition,) for place in places]
        )
        client.assign(places)
        await client.seek_to_beginning(*places)
        commits: list[tuple[float, int]] = []
        while total > 0:
            polled = await client.getmany(timeout_ms=200, max_records=BATCH)
            records = [record for batch in polled.values() for record in batch]
            if records:
                await _store(connection, polled, records)
                commits.append((time.perf_counter(), len(records)))
                total -= len(records)
        return commits
    finally:
        await client.stop()
        await connection.close()


async def _store(
    connection: asyncpg.Connection,
    polled: dict[TopicPartition, list[ConsumerRecord]],
    records: Sequence[ConsumerRecord],
) -> None:
    spans = [(place.partition, batch[0].offset, batch[-1].offset + 1) for place, batch in polled.items() if batch]
    rows = [_row(orjson.loads(record.value)) for record in records]
    async with connection.transaction():
        moved = await connection.execute(_MOVE, *map(list, zip(*spans, strict=True)))
        if moved != f"UPDATE {len(spans)}":
            raise TributaryError(f"the floor's position was moved by somebody else: {moved}")
        await connection.execute(_INSERT, *map(list, zip(*rows, strict=True)))


def _row(fact: dict[str, Any]) -> tuple[object, ...]:
    account = fact["account"]
    details = fact.get("details")
    return (
        fact["source"], fact["id"], fact["partner"], account.get("name"), account.get("domain"), account.get("crm_id"),
        fact["activity"], datetime.fromisoformat(fact["occurred_at"]), datetime.fromisoformat(fact["received_at"]),
        fact.get("evidence"), orjson.dumps(details).decode() if details else None,
    )  # fmt: skip
