"""The ingest application on real engines: its keys in PostgreSQL, its events in Kafka, called in process."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from services.ingest import api, doors
from services.ingest.catalogue import Catalogue
from services.ingest.crm import standard_webhooks
from shared import access, migrate, topics
from shared.database import Database
from shared.events import deal, directory, exchange, program, receipt, touchpoint
from shared.kafka import Producer
from shared.telemetry import Metrics
from tests.conftest import NewDatabase

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PROGRAM: dict[str, Any] = {
    "program": "northwind", "version": 1, "effective_from": "2026-01-01", "currency": "USD",
    "activities": {"product_demo": {"means": "A demonstration."}, "referral": {"means": "A name."}},
    "attribution": {"model": {"kind": "linear"}},
    "compensation": {"plans": {"influence": {"rate": {"silver": "5%"}}}},
    "tiers": {"silver": {}},
}  # fmt: skip
Tokens = Callable[..., Awaitable[tuple[str, str]]]


class Log:
    """Everything appended to the intake topics since this object began to listen."""

    def __init__(self, client: AIOKafkaConsumer) -> None:
        self._client = client
        self._seen: list[ConsumerRecord] = []

    @classmethod
    @asynccontextmanager
    async def listening(cls, bootstrap: str) -> AsyncIterator["Log"]:
        client = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
        await client.start()
        names = (
            touchpoint.TOPIC, deal.TOPIC, directory.TOPIC, program.TOPIC, receipt.TOPIC, exchange.TOPIC,
        )  # fmt: skip
        places = [TopicPartition(name, n) for name in names for n in range(topics.PARTITIONS[name])]
        client.assign(places)
        for place, end in (await client.end_offsets(places)).items():
            client.seek(place, end)
        yield cls(client)
        await client.stop()

    async def events(self, source: str) -> list[ConsumerRecord]:
        """All events of this source up to now, per partition in order."""
        ends = await self._client.end_offsets(list(self._client.assignment()))
        async with asyncio.timeout(20):
            while any([await self._client.position(place) < end for place, end in ends.items()]):
                for records in (await self._client.getmany(timeout_ms=100)).values():
                    self._seen += records
        return [record for record in self._seen if dict(record.headers)["ce_source"].decode() == source]


@dataclass
class Door:
    """The application, a client with a key of its own source, and what it appended."""

    http: httpx.AsyncClient
    ingest: doors.Ingest
    log: Log
    database: Database
    source: str = field(default_factory=lambda: f"test-{uuid.uuid4().hex[:8]}")

    async def key(self, *scopes: str, partner: str | None = None) -> str:
        async with self.database.transaction() as connection:
            _, token = await access.create_key(
                connection, name="test", source=self.source, scopes=list(scopes), partner=partner
            )
        return token

    async def send(self, method: str, path: str, key: str | None, **body: Any) -> httpx.Response:  # noqa: ANN401  httpx's own
        headers = body.pop("headers", {}) | ({"Authorization": f"Bearer {key}"} if key else {})
        return await self.http.request(method, f"/ingest/v1/{path}", headers=headers, **body)

    async def events(self) -> list[ConsumerRecord]:
        return await self.log.events(self.source)


@pytest.fixture(scope="session")
async def ingest_database(new_database: NewDatabase) -> AsyncIterator[Database]:
    url = await new_database("ingest")
    await asyncio.to_thread(
        migrate.upgrade, url, script_location="shared:access_migrations", schema="access"
    )  # it runs a loop of its own
    database = await Database.connect(url, connections=4)
    yield database
    await database.close()


@pytest.fixture(scope="session")
async def log(kafka_bootstrap: str) -> AsyncIterator[Log]:
    await topics.create_topics(kafka_bootstrap)
    async with Log.listening(kafka_bootstrap) as listening:
        yield listening


@pytest.fixture(scope="session")
async def producer(kafka_bootstrap: str) -> AsyncIterator[Producer]:
    producer = await Producer.connect(kafka_bootstrap)
    yield producer
    await producer.close()


@asynccontextmanager
async def opened(producer: doors.Sender, catalogue: Catalogue, database: Database, log: Log) -> AsyncIterator[Door]:
    """The application over these parts, in process."""
    secrets = {"hooked": [standard_webhooks.decode_secret(SECRET)]}
    ingest = doors.Ingest(producer, catalogue, secrets, lambda: datetime.now(UTC))

    async def ready() -> list[str]:
        return catalogue.faults()

    app = api.create_app(ingest, key_pool=database.pool, ready=ready, metrics=Metrics())
    transport = httpx.ASGITransport(app)  # raises what the application raises: a 500 fails the test
    async with httpx.AsyncClient(transport=transport, base_url="http://ingest") as http:
        yield Door(http, ingest, log, database)


@pytest.fixture
async def catalogue(kafka_bootstrap: str) -> Catalogue:
    """A catalogue that has read an empty topic; tests add programs as they need them."""
    catalogue = Catalogue(kafka_bootstrap)
    catalogue.read = True
    return catalogue


@pytest.fixture
async def door(producer: Producer, catalogue: Catalogue, ingest_database: Database, log: Log) -> AsyncIterator[Door]:
    async with opened(producer, catalogue, ingest_database, log) as door:
        yield door
