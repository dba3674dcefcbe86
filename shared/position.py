"""Where a consumer is in each partition: a row in the service's own schema, moved by compare-and-set.

The row moves in the transaction that stores the facts, so facts and position cannot disagree.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from shared import database, retry
from shared.errors import TributaryError
from shared.message import Message

_BEGIN_AT_ZERO: Final = """
INSERT INTO {schema}.consumer_position (topic, partition, next_offset)
SELECT t, p, 0 FROM unnest($1::text[], $2::int[]) AS n (t, p) ORDER BY t, p ON CONFLICT DO NOTHING
"""
_READ: Final = """
SELECT c.topic, c.partition, c.next_offset FROM {schema}.consumer_position c
JOIN unnest($1::text[], $2::int[]) AS n (t, p) ON c.topic = n.t AND c.partition = n.p
ORDER BY c.topic, c.partition FOR UPDATE OF c
"""
_MOVE: Final = """
UPDATE {schema}.consumer_position AS p SET next_offset = n.ending
FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[]) AS n (topic, partition, first, ending)
WHERE p.topic = n.topic AND p.partition = n.partition AND p.next_offset = n.first
"""


class PositionLost(TributaryError):
    """Somebody else moved the position: what this consumer holds is void."""


async def move(connection: asyncpg.Connection, schema: str, messages: Sequence[Message]) -> None:
    """Move each partition from its first to behind its last message, or raise `PositionLost`."""
    spans: dict[tuple[str, int], tuple[int, int]] = {}
    for item in messages:
        place = (item.topic, item.partition)
        first, following = spans.get(place, (item.offset, item.offset))
        if item.offset != following:
            raise TributaryError(
                f"gap in {place}: expected offset {following}, got {item.offset}; the log lost messages"
            )
        spans[place] = (first, item.offset + 1)
    columns = [(topic, partition, first, end) for (topic, partition), (first, end) in sorted(spans.items())]
    status = await connection.execute(_MOVE.format(schema=schema), *map(list, zip(*columns, strict=True)))
    if status != f"UPDATE {len(columns)}":
        raise PositionLost(str(sorted(spans)))


class Placer(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """Puts each newly assigned partition at its stored position before anything is read from it.

    aiokafka publishes an assignment before the listener has run, so partitions are paused first; records of partitions
    not yet placed are dropped by the consumer.
    """

    def __init__(self, client: AIOKafkaConsumer, database: database.Database, schema: str) -> None:
        self._client = client
        self._database = database
        self._schema = schema
        self._failure: BaseException | None = None
        self.placed: dict[TopicPartition, int] = {}
        """The partitions that flow, and of each the offset that is stored next, as far as this consumer knows."""

    def check(self) -> None:
        """Raise what went wrong during a rebalance: aiokafka only logs a listener's errors."""
        if self._failure is not None:
            raise self._failure

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        for place in revoked:
            self.placed.pop(place, None)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        if not assigned:
            return
        self._client.pause(*assigned)
        try:
            await self._place_patiently(assigned)
        except BaseException as error:
            self._failure = error
            raise

    async def _place_patiently(self, places: set[TopicPartition]) -> None:
        for delay in retry.delays():
            try:
                await self.place(places)
            except database.TRANSIENT:
                await asyncio.sleep(delay)
            else:
                return

    async def place(self, places: set[TopicPartition]) -> None:
        """Seek to the stored positions (0 for a partition never read) and let the partitions flow."""
        stored = await self.positions(places)
        for place, offset in stored.items():
            self._client.seek(place, offset)
        self.placed |= stored
        self._client.resume(*places)

    async def positions(self, places: set[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The stored positions; waits for a transaction still open on them, so an unknown commit is settled."""
        names = [place.topic for place in places]
        numbers = [place.partition for place in places]
        async with self._database.transaction() as connection:
            await connection.execute(_BEGIN_AT_ZERO.format(schema=self._schema), names, numbers)
            rows = await connection.fetch(_READ.format(schema=self._schema), names, numbers)
        return {TopicPartition(row["topic"], row["partition"]): row["next_offset"] for row in rows}
