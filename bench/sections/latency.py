"""Latency on an idle system: from the POST of a won deal until its partner's balance shows it (see `bench.probe`)."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from bench import settle
from bench.floors import latency as floor
from bench.probe import Latency, Probe
from bench.report import Figure, at_most, percentile
from bench.stage import Stage, load_program, load_touchpoints
from bench.topic import create_topic
from bench.workload import Workload
from tributary.runner import System

P50_MS, P99_MS = 40, 120
WARM_UP = 20
"""Deals posted before those that count: first statements are planned, first connections opened."""


async def run(stage: Stage) -> list[Figure]:
    """Percentiles over deals posted one at a time."""
    count = stage.sizes.latency_deals
    load = Workload(accounts=WARM_UP + count, per_account=stage.sizes.latency_per_deal, now=stage.now)
    async with stage.system("latency") as system:
        for topic in (floor.FIRST, floor.SECOND):
            await create_topic(system.kafka, topic, partitions=1)
        await floor.create(system.database_url)
        await load_program(system, load)
        await load_touchpoints(system, load)
        stage.say(f"latency: {count} deals, one at a time")
        await Probe.run(system, load, range(WARM_UP))
        taken = await Probe.run(system, load, range(WARM_UP, WARM_UP + count))
        await settle.settled(system)
        decided, booked = await _milestones(system, taken)
        stage.say("latency: the floor")
        floors = await floor.measure(system.database_url, system.kafka, count)
    shown = [each.shown_ms for each in taken]
    accepted = [each.accepted_ms for each in taken]
    return [
        Figure(
            "latency", "won deal to balance, p50", "ms", (percentile(shown, 50),), (percentile(floors, 50),),
            at_most(P50_MS),
        ),
        Figure(
            "latency", "won deal to balance, p99", "ms", (percentile(shown, 99),), (percentile(floors, 99),),
            at_most(P99_MS),
        ),
        Figure("latency", "won deal to balance, longest", "ms", (max(shown),), (max(floors),)),
        Figure("latency", "of it until the 202, p50", "ms", (percentile(accepted, 50),)),
        Figure("latency", "of it until credit is being decided, p50", "ms", (percentile(decided, 50),)),
        Figure("latency", "of it until the journal is being booked, p50", "ms", (percentile(booked, 50),)),
    ]  # fmt: skip


async def _milestones(system: System, taken: Sequence[Latency]) -> tuple[list[float], list[float]]:
    """Milliseconds from sending each deal to the transaction of its credit, and to that of its first journal."""
    connection = await asyncpg.connect(system.database_url)
    try:
        rows = await connection.fetch(
            "SELECT c.deal_id, extract(epoch FROM c.decided_at)::float8 AS decided, "
            "extract(epoch FROM min(j.recorded_at))::float8 AS booked "
            "FROM attribution.credit c JOIN rewards.journal j ON j.deal_source = c.source AND j.deal_id = c.deal_id "
            "WHERE c.revision = 1 AND c.deal_id = ANY($1::text[]) GROUP BY c.deal_id, c.decided_at",
            [each.deal_id for each in taken],
        )
    finally:
        await connection.close()
    sent = {each.deal_id: each.sent_at for each in taken}
    decided, booked = (
        [(row[name] - sent[row["deal_id"]]) * 1000 for row in rows] for name in ("decided", "booked")
    )  # fmt: skip
    return decided, booked
