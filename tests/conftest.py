"""Fixtures of all tests: one pair of real engines per run, a database and topics of its own for each test."""

from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import Protocol

import pytest

from tests.support import engines as support


class NewDatabase(Protocol):
    def __call__(self, prefix: str = ..., template: str | None = ...) -> Awaitable[str]: ...


class NewTopic(Protocol):
    def __call__(self, prefix: str = ..., partitions: int = ...) -> Awaitable[str]: ...


@pytest.fixture(scope="session")
def engines() -> Iterator[support.Engines]:
    """Real PostgreSQL and Kafka, started when the first test asks for one of them."""
    running = support.Engines.start()
    yield running
    running.close()


@pytest.fixture(scope="session")
def server_url(engines: support.Engines) -> str:
    """URL of the PostgreSQL server, as a user who may create databases."""
    return engines.database_url


@pytest.fixture(scope="session")
def kafka_bootstrap(engines: support.Engines) -> str:
    """`host:port` of the Kafka broker; topics are shared by all tests, so use `new_topic`."""
    return engines.kafka


@pytest.fixture(scope="session")
async def new_database(server_url: str) -> AsyncIterator[NewDatabase]:
    """`await new_database(prefix, template=None)` gives the URL of a new database, dropped at the end of the run."""
    made: list[str] = []

    async def create(prefix: str = "test", template: str | None = None) -> str:
        made.append(await support.create_database(server_url, prefix, template))
        return made[-1]

    yield create
    for url in made:
        await support.drop_database(server_url, url)


@pytest.fixture
async def database_url(server_url: str) -> AsyncIterator[str]:
    """URL of an empty database for this test alone."""
    url = await support.create_database(server_url)
    yield url
    await support.drop_database(server_url, url)


@pytest.fixture(scope="session")
async def new_topic(kafka_bootstrap: str) -> NewTopic:
    """`await new_topic(prefix, partitions=1)` gives the name of a new, empty topic."""

    async def create(prefix: str = "test", partitions: int = 1) -> str:
        return await support.create_topic(kafka_bootstrap, prefix, partitions)

    return create
