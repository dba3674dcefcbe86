"""Posting: our ledger's post function, against the five-statement batch on its schema with foreign keys."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

import asyncpg

from bench import workload
from bench.floors import ledger as floor
from bench.report import Figure, ratio
from bench.stage import Stage
from services.rewards import roles
from services.rewards.domain.accounts import Account, Role
from services.rewards.domain.journal import Journal, Kind, Leg
from services.rewards.ledger import post
from shared import keys
from shared.database import Database

BATCHES: Final = (500, 5_000)
DAY: Final = date(2026, 1, 1)
COMMISSION: Final = Account(Role.COMMISSION, workload.CURRENCY)


async def run(stage: Stage) -> list[Figure]:
    """Journals with two legs per second, each batch in a transaction of its own; one account is in every journal."""
    partners = [f"partner-{number:04d}" for number in range(stage.sizes.ledger_partners)]
    figures = []
    async with stage.system("ledger", []) as system:
        database = await Database.connect(system.database_url, connections=4, role=roles.SERVICE)
        connection = await asyncpg.connect(system.database_url)
        try:
            common, *accounts = await floor.create(connection, ["commission", *partners])
            for number, size in enumerate(BATCHES):
                ours, floors = [], []
                for turn in range(stage.repeat + 1):
                    stage.say(f"ledger: batches of {size:,}, repetition {turn} of {stage.repeat} (0: warming up)")
                    run_ = f"{number}-{turn}"
                    batches = list(_batches(_journals(run_, stage.sizes.ledger_journals, partners), size))
                    columns = [_columns(batch, common, dict(zip(partners, accounts, strict=True))) for batch in batches]
                    with stage.measured("ledger-floor"):
                        taken = await floor.post_all(connection, columns)
                    spent = await _post(stage, database, batches)
                    await connection.execute("ANALYZE")
                    await connection.execute("CHECKPOINT")
                    if turn:
                        floors.append(stage.sizes.ledger_journals / taken)
                        ours.append(stage.sizes.ledger_journals / spent)
                figures.append(
                    Figure("ledger", f"batches of {size:,}", "journals/s", tuple(ours), tuple(floors), ratio(0.8))
                )
            await _check(connection, stage)
        finally:
            await connection.close()
            await database.close()
    return figures


async def _post(stage: Stage, database: Database, batches: Sequence[Sequence[Journal]]) -> float:
    with stage.measured("ledger"):
        begin = time.perf_counter()
        for batch in batches:
            async with database.transaction() as connection:
                await post.post_all(connection, batch)
        return time.perf_counter() - begin


def _journals(run_: str, count: int, partners: Sequence[str]) -> Iterator[Journal]:
    """Accruals as reconciling a won deal makes them."""
    for number in range(count):
        partner = partners[number % len(partners)]
        deal_id = f"D-{run_}-{number:06d}"
        amount = 1_000 + number % 500_000
        yield Journal(
            key=keys.pack("deal", workload.CRM, deal_id, partner, "influence", "1"), kind=Kind.ACCRUAL,
            effective_on=DAY, partner=partner, deal_source=workload.CRM, deal_id=deal_id, plan="influence",
            program="program", program_version=1,
            source_event=f"credit.decided {keys.pack(workload.CRM, deal_id, '1')}",
            legs=(Leg(COMMISSION, amount), Leg(Account(Role.PENDING, workload.CURRENCY, partner), -amount)),
            reason={
                "cause": "won", "revision": 1, "share": "2/15", "credited": "1234.50", "tier": "gold", "rate": "8%",
                "earned": "98.76", "due_on": "2026-01-31", "nothing_earned": None,
            },
        )  # fmt: skip


def _batches(journals: Iterator[Journal], size: int) -> Iterator[list[Journal]]:
    every = list(journals)
    return (every[begin : begin + size] for begin in range(0, len(every), size))


def _columns(batch: Sequence[Journal], common: int, accounts: dict[str, int]) -> floor.Batch:
    """The same journals for the floor, ready to be sent."""
    return floor.Batch.of(
        [
            (j.key, hashlib.sha256(j.key.encode()).digest(), j.effective_on, j.source_event, "program 1",
             accounts[j.partner], j.legs[0].amount_minor)
            for j in batch
        ],
        common,
    )  # fmt: skip


async def _check(connection: asyncpg.Connection, stage: Stage) -> None:
    """Both ledgers hold every journal, and sum to zero."""
    wanted = stage.sizes.ledger_journals * (stage.repeat + 1) * len(BATCHES)
    for schema in ("rewards", "floor_ledger"):
        row = await connection.fetchrow(
            f"SELECT (SELECT count(*) FROM {schema}.journal), (SELECT sum(amount_minor) FROM {schema}.entry), "  # noqa: S608 (our own names)
            f"(SELECT sum(posted_minor) FROM {schema}.balance), (SELECT sum(version) FROM {schema}.balance)"
        )
        if tuple(row) != (wanted, 0, 0, 2 * wanted):
            raise AssertionError(f"{schema} holds {tuple(row)} for {wanted} journals")
