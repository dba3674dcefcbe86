"""Brings every schema to its newest version; safe to run again and by several at once."""

from __future__ import annotations

from typing import Final

import asyncpg
from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from shared import migrate
from tributary.processes import EngineError

SCHEMAS: Final = {
    "access": "shared:access_migrations",
    "attribution": "services.attribution:migrations",
    "rewards": "services.rewards:migrations",
}


def upgrade_all(database_url: str) -> None:
    """Run the migrations of all schemas. Raises EngineError when PostgreSQL refuses or is away."""
    try:
        for schema, location in SCHEMAS.items():
            migrate.upgrade(database_url, script_location=location, schema=schema)
    except (OSError, asyncpg.PostgresError, SQLAlchemyError, CommandError) as error:
        raise EngineError(f"PostgreSQL cannot be brought up to date: {error}") from error
