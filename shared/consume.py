"""From Kafka to stored facts, each message once in effect: the position moves in the transaction that stores the facts.

The position lives in the service's own schema and moves by compare-and-set, so a zombie, a doubled or a wrongly
positioned consumer changes no row and rolls back. A message has three fates: refused (a dead letter, in the same
transaction), tried again with backoff (the database is away), or the process ends visibly.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from typing import Final, Protocol

import asyncpg
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import NoOffsetForPartitionError
from opentelemetry.trace import SpanKind

from shared import database, dead_letters, position, retry, telemetry
from shared.message import Message, Refused, from_record

POLL_MS: Final = 200
"""How long a poll waits for messages; a stop request is noticed at least this often."""
NOT_PLACED_S: Final = 0.02
"""A new assignment is put in place within milliseconds."""
SESSION_TIMEOUT_MS: Final = 10_000
"""A consumer silent for 10 s has lost its partitions: longer than the slowest batch, short enough for a takeover. One
that was only slow is fenced by its position."""
STALLED_AFTER_S: Final = 60.0
"""A poll loop that has not turned for a minute is stalled; readiness says so."""
POISON_ERRORS: Final = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)
"""Database errors that lie in a message's content: the batch is halved until that message stands alone."""


Polled = dict[TopicPartition, list[ConsumerRecord]]


class Handler(Protocol):
    """Stores facts. Gets messages of all its topics, in order per partition; never commits."""

    async def store(self, connection: asyncpg.Connection, messages: Sequence[Message]) -> Sequence[Refused]: ...


