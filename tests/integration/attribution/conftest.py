"""A migrated attribution database for each test."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from shared import migrate
from shared.database import Database
from tests.conftest import NewDatabase
from tests.integration.attribution.harness import Attribution, situation


@pytest.fixture(scope="session")
async def attribution_template(new_database: NewDatabase) -> str:
    """A database with API keys and the attribution schema, to be copied."""
    url = await new_database("attribution")
    for schema, location in (
        ("access", "shared:access_migrations"),
        ("attribution", "services.attribution:migrations"),
    ):
        await asyncio.to_thread(migrate.upgrade, url, script_location=location, schema=schema)
    return url


@pytest.fixture
async def attribution(new_database: NewDatabase, attribution_template: str) -> AsyncIterator[Attribution]:
    """Attribution over an empty database of its own."""
    database = await Database.connect(await new_database("attribution", attribution_template), connections=4)
    yield Attribution(database)
    await database.close()


@pytest.fixture(scope="session")
async def reviewed(new_database: NewDatabase, attribution_template: str) -> AsyncIterator[Attribution]:
    """Attribution with an item of each kind to review, for tests that change nothing."""
    database = await Database.connect(await new_database("attribution", attribution_template), connections=2)
    attribution = Attribution(database)
    await attribution.tell(*situation())
    yield attribution
    await database.close()
