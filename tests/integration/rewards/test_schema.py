"""The tables as SQLAlchemy knows them are the tables as the migrations made them; migrating again changes nothing."""

import asyncio
import re

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from services.rewards import tables
from shared import kit_tables, migrate
from tests.integration.rewards.harness import Books


async def test_models_match_migrations(books: Books) -> None:
    """No table, column, type or constraint differs; indexes serve speed alone and live in the migrations."""

    def differences(connection: sa.Connection) -> list[object]:
        def ours(_: object, name: str | None, kind: str, __: bool, ___: object) -> bool:
            partition = re.fullmatch(r"(journal|entry)_(\d{4}_\d{2}|default)", name or "")
            return kind != "index" and name != "alembic_version" and not partition

        known = {**connection.dialect.ischema_names, "xid8": kit_tables.Xid8}  # type: ignore[attr-defined]  # of PostgreSQL alone
        connection.dialect.ischema_names = known  # type: ignore[attr-defined]  # of PostgreSQL alone  # SQLAlchemy has never heard of xid8
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True, "include_object": ours, "compare_type": True,
                "include_name": lambda name, kind, _: kind != "schema" or name == "rewards",
            },
        )  # fmt: skip
        return list(compare_metadata(context, tables.metadata))

    async with books.database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_migrating_again_changes_nothing(books: Books, rewards_url: str) -> None:
    """A second start, or a second replica, finds the schema up to date and leaves the books alone."""
    before = await books.database.pool.fetch(
        "SELECT oid, relname FROM pg_class WHERE relnamespace = 'rewards'::regnamespace"
    )
    await asyncio.to_thread(
        migrate.upgrade, rewards_url, script_location="services.rewards:migrations", schema="rewards"
    )
    after = await books.database.pool.fetch(
        "SELECT oid, relname FROM pg_class WHERE relnamespace = 'rewards'::regnamespace"
    )
    assert before == after
