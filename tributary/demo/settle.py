"""When is it done? When attribution has every fact that was sent, and rewards has booked each deal's newest credit.

Load-bearing idea: both are asked of the public APIs, upstream first, so nothing slips by between two questions. What
attribution must have is known from what was sent: so many touchpoints and deals, and won amounts that sum to this.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, TypeVar

from tributary.demo.api import Api, DemoError, Json
from tributary.demo.look import value

PATIENCE_S: Final = 60.0
"""The example takes a second or two; a minute means that something is stuck."""
POLL_S: Final = 0.02
AT_ONCE: Final = 8
"""Deals asked for at a time."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Expected:
    """What attribution must show. `won` is None while a deal may still stand at another version than the one sent."""

    touchpoints: int
    deals: int
    won: Decimal | None

    def met(self, summary: Json) -> bool:
        """Whether the answer of `GET /attribution/v1/summary` has it all, worked in."""
        counts = summary["counts"]
        deals = sum(counts.get(f"deals_{stage}", 0) for stage in ("open", "won", "lost"))
        won = sum((value(total["amount"]) for total in summary["totals"]), Decimal(0))
        return (
            counts["touchpoints"] >= self.touchpoints  # more, after a late report of an earlier run on this folder
            and deals == self.deals
            and counts["marks_waiting"] == 0
            and self.won in {None, won}
        )


def newest_won(snapshots: Iterable[Json]) -> Decimal:
    """The sum of the amounts of all deals that are won in the newest of their snapshots."""
    newest: dict[str, Json] = {}
    for snapshot in snapshots:
        if snapshot["version"] > newest.get(snapshot["id"], {"version": -1})["version"]:
            newest[snapshot["id"]] = snapshot
    return sum((value(deal["amount"]) for deal in newest.values() if deal["stage"] == "won"), Decimal(0))


async def settled(doors: Api, expected: Expected) -> list[Json]:
    """Wait until all is settled; returns the earnings of each deal that is or was won (`GET /rewards/v1/deals/...`)."""
    await _until(lambda: _attributed(doors, expected), "attribution has not worked in all that was sent")
    standing = await doors.every("attribution", "deals")
    standing += await doors.every("attribution", "deals", status="not_won")
    turn = asyncio.Semaphore(AT_ONCE)

    async def earned(deal: Json) -> Json:
        async with turn:
            path = f"deals/{deal['source']}/{deal['id']}"
            return await _until(
                lambda: _at_revision(doors, path, deal["revision"]), f"{path} is not booked at its newest revision"
            )

    deals = await asyncio.gather(*map(earned, standing))
    await _until(lambda: _nothing_waits(doors), "deals wait to be booked")
    return deals


async def revised(doors: Api, path: str, revision: int) -> Json:
    """The earnings of a deal (`deals/SOURCE/ID`) once they are of this revision or a later one, and booked."""
    return await _until(lambda: _at_revision(doors, path, revision), f"{path} was not decided anew")


async def _until(ask: Callable[[], Awaitable[T | None]], complaint: str) -> T:
    """Ask until there is an answer."""
    until = time.monotonic() + PATIENCE_S
    while (answer := await ask()) is None:
        if time.monotonic() > until:
            raise DemoError(f"after {PATIENCE_S:.0f} s, {complaint}")
        await asyncio.sleep(POLL_S)
    return answer


async def _attributed(doors: Api, expected: Expected) -> Json | None:
    summary = await doors.get("attribution", "summary")
    return summary if expected.met(summary) else None


async def _at_revision(doors: Api, path: str, revision: int) -> Json | None:
    deal = await doors.find("rewards", path)
    return deal if deal is not None and deal["revision"] >= revision and booked(deal) else None


async def _nothing_waits(doors: Api) -> Json | None:
    report = await doors.get("rewards", "verification")
    return report if not report["deals_waiting"] else None


def booked(deal: Json) -> bool:
    """Whether what stands in the books for a deal is what it earns, partner by partner."""
    return all(
        value(earning["posted"]["pending"]) + value(earning["posted"]["payable"]) == value(earning["earned"])
        for earning in deal["earnings"]
    )
