"""One database object per process, and the one place that commits.

Hot paths use asyncpg with arrays; API reads use SQLAlchemy. Stores receive a connection and never commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Self

import asyncpg
import sqlalchemy.exc
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from shared.errors import TributaryError

COMMAND_TIMEOUT_S: Final = 60.0
"""No statement of ours takes a minute; one that does is stuck, and the work is tried again on a new connection."""
QUERY_CONNECTIONS: Final = 4
"""Connections kept for API reads beside the hot path's pool: reads are short, more would only queue in PostgreSQL."""

HOT_PATH: Final = {
    "timezone": "UTC",
    "jit": "off",  # costs more than it saves on short statements
    # Hot statements look rows up by key, for arrays of any length: nested loops over indexes are always right for them.
    # One such plan is made per statement and connection, for planning takes longer than running. All that could be a
    # better plan for a small table is off: a plan made while a table was small is kept and runs when it is large.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_material": "off",
}
WHOLE_TABLES: Final = """
SELECT set_config(name, 'on', true) FROM unnest(
    ARRAY['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin', 'enable_material']) AS n (name)
"""
"""For the rest of a transaction that joins whole tables: let the planner choose freely again."""
BY_KEY: Final = WHOLE_TABLES.replace("'on'", "'off'")
"""For the rest of such a transaction: look rows up by key again."""

TRANSIENT: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.TransactionRollbackError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    sqlalchemy.exc.OperationalError,
    sqlalchemy.exc.InterfaceError,
    sqlalchemy.exc.TimeoutError,
    OSError,
    TimeoutError,
)
"""Errors of a database that is away, restarting or overloaded: the same work may succeed later."""


class RoleRefused(TributaryError):
    """The database's user may not take the role that a service runs with, or nobody has made the role."""

    def __init__(self, role: str, error: asyncpg.PostgresError) -> None:
        super().__init__(
            f"the database user cannot take the role {role} ({error}); run `tributary migrate`, which makes it, and as "
            f"an administrator: GRANT {role} TO the user of TRIBUTARY_DATABASE_URL"
        )


def async_url(url: str) -> str:
    """The same address for SQLAlchemy's asyncpg driver."""
    return "postgresql+asyncpg://" + url.split("://", 1)[1]


class Database:
    """An asyncpg pool for writing and a SQLAlchemy engine for reading, both on one database."""

    def __init__(self, pool: asyncpg.Pool, engine: AsyncEngine) -> None:
        self.pool = pool
        self.engine = engine

    @classmethod
    async def connect(cls, url: str, *, connections: int, role: str | None = None) -> Self:
        """Open the pool; raises the driver's error when the database cannot be reached.

        With a `role`, every session gives up the rights of the URL's user for those of the role; raises RoleRefused
        when it may not.
        """
        taken = {} if role is None else {"role": role}
        try:
            pool = await asyncpg.create_pool(
                url, min_size=2, max_size=connections, command_timeout=COMMAND_TIMEOUT_S,
                server_settings=HOT_PATH | taken, reset=_leave_as_it_is,
            )  # fmt: skip
        except (asyncpg.InvalidParameterValueError, asyncpg.InsufficientPrivilegeError) as error:
            if role is None:
                raise
            raise RoleRefused(role, error) from error
        engine = create_async_engine(
            async_url(url), pool_size=QUERY_CONNECTIONS, max_overflow=0, connect_args={"server_settings": taken}
        )
        return cls(pool, engine)

    async def close(self) -> None:
        await self.engine.dispose()
        await self.pool.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[asyncpg.Connection]:
        """Yield a connection inside a transaction; commit when the block ends well, roll back otherwise."""
        async with self.pool.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                yield connection
            except BaseException:
                if not connection.is_closed():
                    await transaction.rollback()
                raise
            await _finish(asyncio.ensure_future(transaction.commit()))

    async def faults(self) -> list[str]:
        """Why the database is not usable now; empty when it answers."""
        try:
            await self.pool.fetchval("SELECT 1", timeout=2)
        except TRANSIENT as error:
            return [f"database: {type(error).__name__}"]
        return []


async def _leave_as_it_is(_: asyncpg.Connection) -> None:
    """Spare the round trip that resets a connection on its return: we change nothing outside transactions."""


async def _finish(commit: asyncio.Future[None]) -> None:
    """Wait for a COMMIT even when this task is cancelled: one broken off midway would leave its outcome unknown."""
    try:
        await asyncio.shield(commit)
    except asyncio.CancelledError:
        await commit
        raise
