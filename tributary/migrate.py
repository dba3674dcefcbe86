"""Brings every schema to its newest version; safe to run again and by several at once."""

from __future__ import annotations

from typing import Final

from shared import migrate

SCHEMAS: Final = {
    "access": "shared:access_migrations",
    "attribution": "services.attribution:migrations",
    "rewards": "services.rewards:migrations",
}


def upgrade_all(database_url: str) -> None:
    """Run the migrations of all schemas; raises the driver's error when the database cannot be reached."""
    for schema, location in SCHEMAS.items():
        migrate.upgrade(database_url, script_location=location, schema=schema)
