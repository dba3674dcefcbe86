"""What a system needs before its services start: its database, every schema, every topic, and the first key."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from aiokafka.errors import KafkaError

from shared import access, topics
from tributary import processes

if TYPE_CHECKING:
    from pathlib import Path

DATABASE: Final = "tributary"
ADMINISTRATOR: Final = "administrator"


async def prepare(database_url: str, kafka: str, key_file: Path) -> str:
    """Bring the engines up to date, and return the administrator's API key, made at the first start. Repeatable."""
    await bring_up_to_date(database_url, kafka)
    return await first_key(database_url, key_file)


async def bring_up_to_date(database_url: str, kafka: str) -> None:
    """Run every migration and create the missing topics. Raises EngineError when an engine refuses or is away."""
    from tributary import migrate  # noqa: PLC0415  Alembic takes a second to import, which other commands need not wait

    await asyncio.to_thread(migrate.upgrade_all, database_url)  # Alembic runs an event loop of its own
    try:
        await topics.create_topics(kafka)
    except (KafkaError, TimeoutError) as error:
        raise processes.EngineError(f"Kafka's topics cannot be created: {error}") from error


async def own_database(server_url: str) -> str:
    """Create the database of the system on an embedded server if it is missing, and return its URL."""
    connection = await asyncpg.connect(server_url)
    try:
        if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", DATABASE):
            await connection.execute(f"CREATE DATABASE {DATABASE} TEMPLATE template0")
    finally:
        await connection.close()
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{DATABASE}"))


async def first_key(database_url: str, key_file: Path) -> str:
    """Return the administrator's token from `key_file`, which only the owner can read; the first time, make both.

    A file whose key is unknown to the database (revoked, or another database) is replaced by a new key.
    """
    token = await asyncio.to_thread(_read, key_file)
    async with asyncpg.create_pool(database_url, min_size=1, max_size=1) as pool:
        if token is not None and await access.authenticate(pool, token) is not None:
            return token
        async with pool.acquire() as connection:
            _, token = await access.create_key(
                connection, name=ADMINISTRATOR, source=ADMINISTRATOR, scopes=[access.ALL]
            )
    await asyncio.to_thread(processes.write_private, key_file, f"{token}\n")
    return token


def _read(file: Path) -> str | None:
    return file.read_text(encoding="ascii").strip() if file.exists() else None
