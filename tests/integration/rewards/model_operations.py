"""What may happen to the books, one small function each, and how often.

An operation takes the world and a chooser: it does its thing to the service and tells the model. A further one is one
more function and one more word in `OPERATIONS`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from random import Random
from typing import Final

from services.rewards.maturity import Maturity
from tests.integration.rewards.ledger_model import RULES
from tests.integration.rewards.model_facts import (
    a_won_deal,
    activate,
    give_back,
    lose,
    move,
    refund,
    send_again,
    state_tier,
    win,
)
from tests.integration.rewards.model_requests import (
    adjust,
    ask_again,
    close_month,
    decide,
    pay,
    recover,
    rerate,
    reverse,
)
from tests.integration.rewards.model_world import END, BrokenOff, World

Operation = Callable[[World, Random], Awaitable[None]]


async def deliver(world: World, pick: Random) -> None:
    """Some of what is on its way arrives, in any order."""
    pick.shuffle(world.on_its_way)
    size = pick.choice([1, 2, 3, 8])
    batch, world.on_its_way = world.on_its_way[:size], world.on_its_way[size:]
    if batch:
        await world.deliver(batch)


async def reconcile(world: World, pick: Random) -> None:
    """A worker takes a batch of marked deals; or two at once do."""
    turns = [world.service.books.reconciler(pick.choice([1, 2, 500])).turn() for _ in range(pick.choice([1, 1, 1, 2]))]
    for outcome in await asyncio.gather(*turns, return_exceptions=True):
        if isinstance(outcome, BaseException) and not isinstance(outcome, BrokenOff):
            raise outcome


async def pass_time(world: World, pick: Random) -> None:
    """Hours or days pass."""
    day = world.now.replace(hour=pick.choice([0, 12, 23])) + timedelta(days=pick.choice([0, 1, 1, 2, 8, 29]))
    await _advance(world, day, pick)


async def reach_the_end_of_a_hold(world: World, pick: Random) -> None:
    """Time passes to the very moment at which a deal's hold ends, or to the hour before."""
    deal = a_won_deal(world, pick)
    version = world.model.version(deal) if deal else None
    if deal and deal.governed_on and version:
        ahead, plans = RULES[version]
        hold, _ = plans[pick.choice(sorted(plans))]
        ends_at = datetime.combine(deal.governed_on, time.min, UTC) + timedelta(days=hold, hours=-ahead)
        await _advance(world, ends_at - timedelta(hours=pick.choice([0, 1])), pick)


async def _advance(world: World, to: datetime, pick: Random) -> None:
    """The clock goes on, never back, and nearly always looks for holds that ended."""
    books = world.service.books
    books.now = min(END, max(books.now, to))
    if pick.random() < 0.9:
        with suppress(BrokenOff):
            await Maturity(database=books.database, wake=books.wake, clock=lambda: books.now).turn()
            world.looked_at = world.now


async def break_before_commit(world: World, _: Random) -> None:
    """The next transaction does everything and is broken off before its commit."""
    world.service.database.breaks = "before"


async def break_after_commit(world: World, _: Random) -> None:
    """The next transaction commits, and whoever asked for it does not hear of it."""
    world.service.database.breaks = "after"


async def remember(world: World, _: Random) -> None:
    """A moment passes that is asked about later."""
    await world.remember()


OPERATIONS: Final[Mapping[Operation, int]] = {
    win: 4, refund: 2, lose: 1, move: 1, state_tier: 2, activate: 2, give_back: 3, send_again: 2, deliver: 6,
    reconcile: 6, pass_time: 2, reach_the_end_of_a_hold: 2, pay: 3, recover: 3, adjust: 2, rerate: 2, ask_again: 3,
    decide: 2, reverse: 2, close_month: 1, break_before_commit: 1, break_after_commit: 2, remember: 1,
}  # fmt: skip
"""Each operation and how often it is drawn, in proportion."""
