"""The clock: a hold that ends is no message, so somebody must look. Marks due deals; the reconciler does the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

from services.rewards import store
from shared.database import Database
from shared.regular import regularly

EVERY_S: Final = 60.0
"""Holds are counted in days; money that becomes payable a minute after midnight is soon enough."""
BATCH: Final = 10_000
"""Deals marked per transaction: at the end of a busy month's hold many fall due in the same minute."""


class Maturity:
    """Looks at start and every minute. `clock` is the only source of time."""

    def __init__(self, *, database: Database, wake: asyncio.Event, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._wake = wake
        self._clock = clock

    async def run(self, stop: asyncio.Event) -> None:
        """Mark due deals until stopped; a database that is away is tried again."""
        await regularly("maturity", self.turn, EVERY_S, stop)

    async def turn(self) -> int:
        """Mark all deals due now; returns how many."""
        marked = 0
        while True:
            async with self._database.transaction() as connection:
                found = await store.mark_due(connection, self._clock(), BATCH)
            marked += found
            if found:
                self._wake.set()
            if found < BATCH:
                return marked
