"""The whole chain at once: touchpoints and won deals from POST through all services to verified books."""

from __future__ import annotations

import time
from collections.abc import Iterator

import asyncpg
import orjson

from bench import client, settle, workload
from bench.client import request
from bench.report import Figure, at_least, at_most
from bench.stage import Stage, load_program
from bench.watch import Usage, watching
from bench.workload import Workload
from tributary.runner import System

BATCH = 500
CONNECTIONS = 8
TOUCHPOINTS_PER_S = 12_000
MEMORY_MB = 250


async def run(stage: Stage) -> list[Figure]:
    """Touchpoints per second through everything, and what the processes needed for it."""
    load = Workload(accounts=stage.sizes.chain_deals, per_account=stage.sizes.chain_per_deal, now=stage.now)
    async with stage.system("chain") as system:
        await load_program(system, load)
        await settle.settled(system)
        stage.say(f"chain: preparing {load.touchpoint_count:,} touchpoints and {load.accounts:,} deals")
        sender = await client.Sender.prepare(
            system.ingest_url, stage.folder / "chain.requests", _requests(load, system.admin_key), CONNECTIONS
        )
        stage.say("chain: running")
        async with watching(system) as usage:
            begin = time.perf_counter()
            sent = await sender.send()
            settled = await settle.settled(system) - begin
            begin_verifying = time.perf_counter()
            await _verify(system)
            verifying = time.perf_counter() - begin_verifying
        journals = await _check(system, load)
    return [
        Figure(
            "chain", "POST to verified books", "touchpoints/s", (load.touchpoint_count / (settled + verifying),),
            wanted=at_least(TOUCHPOINTS_PER_S),
        ),
        Figure("chain", "POST to settled books", "touchpoints/s", (load.touchpoint_count / settled,)),
        Figure("chain", "intake meanwhile", "touchpoints/s", (load.touchpoint_count / sent.seconds,)),
        Figure("chain", "drained after the last 202", "s", (settled - sent.seconds,)),
        Figure("chain", "verification", "s", (verifying,)),
        Figure("chain", "journals", "", (journals,)),
        *_resources(usage),
    ]  # fmt: skip


def _requests(load: Workload, token: str) -> Iterator[bytes]:
    """All touchpoints, then all deals, without a break between them."""
    for path, items in (("touchpoints", load.touchpoints()), ("deals", load.deals())):
        for body in workload.bodies(items, BATCH):
            yield request("POST", f"/ingest/v1/{path}", token, body)


def _resources(usage: Usage) -> Iterator[Figure]:
    for name, peak in usage.peak_mb.items():
        yield Figure("chain", f"peak memory of {name}", "MB", (peak,), wanted=at_most(MEMORY_MB))
    for name, spent in usage.cpu_s.items():
        yield Figure("chain", f"processor time of {name}", "s", (spent,))


async def _verify(system: System) -> None:
    """The proof of the books the service itself gives; raises unless all is well."""
    async with client.connected(system.rewards_url) as connection:
        status, body = await connection.ask(request("GET", "/rewards/v1/verification", system.admin_key))
    client.expect(status, body, 200)
    proof = orjson.loads(body)
    if not proof["ok"] or proof["deals_waiting"]:
        raise AssertionError(f"the books are not proved: {body.decode()}")


async def _check(system: System, load: Workload) -> int:
    """Sums over the whole chain, asked of the tables directly; returns the number of journals."""
    connection = await asyncpg.connect(system.database_url)
    try:
        row = await connection.fetchrow("""
            SELECT (SELECT count(*) FROM attribution.touchpoint) AS touchpoints,
                (SELECT count(*) FROM attribution.standing_credit WHERE status = 'credited') AS credited,
                (SELECT sum(amount_minor)::bigint FROM attribution.standing_credit) AS amount,
                (SELECT sum(unattributed_minor)::bigint FROM attribution.standing_credit) AS unattributed,
                (SELECT sum(touchpoints)::bigint FROM attribution.standing_credit) AS taking_part,
                (SELECT count(DISTINCT (deal_source, deal_id)) FROM rewards.journal) AS deals_booked,
                (SELECT sum(amount_minor)::bigint FROM rewards.entry) AS ledger_sum,
                (SELECT sum(posted_minor)::bigint FROM rewards.balance) AS balance_sum,
                (SELECT count(*) FROM attribution.dead_letter) + (SELECT count(*) FROM rewards.dead_letter)
                    + (SELECT count(*) FROM attribution.conflict) + (SELECT count(*) FROM rewards.conflict) AS put_aside
            """)
        journals: int = await connection.fetchval("SELECT count(*) FROM rewards.journal")
    finally:
        await connection.close()
    wanted = {
        "touchpoints": load.touchpoint_count, "credited": load.accounts,
        "amount": sum(map(load.amount_minor, range(load.accounts))), "unattributed": 0,
        "taking_part": load.touchpoint_count, "deals_booked": load.accounts, "ledger_sum": 0, "balance_sum": 0,
        "put_aside": 0,
    }  # fmt: skip
    if dict(row) != wanted:
        raise AssertionError(f"the sums are {dict(row)}, not {wanted}")
    return journals
