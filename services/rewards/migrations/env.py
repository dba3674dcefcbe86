"""Alembic's entry point for the schema `rewards`."""

from services.rewards import tables
from shared import migrate

migrate.run_env(tables.metadata)
