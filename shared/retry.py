"""How long to wait before the next try: a pure series, and a wait that a stop ends at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

FIRST_DELAY_S: Final = 0.05
"""A restarted connection or a lost race is often over within 50 ms."""
LONGEST_DELAY_S: Final = 5.0
"""An outage of minutes is probed every few seconds: soon enough to notice its end, too seldom to add load."""


def delays() -> Iterator[float]:
    """0.05, 0.1, 0.2, … seconds, doubling up to `LONGEST_DELAY_S`, without end."""
    delay = FIRST_DELAY_S
    while True:
        yield delay
        delay = min(delay * 2, LONGEST_DELAY_S)


async def pause(seconds: float, *events: asyncio.Event) -> None:
    """Wait that long, or until one of the events is set."""
    waiters = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiters, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for waiter in waiters:
            waiter.cancel()
