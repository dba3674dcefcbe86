"""Floor of the latency: a message through two logs and two commits. No HTTP, no facts, no computation.

Two bare consumers in one process: the first stores a message and sends it on, the second stores it. This is the least
that "Kafka, fact, credit, Kafka, ledger" can be.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

LINGER_MS: Final = 1
"""As in the part it is compared with."""
FIRST, SECOND = "floor.first", "floor.second"
CREATE: Final = (
    "CREATE SCHEMA IF NOT EXISTS floor",
    "CREATE TABLE floor.hop (topic text PRIMARY KEY, next_offset bigint NOT NULL)",
    "CREATE TABLE floor.hopped (topic text, number bigint, value bytea, PRIMARY KEY (topic, number))",
)

After = Callable[[bytes], Awaitable[None]]


async def measure(database_url: str, bootstrap: str, count: int) -> list[float]:
    """Milliseconds of each of `count` messages sent one at a time, from sending to the second commit."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, linger_ms=LINGER_MS
    )  # fmt: skip
    arrived: asyncio.Queue[bytes] = asyncio.Queue()

    async def on(value: bytes) -> None:
        await producer.send_and_wait(SECOND, value)

    await producer.start()
    hops = [
        asyncio.create_task(_hop(database_url, bootstrap, FIRST, on)),
        asyncio.create_task(_hop(database_url, bootstrap, SECOND, arrived.put)),
    ]
    try:
        taken = []
        for number in range(count + 1):
            begin = time.perf_counter()
            await producer.send_and_wait(FIRST, b"%d" % number)
            async with asyncio.timeout(10):
                await arrived.get()
            taken.append((time.perf_counter() - begin) * 1000)
        return taken[1:]  # the first waited for the consumers to start
    finally:
        for hop in hops:
            hop.cancel()
        await producer.stop()


async def create(database_url: str) -> None:
    """The tables of the two consumers."""
    connection = await asyncpg.connect(database_url)
    try:
        for statement in CREATE:
            await connection.execute(statement)
        await connection.executemany("INSERT INTO floor.hop VALUES ($1, 0)", [(FIRST,), (SECOND,)])
    finally:
        await connection.close()


async def _hop(database_url: str, bootstrap: str, topic: str, after: After) -> None:
    connection = await asyncpg.connect(database_url)
    client = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await client.start()
    place = TopicPartition(topic, 0)
    client.assign([place])
    await client.seek_to_beginning(place)
    try:
        while True:
            for record in (await client.getmany(timeout_ms=200)).get(place, []):
                async with connection.transaction():
                    await connection.execute(
                        "UPDATE floor.hop SET next_offset = $2 + 1 WHERE topic = $1 AND next_offset = $2",
                        topic, record.offset,
                    )  # fmt: skip
                    await connection.execute(
                        "INSERT INTO floor.hopped VALUES ($1, $2, $3)", topic, record.offset, record.value
                    )
                await after(record.value)
    finally:
        await client.stop()
        await connection.close()
