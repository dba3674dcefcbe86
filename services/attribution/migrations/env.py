"""Alembic's entry point for the attribution schema."""

from __future__ import annotations

from services.attribution import tables
from shared import migrate

migrate.run_env(tables.metadata)
