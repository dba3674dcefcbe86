"""Producing to Kafka: idempotent, acknowledged by all replicas, and never more than one batch per partition on its way.

`send` returns when Kafka has everything; that is what a `202` means. What arrives for a partition while its batch is
on its way makes up the next one, whoever sent it: a single event leaves at once, and under load batches grow.
(aiokafka's own queue of ready-made batches holds one per partition, wakes all who wait for the place, and counts their
waiting several times over, so that concurrent senders time out although Kafka is well.)
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Final, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder

from shared.errors import Transient
from shared.events import envelope

BATCH_BYTES: Final = 512 * 1024
"""Half a megabyte per batch keeps the broker busy and stays below its 1 MB message limit."""
ACK_TIMEOUT_MS: Final = 10_000
"""Kafka answers within milliseconds; a sender told to try again after ten seconds does better than one kept waiting."""


class Producer:
    """A producer all of whose messages are acknowledged before `send` returns."""

    def __init__(self, client: AIOKafkaProducer) -> None:
        self._client = client
        self._partitions: dict[str, int] = {}
        self._lanes: dict[tuple[str, int], _Lane] = {}

    @classmethod
    async def connect(cls, bootstrap: str) -> Self:
        client = AIOKafkaProducer(
            bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, max_batch_size=BATCH_BYTES,
            request_timeout_ms=ACK_TIMEOUT_MS,
        )  # fmt: skip
        await client.start()
        return cls(client)

    async def close(self) -> None:
        await self._client.stop()

    async def send(self, events: Sequence[envelope.Event]) -> None:
        """Publish events, keeping their order per key; raises `Transient` unless Kafka has acknowledged every one.

        After `Transient` some may be in the log; repeating is harmless, for consumers know each by its natural key.
        """
        try:
            groups: defaultdict[tuple[str, int], list[envelope.Event]] = defaultdict(list)
            for event in events:
                partitions = self._partitions.get(event.topic) or await self._partition_count(event.topic)
                groups[event.topic, zlib.crc32(event.key.encode()) % partitions].append(event)
            await asyncio.gather(*(self._lane(place).send(group) for place, group in groups.items()))
        except (KafkaError, TimeoutError) as error:
            raise Transient(f"Kafka did not take the events: {error!r}") from error

    def _lane(self, place: tuple[str, int]) -> _Lane:
        lane = self._lanes.get(place)
        if lane is None:
            lane = self._lanes[place] = _Lane(self._client, *place)
        return lane

    async def _partition_count(self, topic: str) -> int:
        # Fixed for the life of a topic: adding partitions would break the order per key.
        self._partitions[topic] = count = len(await self._client.partitions_for(topic))
        return count


class _Lane:
    """One partition: a batch on its way, and the events that wait to be in the next one, in order."""

    def __init__(self, client: AIOKafkaProducer, topic: str, partition: int) -> None:
        self._client = client
        self._topic = topic
        self._partition = partition
        self._waiting: deque[tuple[envelope.Event, asyncio.Future[None] | None]] = deque()
        self._sending: asyncio.Task[None] | None = None

    async def send(self, events: Sequence[envelope.Event]) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.extend((event, None) for event in events[:-1])
        self._waiting.append((events[-1], done))  # in order, so the last one's acknowledgement is that of all
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_all())
        await done

    async def _send_all(self) -> None:
        while self._waiting:
            batch, complete = self._next_batch()
            try:
                acknowledged = await self._client.send_batch(batch, self._topic, partition=self._partition)
                await acknowledged
            except Exception as error:  # noqa: BLE001 (whatever it is, it belongs to those who wait, not to this task)
                # Events of one sender may lie in several batches, so all who wait are told; they repeat.
                complete += [done for _, done in self._waiting if done is not None]
                self._waiting.clear()
                _resolve(complete, error)
            else:
                _resolve(complete, None)

    def _next_batch(self) -> tuple[BatchBuilder, list[asyncio.Future[None]]]:
        """As many waiting events as fit (at least one), and the senders whose last event is among them."""
        batch = self._client.create_batch()
        now_ms = int(time.time() * 1000)
        complete: list[asyncio.Future[None]] = []
        while self._waiting:
            event, done = self._waiting[0]
            record = {
                "timestamp": now_ms, "key": event.key.encode(), "value": event.data, "headers": envelope.headers(event)
            }  # fmt: skip
            if batch.append(**record) is None:
                break  # full
            self._waiting.popleft()
            if done is not None:
                complete.append(done)
        batch.close()  # so that it does not linger
        return batch, complete


def _resolve(senders: list[asyncio.Future[None]], error: Exception | None) -> None:
    for done in senders:
        if done.done():  # its sender was cancelled
            continue
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)
