"""Work that is due again and again without a message: at start, then at an interval, until told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from shared import retry
from shared.database import TRANSIENT


async def regularly(name: str, turn: Callable[[], Awaitable[object]], every_s: float, stop: asyncio.Event) -> None:
    """Take a turn now and every `every_s` seconds. A database that is away is tried again; other errors are raised."""
    failures = retry.delays()
    while not stop.is_set():
        try:
            await turn()
        except TRANSIENT as error:
            delay = next(failures)
            structlog.get_logger().warning(f"{name}.failed", error=repr(error), retry_in_s=delay)
            await retry.pause(delay, stop)
            continue
        failures = retry.delays()
        await retry.pause(every_s, stop)
