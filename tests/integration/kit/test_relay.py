"""What the relay promises: every committed event reaches Kafka, in order per key, whatever dies in between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared import outbox
from shared.events.envelope import Event
from shared.relay import Relay
from shared.service import utc_now
from tests.integration.kit.conftest import Toy


def event(toy: Toy, number: int) -> Event:
    return Event(toy.topic, "k", "toy.event", "toy", str(number), utc_now(), b"%d" % number)


async def append(toy: Toy, *numbers: int) -> None:
    async with toy.database.transaction() as connection:
        await outbox.append(connection, "toy", [event(toy, n) for n in numbers])
    toy.relay_wake.set()


@asynccontextmanager
async def relaying(toy: Toy) -> AsyncIterator[None]:
    stop = asyncio.Event()
    relay = Relay(schema="toy", database=toy.database, producer=toy.producer, wake=toy.relay_wake, metrics=toy.metrics)
    task = asyncio.create_task(relay.run(stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def published(toy: Toy, count: int) -> list[int]:
    client = AIOKafkaConsumer(bootstrap_servers=toy.kafka, auto_offset_reset="earliest", enable_auto_commit=False)
    await client.start()
    try:
        client.assign([TopicPartition(toy.topic, 0)])
        values: list[int] = []
        async with asyncio.timeout(10):
            while len(values) < count:
                values.extend(int(r.value) for batch in (await client.getmany(timeout_ms=50)).values() for r in batch)
        return values
    finally:
        await client.stop()


async def test_committed_events_are_published_in_order(toy: Toy) -> None:
    """What is committed is sent, in the order of the commits, and nothing twice without a crash."""
    await append(toy, 0, 1)
    async with relaying(toy):
        await append(toy, 2)
        await append(toy, 3, 4)
        assert await published(toy, 5) == [0, 1, 2, 3, 4]


async def test_events_of_a_transaction_that_began_first_are_not_skipped(toy: Toy) -> None:
    """A transaction that commits late, below ids already seen, still has its events sent."""
    async with relaying(toy):
        async with toy.database.transaction() as slow:
            await outbox.append(slow, "toy", [event(toy, 0)])
            await append(toy, 1)
            await asyncio.sleep(0.2)
        toy.relay_wake.set()
        assert sorted(await published(toy, 2)) == [0, 1]


async def test_a_second_relay_takes_over(toy: Toy) -> None:
    """One relay is active at a time; when it goes, the other goes on where it stopped."""
    async with relaying(toy):
        await append(toy, 0)
        assert await published(toy, 1) == [0]
        second = relaying(toy)
        await second.__aenter__()
        await append(toy, 1)
        assert await published(toy, 2) == [0, 1]
    await append(toy, 2)
    assert await published(toy, 3) == [0, 1, 2]
    await second.__aexit__(None, None, None)


async def test_a_rolled_back_event_is_never_sent(toy: Toy) -> None:
    """An event exists exactly when its effect does."""

    class Undo(Exception): ...

    try:
        async with toy.database.transaction() as connection:
            await outbox.append(connection, "toy", [event(toy, 7)])
            raise Undo
    except Undo:
        pass
    async with relaying(toy):
        await append(toy, 8)
        assert await published(toy, 1) == [8]
