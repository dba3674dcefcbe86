"""The catalogue reads the real program topic from its beginning, follows it, and survives what it cannot read."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from services.ingest.catalogue import Catalogue
from services.ingest.domain import programs
from shared.events.envelope import Event
from shared.kafka import Producer
from shared.program import parse
from tests.conftest import NewTopic
from tests.integration.ingest.conftest import PROGRAM

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def version(topic: str, number: int, activity: str) -> Event:
    document = PROGRAM | {"version": number, "activities": {activity: {"means": "Something."}}}
    event = programs.event(parse(document), document, "test", NOW, None)
    return Event(topic, event.key, event.type, event.source, event.id, event.time, event.data)


@asynccontextmanager
async def following(catalogue: Catalogue) -> AsyncIterator[None]:
    """The catalogue's worker runs during the block, and stops when told to."""
    stop = asyncio.Event()
    task = asyncio.create_task(catalogue.run(stop))
    yield
    stop.set()
    await asyncio.wait_for(task, 5)


async def until_read(catalogue: Catalogue, versions: int = 0) -> None:
    async with asyncio.timeout(20):
        while not catalogue.read or len(catalogue.known.documents) < versions:
            await asyncio.sleep(0.02)


async def test_it_reads_from_the_beginning_and_follows(
    kafka_bootstrap: str, new_topic: NewTopic, producer: Producer
) -> None:
    """Versions from before and after the start are known; not ready before the first reading is complete."""
    topic = await new_topic("program", 2)
    await producer.send([version(topic, 1, "demo")])
    catalogue = Catalogue(kafka_bootstrap, topic)
    assert catalogue.faults()
    async with following(catalogue):
        await until_read(catalogue)
        assert catalogue.known.activities == {"demo"}
        await producer.send([version(topic, 2, "course")])
        await until_read(catalogue, 2)
    assert catalogue.known.activities == {"demo", "course"}
    assert catalogue.known.tiers == {"silver"}
    assert catalogue.faults() == []


async def test_an_empty_topic_is_read_at_once(kafka_bootstrap: str, new_topic: NewTopic) -> None:
    """Nothing to read is not the same as not having read."""
    catalogue = Catalogue(kafka_bootstrap, await new_topic("program"))
    async with following(catalogue):
        await until_read(catalogue)
    assert catalogue.known.documents == {}


async def test_it_waits_for_a_topic_that_does_not_exist_yet(kafka_bootstrap: str) -> None:
    """Without the topic it stays unready, and stops when told to."""
    catalogue = Catalogue(kafka_bootstrap, "no-such-topic")
    async with following(catalogue):
        await asyncio.sleep(0.3)
        assert catalogue.faults()


async def test_what_is_no_program_is_passed_over(kafka_bootstrap: str, new_topic: NewTopic, producer: Producer) -> None:
    """A broken version or another type of event hides no later version."""
    topic = await new_topic("program")
    good = version(topic, 1, "demo")
    broken = [
        Event(topic, "x", good.type, "test", "1", NOW, b"{"),
        Event(topic, "x", good.type, "test", "2", NOW, json.dumps({**json.loads(good.data), "document": {}}).encode()),
        Event(topic, "x", "fx.rates_published", "test", "3", NOW, b"{}"),
    ]
    await producer.send([*broken, good])
    catalogue = Catalogue(kafka_bootstrap, topic)
    async with following(catalogue):
        await until_read(catalogue, 1)
    assert set(catalogue.known.documents) == {("northwind", 1)}
