"""A migrated rewards database for each test."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import asyncpg
import pytest

from services.rewards import roles
from shared import migrate
from shared.database import Database
from tests.conftest import NewDatabase
from tests.integration.rewards.harness import Books

NewBooks = Callable[[], AbstractAsyncContextManager[Books]]

GUARDED = ("account", "balance", "posting_key", "reversal", "period_lock", "journal", "entry", "ledger_seal")
RECORDS = ("adjustment", "adjustment_decision", "audit", "rerate")
FACTS = ("credit_snapshot", "partner_version", "program_version", "conflict", "maturity", "dirty")
PLANS = ("receipt", "exchange_rate", "earning_line", "scope_total")
GUARDS = """DO $$ DECLARE place regclass; BEGIN
    FOR place IN SELECT tgrelid FROM pg_trigger WHERE tgname = 'no_truncate' LOOP
        EXECUTE format('ALTER TABLE %s {change} TRIGGER no_truncate', place);
    END LOOP;
END $$"""
EMPTY = "; ".join([
    GUARDS.format(change="DISABLE"),
    "TRUNCATE " + ", ".join(f"rewards.{table}" for table in (*GUARDED, *RECORDS, *FACTS, *PLANS)) + " RESTART IDENTITY",
    "ALTER SEQUENCE rewards.journal_id RESTART",
    GUARDS.format(change="ENABLE ALWAYS"),
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
        async with opened(await new_database("rewards", rewards_template)) as books:
            yield books

    return create


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Books]:
    """Rewards over a database, with the rights the service has; and a pool of the database's owner beside it."""
    database = await Database.connect(url, connections=6, role=roles.SERVICE)
    owner = await asyncpg.create_pool(url, min_size=1, max_size=2)
    yield Books(database, owner)
    await owner.close()
    await database.close()


@pytest.fixture(scope="session")
async def rewards_url(new_database: NewDatabase, rewards_template: str) -> str:
    """The database that the tests of one run take turns with: making and dropping one for each takes a second."""
    return await new_database("rewards", rewards_template)


@pytest.fixture(scope="session")
async def one_database(rewards_url: str) -> AsyncIterator[Books]:
    """The connections to it."""
    async with opened(rewards_url) as books:
        yield books


@pytest.fixture
async def books(one_database: Books) -> Books:
    """Rewards over an empty database for one test."""
    await one_database.owner.execute(EMPTY)
    return Books(one_database.database, one_database.owner)
