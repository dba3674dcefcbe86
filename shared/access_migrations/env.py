"""Alembic environment of the `access` schema."""

from shared import access, migrate

migrate.run_env(access.metadata)