class Consumer:
    """Reads topics as a member of a group and hands batches to a handler, one transaction per poll."""

    def __init__(
        self, *, bootstrap: str, schema: str, topics: Sequence[str], handler: Handler, database: database.Database,
        wake: asyncio.Event, relay_wake: asyncio.Event, metrics: telemetry.Metrics, batch: int,
        instance: str | None = None,
    ) -> None:  # fmt: skip
        self._schema = schema
        self._topics = topics
        self._handler = handler
        self._database = database
        self._wake = wake
        self._relay_wake = relay_wake
        self._metrics = metrics
        self._batch = batch
        self._limit = dead_letters.RefusalLimit()
        self._log = structlog.get_logger()
        self._turned_at = time.monotonic()
        self._client = AIOKafkaConsumer(
            bootstrap_servers=bootstrap, group_id=f"tributary-{schema}", auto_offset_reset="none",
            enable_auto_commit=False, session_timeout_ms=SESSION_TIMEOUT_MS, rebalance_timeout_ms=SESSION_TIMEOUT_MS,
            max_poll_records=batch, group_instance_id=instance,
        )  # fmt: skip
        self._placer = position.Placer(self._client, database, schema)

    def faults(self) -> list[str]:
        """Why this consumer is not working; empty when it is."""
        silent = time.monotonic() - self._turned_at
        return [f"consumer: no poll for {silent:.0f} s"] if silent > STALLED_AFTER_S else []

    def is_behind(self) -> bool:
        """Whether more than a batch of messages is known to wait in the log."""
        return sum(map(self._lag, self._placer.placed)) > self._batch  # what a rebalance took away is behind no more

    def _lag(self, place: TopicPartition) -> int:
        """Messages known to wait in a partition; its end is known from the first answer of the broker on."""
        end = self._client.highwater(place) if place in self._client.assignment() else None
        return max(0, (end or 0) - self._placer.placed[place])

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until stopped; every error that is neither refused nor transient is raised."""
        self._client.subscribe(topics=list(self._topics), listener=self._placer)
        await self._client.start()
        ahead = asyncio.create_task(self._poll())
        try:
            while not stop.is_set():
                polled = await ahead
                ahead = asyncio.create_task(self._poll())  # messages are fetched and unpacked while these are stored
                try:
                    await self._handle(polled, stop)
                except position.PositionLost as error:
                    self._log.warning("consumer.position_lost", places=str(error))
                    await ahead  # read from the wrong position as well: dropped
                    await self._placer.place(set(self._placer.placed))
                    ahead = asyncio.create_task(self._poll())
        finally:
            ahead.cancel()
            await asyncio.gather(ahead, return_exceptions=True)
            await self._client.stop()

    async def _poll(self) -> Polled:
        self._placer.check()
        try:
            polled: Polled = await self._client.getmany(timeout_ms=POLL_MS, max_records=self._batch)
        except NoOffsetForPartitionError:  # assigned, not positioned yet
            await asyncio.sleep(NOT_PLACED_S)
            return {}
        self._turned_at = time.monotonic()
        return polled

    async def _handle(self, polled: Polled, stop: asyncio.Event) -> None:
        """Store what was polled; raises `PositionLost` when somebody else has moved a position."""
        records = {place: batch for place, batch in polled.items() if place in self._placer.placed and batch}
        if not records:
            return
        messages = [from_record(record) for batch in records.values() for record in batch]
        with telemetry.span("process batch", (m.traceparent for m in messages), SpanKind.CONSUMER) as span:
            span.set_attribute("messaging.system", "kafka")
            span.set_attribute("messaging.batch.message_count", len(messages))
            await self._store_with_retry(messages, stop)
        for place, batch in records.items():
            if place in self._placer.placed:
                self._placer.placed[place] = batch[-1].offset + 1
                self._metrics.lag.labels(place.topic, place.partition).set(self._lag(place))

    async def _store_with_retry(self, messages: Sequence[Message], stop: asyncio.Event) -> None:
        """Store the batch, again after transient failures; a commit of unknown outcome is read back."""
        for delay in retry.delays():
            try:
                await self._store(messages)
            except database.TRANSIENT as error:
                self._log.warning("consumer.batch_failed", error=repr(error), messages=len(messages), retry_in_s=delay)
                self._metrics.retried.labels("consumer").inc()
                await retry.pause(delay, stop)
                if stop.is_set():  # not stored: whoever reads next begins at the stored position
                    return
                messages = await self._not_yet_stored(messages)
            else:
                return

    async def _not_yet_stored(self, messages: Sequence[Message]) -> Sequence[Message]:
        try:
            stored = await self._placer.positions({TopicPartition(m.topic, m.partition) for m in messages})
        except database.TRANSIENT:
            return messages  # still away; the compare-and-set guards the next try
        return [m for m in messages if m.offset >= stored[TopicPartition(m.topic, m.partition)]]

    async def _store(self, messages: Sequence[Message]) -> None:
        if not messages:
            return
        try:
            async with self._database.transaction() as connection:
                await position.move(connection, self._schema, messages)
                refused = await self._handler.store(connection, messages)
                await self._put_aside(connection, refused, len(messages))
        except POISON_ERRORS as error:
            await self._halve(messages, error)
            return
        self._wake.set()
        for topic, count in Counter(m.topic for m in messages).items():
            self._metrics.consumed.labels(topic).inc(count)

    async def _halve(self, messages: Sequence[Message], error: Exception) -> None:
        """Find the message the database refuses: store the halves apart until it stands alone."""
        if len(messages) > 1:
            middle = len(messages) // 2
            await self._store(messages[:middle])
            await self._store(messages[middle:])
            return
        async with self._database.transaction() as connection:
            await position.move(connection, self._schema, messages)
            await self._put_aside(connection, [Refused(messages[0], f"the database refused it: {error}")], 1)

    async def _put_aside(self, connection: asyncpg.Connection, refused: Sequence[Refused], of: int) -> None:
        self._limit.count(of, len(refused))
        if not refused:
            return
        for item in refused:
            self._metrics.refused.labels(item.message.topic).inc()
            self._log.warning(
                "message.refused", topic=item.message.topic, partition=item.message.partition,
                offset=item.message.offset, reason=item.reason,
            )  # fmt: skip
        await dead_letters.write(connection, self._schema, refused)
        self._relay_wake.set()
