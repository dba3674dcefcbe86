"""A toy service on the real kit: one table of facts, created in a schema of its own."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg
import pytest

from shared import kit_tables
from shared.consume import Consumer
from shared.database import Database
from shared.events.envelope import Event
from shared.kafka import Producer
from shared.message import Message, Refused
from shared.service import utc_now
from shared.telemetry import Metrics
from tests.conftest import NewDatabase, NewTopic


class Facts:
    """Stores `{"n": …}` messages; a value that is no JSON is refused, `before` may fail on purpose."""

    def __init__(self, before: Callable[[Sequence[Message]], None] = lambda _: None) -> None:
        self.before = before

    async def store(self, connection: asyncpg.Connection, messages: Sequence[Message]) -> Sequence[Refused]:
        self.before(messages)
        good, refused = [], []
        for message in messages:
            try:
                good.append(str(json.loads(message.value)["n"]))
            except ValueError as error:
                refused.append(Refused(message, f"value: {error}"))
        await connection.execute("INSERT INTO toy.fact SELECT unnest($1::text[])", good)
        return refused


@dataclass
class Toy:
    database: Database
    kafka: str
    topic: str
    producer: Producer
    metrics: Metrics = field(default_factory=Metrics)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    relay_wake: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, *values: bytes) -> None:
        await self.producer.send([
            Event(self.topic, "k", "toy.event", "toy", str(i), utc_now(), value) for i, value in enumerate(values)
        ])  # fmt: skip

    async def send_numbers(self, numbers: Sequence[int]) -> None:
        await self.send(*(json.dumps({"n": n}).encode() for n in numbers))

    async def facts(self) -> list[str]:
        return [row["n"] for row in await self.database.pool.fetch("SELECT n FROM toy.fact ORDER BY n")]

    def consumer(self, facts: Facts, batch: int = 100) -> Consumer:
        return Consumer(
            bootstrap=self.kafka, schema="toy", topics=[self.topic], handler=facts, database=self.database,
            wake=self.wake, relay_wake=self.relay_wake, metrics=self.metrics, batch=batch,
        )  # fmt: skip

    @asynccontextmanager
    async def consuming(self, facts: Facts, batch: int = 100) -> AsyncIterator[None]:
        """A consumer that runs during the block; its failure is raised at the end of it."""
        stop = asyncio.Event()
        task = asyncio.create_task(self.consumer(facts, batch).run(stop))
        try:
            yield
        finally:
            stop.set()
            await task

    async def until(self, count: int) -> None:
        """Wait until that many facts are stored."""
        async with asyncio.timeout(20):
            while len(await self.facts()) < count:
                await asyncio.sleep(0.02)


@pytest.fixture
async def toy(database_url: str, kafka_bootstrap: str, new_topic: NewTopic) -> AsyncIterator[Toy]:
    connection = await asyncpg.connect(database_url)
    for statement in ("CREATE SCHEMA toy", "CREATE TABLE toy.fact (n text)", *kit_tables.create_v1("toy")):
        await connection.execute(statement)
    await connection.close()
    database = await Database.connect(database_url, connections=6)
    producer = await Producer.connect(kafka_bootstrap)
    yield Toy(database, kafka_bootstrap, await new_topic("toy"), producer)
    await producer.close()
    await database.close()


__all__ = ["Facts", "NewDatabase", "Toy", "toy"]
