"""Producing to Kafka: idempotent, acknowledged by all replicas, a batch per partition where there is enough to batch.

`send` returns when Kafka has everything; that is what a `202` means.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections import defaultdict
from collections.abc import Awaitable, Sequence
from typing import Final, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared.errors import Transient
from shared.events import envelope

LINGER_MS: Final = 1
"""Long enough for concurrent single requests to share a batch, short enough not to be seen in latency."""
BATCH_BYTES: Final = 512 * 1024
"""A quarter of a megabyte to half a one per request keeps the broker busy and stays below its 1 MB message limit."""
ACK_TIMEOUT_MS: Final = 10_000
"""Kafka answers within milliseconds; a sender told to try again after ten seconds does better than one kept waiting."""
BATCH_FROM: Final = 16
"""From this many events for one partition on, building the batch ourselves is cheaper than a future per event."""


class Producer:
    """A producer all of whose messages are acknowledged before `send` returns."""

    def __init__(self, client: AIOKafkaProducer) -> None:
        self._client = client
        self._partitions: dict[str, int] = {}

    @classmethod
    async def connect(cls, bootstrap: str) -> Self:
        client = AIOKafkaProducer(
            bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, linger_ms=LINGER_MS,
            max_batch_size=BATCH_BYTES, request_timeout_ms=ACK_TIMEOUT_MS,
        )  # fmt: skip
        await client.start()
        return cls(client)

    async def close(self) -> None:
        await self._client.stop()

    async def send(self, events: Sequence[envelope.Event]) -> None:
        """Publish events, keeping their order per key; raises `Transient` unless Kafka has acknowledged every one.

        After `Transient` some may be in the log: repeating is harmless: consumers know each by its natural key.
        """
        try:
            acknowledgements = await self._enqueue(events)
            await asyncio.gather(*acknowledgements)
        except (KafkaError, TimeoutError) as error:
            raise Transient(f"Kafka did not take the events: {error!r}") from error

    async def _enqueue(self, events: Sequence[envelope.Event]) -> list[Awaitable[object]]:
        groups: defaultdict[tuple[str, int], list[envelope.Event]] = defaultdict(list)
        for event in events:
            partitions = self._partitions.get(event.topic) or await self._partition_count(event.topic)
            groups[event.topic, zlib.crc32(event.key.encode()) % partitions].append(event)
        sent: list[Awaitable[object]] = []
        for (topic, partition), group in groups.items():
            send = self._send_batches if len(group) >= BATCH_FROM else self._send_singly
            sent += await send(topic, partition, group)
        return sent

    async def _partition_count(self, topic: str) -> int:
        count = len(await self._client.partitions_for(topic))
        self._partitions[topic] = (
            count  # fixed for the life of a topic: adding partitions would break the order per key
        )
        return count

    async def _send_singly(self, topic: str, partition: int, events: list[envelope.Event]) -> list[Awaitable[object]]:
        return [
            await self._client.send(
                topic, event.data, key=event.key.encode(), partition=partition, headers=envelope.headers(event)
            )
            for event in events
        ]

    async def _send_batches(self, topic: str, partition: int, events: list[envelope.Event]) -> list[Awaitable[object]]:
        now_ms = int(time.time() * 1000)
        sent: list[Awaitable[object]] = []
        batch = self._client.create_batch()
        for event in events:
            record = {
                "timestamp": now_ms, "key": event.key.encode(), "value": event.data, "headers": envelope.headers(event)
            }  # fmt: skip
            if batch.append(**record) is None:  # full: send it and begin the next
                sent.append(await self._client.send_batch(batch, topic, partition=partition))
                batch = self._client.create_batch()
                batch.append(**record)
        sent.append(await self._client.send_batch(batch, topic, partition=partition))
        return sent
