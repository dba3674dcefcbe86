"""Floor of the HTTP intake: decode a body, produce each item. No HTTP, no key, no check, no headers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import Final

import orjson
from aiokafka import AIOKafkaProducer

LINGER_MS: Final = 5
"""As in the figures this floor is known by."""
BATCH_BYTES: Final = 512 * 1024
"""As in the part it is compared with; the default of 16 KiB would make the floor slower."""


async def produce(bootstrap: str, topic: str, bodies: Sequence[bytes], in_flight: int) -> float:
    """Seconds until Kafka has acknowledged every item of the bodies, `in_flight` of them at once."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, linger_ms=LINGER_MS,
        max_batch_size=BATCH_BYTES,
    )  # fmt: skip
    await producer.start()
    try:
        await producer.send_and_wait(topic, b"{}")  # connected and with metadata
        remaining = iter(bodies)
        begin = time.perf_counter()
        await asyncio.gather(*(_work(producer, topic, remaining) for _ in range(in_flight)))
        return time.perf_counter() - begin
    finally:
        await producer.stop()


async def _work(producer: AIOKafkaProducer, topic: str, bodies: Iterator[bytes]) -> None:
    for body in bodies:
        sent = [
            await producer.send(topic, orjson.dumps(item), key=item["account"]["domain"].encode())
            for item in orjson.loads(body)
        ]
        await asyncio.gather(*sent)
