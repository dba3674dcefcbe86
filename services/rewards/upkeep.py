"""The ledger's months are made before they are needed, and its guards looked at: at start, and every hour."""

from __future__ import annotations

import asyncio
from typing import Final

import asyncpg
import structlog

from services.rewards.ledger import guards
from shared import retry
from shared.database import Database
from shared.regular import regularly

AHEAD: Final = 3
"""Months made beforehand: a service that stood still for a quarter still finds its month."""
EVERY_S: Final = 3_600.0
"""Months change seldom; a guard that was taken away is noticed within the hour."""

_MAKE: Final = "SELECT rewards.make_months($1)"


class Upkeep:
    """`prepare` before the service starts, then `run`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self, stop: asyncio.Event) -> None:
        """Look after the ledger until stopped. Raises `guards.Unguarded`, which ends the process."""
        await regularly("upkeep", self.turn, EVERY_S, stop)

    async def prepare(self) -> None:
        """The first turn, before anything is posted; waits while somebody reads the whole ledger."""
        for delay in retry.delays():
            try:
                await self.turn()
            except asyncpg.LockNotAvailableError:
                await asyncio.sleep(delay)
            else:
                return

    async def turn(self) -> int:
        """Make what is missing of this month and the next; returns how many partitions were made."""
        made = 0
        async with self._database.pool.acquire() as connection:
            await guards.require(connection)
            while await _make_one(connection):
                made += 1
            if made:
                await guards.require(connection)
        return made


async def _make_one(connection: asyncpg.Connection) -> bool:
    """Rows in a DEFAULT partition keep their month from being made. Posting goes on there; `verify` names the rows."""
    try:
        return bool(await connection.fetchval(_MAKE, AHEAD))
    except asyncpg.CheckViolationError:
        structlog.get_logger().exception("upkeep.default_partition_in_use")
        return False
