"""A migrated rewards database for each test."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from shared import migrate
from shared.database import Database
from tests.conftest import NewDatabase
from tests.integration.rewards.harness import Books

NewBooks = Callable[[], AbstractAsyncContextManager[Books]]

GUARDED = ("account", "balance", "posting_key", "journal", "entry")
FACTS = ("credit_snapshot", "partner_version", "program_version", "conflict", "maturity", "dirty")
EMPTY = "; ".join([
    *(f"ALTER TABLE rewards.{table} DISABLE TRIGGER no_truncate" for table in GUARDED),
    "TRUNCATE " + ", ".join(f"rewards.{table}" for table in (*GUARDED, *FACTS)) + " RESTART IDENTITY",
    "ALTER SEQUENCE rewards.journal_id RESTART",
    *(f"ALTER TABLE rewards.{table} ENABLE ALWAYS TRIGGER no_truncate" for table in GUARDED),
])  # fmt: skip
"""Empties the books as only the owner of the database can: with the guards off for a moment."""


@pytest.fixture(scope="session")
async def rewards_template(new_database: NewDatabase) -> str:
    """A database with the schemas of API keys and rewards, to be copied."""
    url = await new_database("rewards")
    for schema, location in (("access", "shared:access_migrations"), ("rewards", "services.rewards:migrations")):
        await asyncio.to_thread(migrate.upgrade, url, script_location=location, schema=schema)
    return url


@pytest.fixture(scope="session")
async def new_books(new_database: NewDatabase, rewards_template: str) -> NewBooks:
    """`async with new_books() as books` gives rewards over an empty database of its own."""

    @asynccontextmanager
    async def create() -> AsyncIterator[Books]:
        database = await Database.connect(await new_database("rewards", rewards_template), connections=6)
        yield Books(database)
        await database.close()

    return create


@pytest.fixture(scope="session")
async def rewards_url(new_database: NewDatabase, rewards_template: str) -> str:
    """The database that the tests of one run take turns with: making and dropping one for each takes a second."""
    return await new_database("rewards", rewards_template)


@pytest.fixture(scope="session")
async def one_database(rewards_url: str) -> AsyncIterator[Database]:
    """The connections to it."""
    database = await Database.connect(rewards_url, connections=6)
    yield database
    await database.close()


@pytest.fixture
async def books(one_database: Database) -> Books:
    """Rewards over an empty database for one test."""
    await one_database.pool.execute(EMPTY)
    return Books(one_database)
