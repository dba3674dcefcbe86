"""Alembic without an ini file: each service's migrations live in its own schema, with their own version table."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from alembic import command, context
from alembic.config import Config
from sqlalchemy.ext.asyncio import create_async_engine

from shared.database import async_url

_LOCK: Final = "SELECT pg_advisory_lock(hashtextextended('tributary:migrate', 0))"
"""Two migrations at once (two replicas starting, two `up`s) take turns."""


def upgrade(database_url: str, *, script_location: str, schema: str, revision: str = "head") -> None:
    """Bring one service's schema to its newest version. `script_location` is a package path, `pkg:folder`.

    An earlier `revision` is for tests of what the next one carries over.
    """
    config = Config()
    config.set_main_option("script_location", script_location)
    config.set_main_option("path_separator", "os")
    config.attributes["database_url"] = database_url
    config.attributes["schema"] = schema
    command.upgrade(config, revision)


def run_file(connection: sa.Connection, file: Path) -> None:
    """Run a file of SQL statement by statement, as the driver takes them; blank lines separate statements."""
    for statement in file.read_text(encoding="utf-8").split("\n\n"):
        if any(line and not line.startswith("--") for line in statement.splitlines()):
            connection.exec_driver_sql(statement)


def run_env(metadata: sa.MetaData) -> None:
    """The whole of a service's `migrations/env.py`."""
    asyncio.run(_run(metadata))


async def _run(metadata: sa.MetaData) -> None:
    attributes = context.config.attributes
    schema = attributes["schema"]
    engine = create_async_engine(async_url(attributes["database_url"]), poolclass=sa.pool.NullPool)
    try:
        async with engine.connect() as connection:
            await connection.execute(sa.text(_LOCK))
            await connection.execute(sa.schema.CreateSchema(schema, if_not_exists=True))
            await connection.commit()
            await connection.run_sync(_upgrade, metadata, schema)
            await connection.commit()
    finally:
        await engine.dispose()


def _upgrade(connection: sa.Connection, metadata: sa.MetaData, schema: str) -> None:
    context.configure(connection=connection, target_metadata=metadata, version_table_schema=schema)
    with context.begin_transaction():
        context.run_migrations()
