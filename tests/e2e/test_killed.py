"""A service killed in the middle of a backlog continues after its restart, with nothing lost or doubled."""

import asyncio
import os
import signal
from datetime import timedelta
from decimal import Decimal

import asyncpg
import pytest

from tests.support import facts
from tests.support.system import Tributary

DEALS = 600
TOUCHES_PER_DEAL = 10
PARTNERS = [f"killed-{n}" for n in range(5)]
SOURCE = "backlog"
AMOUNT = Decimal("1000.01")
KILLS = 3


@pytest.fixture(scope="module")
async def tributary(common: Tributary) -> Tributary:
    await common.accept("partners", [facts.partner(name) for name in PARTNERS])
    return common


async def backlog(tributary: Tributary) -> None:
    """Won deals and their touchpoints, faster than they can be handled."""
    closed = facts.ago(2)
    touches = [
        facts.touchpoint(
            f"t{deal}-{n}", PARTNERS[(deal + n) % len(PARTNERS)], "demo", closed - timedelta(days=n + 1),
            crm_id=f"K{deal}",
        )
        for deal in range(DEALS) for n in range(TOUCHES_PER_DEAL)
    ]  # fmt: skip
    deals = [facts.deal(f"D{deal}", {"crm_id": f"K{deal}"}, str(AMOUNT), closed) for deal in range(DEALS)]
    half = len(touches) // 2
    key = await tributary.key(SOURCE, "touchpoints:write", "deals:write")
    await tributary.accept("touchpoints", touches[:half], key=key)
    await tributary.accept("deals", deals, key=key)
    await tributary.accept("touchpoints", touches[half:], key=key)


async def kill_midway(tributary: Tributary, name: str) -> None:
    """SIGKILL a service while it has work in hand, and start it again."""
    os.kill(tributary.system.children[name].pid, signal.SIGKILL)
    await tributary.system.restart_child(name)


async def test_killed_services_continue_with_nothing_lost_or_doubled(tributary: Tributary) -> None:
    """Attribution and rewards are killed several times each; afterwards every deal is credited and booked once."""
    sending = asyncio.create_task(backlog(tributary))
    for _ in range(KILLS):
        await asyncio.sleep(0.4)
        await kill_midway(tributary, "attribution")
        await asyncio.sleep(0.4)
        await kill_midway(tributary, "rewards")
    await sending
    await tributary.settle()

    connection = await asyncpg.connect(tributary.system.database_url)
    stored = await connection.fetchval("SELECT count(*) FROM attribution.touchpoint WHERE source = $1", SOURCE)
    letters = await connection.fetchval("SELECT count(*) FROM attribution.dead_letter")
    credit = await connection.fetch(
        "SELECT amount_minor, unattributed_minor, touchpoints FROM attribution.standing_credit WHERE source = $1",
        SOURCE,
    )
    await connection.close()
    assert stored == DEALS * TOUCHES_PER_DEAL
    assert letters == 0
    assert [tuple(row) for row in credit] == [(100_001, 0, TOUCHES_PER_DEAL)] * DEALS

    total = AMOUNT * DEALS
    earned = Decimal(0)
    for name in PARTNERS:
        [balance] = (await tributary.get("rewards", f"partners/{name}/balance"))["balances"]
        earned += Decimal(balance["pending"]["amount"])
    assert abs(earned - total * Decimal("0.05")) <= Decimal("0.005") * DEALS * len(PARTNERS)
    assert (await tributary.get("rewards", "verification"))["ok"]
