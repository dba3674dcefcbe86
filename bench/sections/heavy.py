"""One very large account beside ordinary ones: how long ordinary deals take while the large one is computed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import asyncpg
import orjson

from bench import client, settle
from bench.probe import Latency, Probe
from bench.report import Figure, percentile
from bench.stage import Stage, load_program, load_touchpoints
from bench.workload import Workload
from shared.errors import TributaryError
from tributary.runner import System

PARTNERS = 100
"""Of the ordinary accounts, and as many others for the large one: its credit must not show in the watched balances."""
LOOK_S = 0.02
PATIENCE_S = 60.0
STEP_MINOR = 100
"""By this much each further version of the large deal is worth more, so that its credit must be computed anew."""


async def run(stage: Stage) -> list[Figure]:
    """Latency of ordinary deals on the idle system, then while the large account is computed again and again."""
    sizes = stage.sizes
    ordinary = Workload(accounts=sizes.heavy_accounts, per_account=5, now=stage.now, partners=PARTNERS)
    heavy = Workload(
        accounts=1, per_account=sizes.heavy_touchpoints, now=stage.now, partners=PARTNERS, first_partner=PARTNERS,
        label="h",
    )  # fmt: skip
    async with stage.system("heavy") as system:
        await load_program(system, ordinary, heavy)
        stage.say(f"heavy: storing {heavy.touchpoint_count + ordinary.touchpoint_count:,} touchpoints")
        await load_touchpoints(system, ordinary, heavy)
        half = sizes.heavy_accounts // 2
        stage.say(f"heavy: {half} ordinary deals alone")
        alone = await Probe.run(system, ordinary, range(half))
        stage.say(f"heavy: {half} ordinary deals beside the large one")
        beside, computed = await _beside(system, ordinary, heavy, range(half, 2 * half))
        await settle.settled(system)
        await _check(system, ordinary, heavy, 2 * half)
    return [
        *_compared(alone, beside),
        Figure("heavy", "the large deal, POST to credit decided", "s", tuple(computed)),
    ]


def _compared(alone: Sequence[Latency], beside: Sequence[Latency]) -> list[Figure]:
    """The undisturbed latency stands in the place of the floor."""
    quiet, busy = [each.shown_ms for each in alone], [each.shown_ms for each in beside]
    return [
        Figure("heavy", f"ordinary deal beside it, p{p}", "ms", (percentile(busy, p),), (percentile(quiet, p),))
        for p in (50, 99)
    ] + [Figure("heavy", "ordinary deal beside it, longest", "ms", (max(busy),), (max(quiet),))]


async def _beside(
    system: System, ordinary: Workload, heavy: Workload, accounts: Sequence[int]
) -> tuple[list[Latency], list[float]]:
    """The ordinary deals' latencies, and the seconds of each computation of the large account meanwhile."""
    computed: list[float] = []
    repeating = asyncio.create_task(_compute_again_and_again(system, heavy, computed))
    try:
        beside = await Probe.run(system, ordinary, accounts)
    finally:
        repeating.cancel()
    await asyncio.wait([repeating])
    if not repeating.cancelled():
        repeating.result()
    if not computed:
        raise AssertionError(
            "the ordinary deals were done before the large one: give it more touchpoints or more deals"
        )
    return beside, computed


async def _compute_again_and_again(system: System, heavy: Workload, computed: list[float]) -> None:
    """Post a new version of the large deal as soon as the credit of the version before is decided."""
    connection = await asyncpg.connect(system.database_url)
    try:
        while True:
            version = len(computed) + 1
            deal = heavy.deal(0, version=version, more_minor=version * STEP_MINOR)
            begin = time.perf_counter()
            await client.post(system.ingest_url, "/ingest/v1/deals", system.admin_key, [orjson.dumps(deal)])
            while await _credited_minor(connection, deal["id"]) != heavy.amount_minor(0) + version * STEP_MINOR:
                if time.perf_counter() - begin > PATIENCE_S:
                    raise TributaryError(f"the large deal has no credit after {PATIENCE_S:.0f} s")
                await asyncio.sleep(LOOK_S)
            computed.append(time.perf_counter() - begin)
    finally:
        await connection.close()


async def _credited_minor(connection: asyncpg.Connection, deal_id: str) -> int | None:
    amount: int | None = await connection.fetchval(
        "SELECT amount_minor FROM attribution.standing_credit WHERE deal_id = $1", deal_id
    )
    return amount


async def _check(system: System, ordinary: Workload, heavy: Workload, deals: int) -> None:
    """Every deal is credited by every touchpoint of its account."""
    connection = await asyncpg.connect(system.database_url)
    try:
        row = await connection.fetchrow(
            "SELECT count(*) AS deals, sum(touchpoints)::bigint AS touchpoints FROM attribution.standing_credit "
            "WHERE status = 'credited'"
        )
    finally:
        await connection.close()
    wanted = (deals + 1, deals * ordinary.per_account + heavy.touchpoint_count)
    if tuple(row) != wanted:
        raise AssertionError(f"(deals, touchpoints) credited are {tuple(row)}, not {wanted}")
