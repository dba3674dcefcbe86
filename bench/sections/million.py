"""A ledger of a million journals: its proof, its point-in-time balances, its pages, and its size on disk.

It is filled as the service fills it (credit stored, deals reconciled, journals posted and sealed), so that the proof
finds everything it has to prove.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg
import sqlalchemy as sa
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncConnection

from bench import credits as credited
from bench.credits import Credits
from bench.report import Figure, percentile
from bench.stage import Stage
from services.rewards import queries, roles, tables
from services.rewards.ledger import verify
from services.rewards.queries import Period, Point
from services.rewards.sealer import Sealer
from services.rewards.upkeep import Upkeep
from shared import database as databases
from shared import http, telemetry
from shared.database import Database
from shared.service import utc_now

DAYS: Final = 20
"""On which the deals close, so that half of them count up to the day in the middle."""
SEED: Final = 20_260_103
WARM_UP: Final = 20
"""Statements are planned and prepared per connection; they have been by then."""
BOOKS: Final = ("journal", "entry", "posting_key", "balance")
_SETTLED: Final = ("VACUUM (ANALYZE)", "CHECKPOINT")
_READ: Final = (
    "SELECT count(*), sum(amount_minor + balance_after + account_version) FROM rewards.entry",
    "SELECT count(*), sum(length(reason::text) + length(source_event)) FROM rewards.journal",
    "SELECT count(*), sum(length(idempotency_key) + length(fingerprint)) FROM rewards.posting_key",
    "SELECT count(*), sum(length(body::text) + revision) FROM rewards.credit_snapshot",
    "SELECT count(*), sum(length(leaves) + cardinality(journal_ids)) FROM rewards.ledger_seal",
)
"""Each table that the proof reads, once, and all of its columns that hold much."""
_SIZES: Final = """
SELECT b.name, sum(pg_table_size(t.relid))::float8 AS rows, sum(pg_indexes_size(t.relid))::float8 AS indexes,
    sum(pg_total_relation_size(t.relid))::float8 AS whole
FROM unnest($1::text[]) WITH ORDINALITY AS b (name, place)
CROSS JOIN LATERAL (
    SELECT relid FROM pg_partition_tree(('rewards.' || b.name)::regclass)
    UNION SELECT ('rewards.' || b.name)::regclass) AS t
GROUP BY b.name, b.place ORDER BY b.place
"""


@dataclass(frozen=True, slots=True)
class Ledger:
    """The ledger that was filled, and a moment at which it was half full."""

    database: Database
    load: Credits
    half_at: datetime


async def run(stage: Stage) -> list[Figure]:
    """The proof beside a plain read of what it reads, each query beside the read of one journal by its key."""
    sizes = stage.sizes
    deals = max(2, sizes.million_journals // sizes.million_per_deal)
    load = Credits(deals, sizes.million_per_deal, sizes.million_partners, stage.now, days=DAYS)
    async with stage.system("million", []) as system:
        connection = await asyncpg.connect(system.database_url)
        database = await Database.connect(system.database_url, connections=4, role=roles.SERVICE)
        try:
            ledger = await _fill(stage, database, load)
            for statement in _SETTLED:
                await connection.execute(statement)
            figures = [
                *await _sizes(connection, load), *await _questions(stage, ledger), *await _proof(stage, ledger)
            ]  # fmt: skip
        finally:
            await database.close()
            await connection.close()
    return figures


async def _fill(stage: Stage, database: Database, load: Credits) -> Ledger:
    """All journals booked and sealed, half of them before the moment that is remembered."""
    telemetry.configure("bench", level="WARNING", log_format="plain")  # a line per sealed block is too much here
    await Upkeep(database).prepare()
    await credited.store(database, load.terms())
    events = load.events()
    half = load.deals // 2
    await credited.book(stage, "million, first half", database, events, half)
    half_at: datetime = await database.pool.fetchval("SELECT clock_timestamp()")
    await credited.book(stage, "million, second half", database, events, load.deals - half)
    stage.say("million: sealing")
    sealed = await Sealer(database, CollectorRegistry()).turn()
    booked = await database.pool.fetchval("SELECT sum(version)::bigint / 2 FROM rewards.balance")
    if (booked, sealed) != (load.journals, load.journals):
        raise AssertionError(f"{booked} journals are booked and {sealed} sealed, not {load.journals}")
    return Ledger(database, load, half_at)


async def _proof(stage: Stage, ledger: Ledger) -> list[Figure]:
    """Seconds of the proof, and of reading each table once."""
    taken: list[float] = []
    floors: list[float] = []
    for turn in range(1, stage.repeat + 1):
        stage.say(f"million: verification, repetition {turn} of {stage.repeat}")
        async with ledger.database.pool.acquire() as connection:
            begin = time.perf_counter()
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                await connection.execute(databases.WHOLE_TABLES)
                for statement in _READ:
                    await connection.fetchrow(statement, timeout=verify.TIMEOUT_S)
            floors.append(time.perf_counter() - begin)
            with stage.measured("million"):
                begin = time.perf_counter()
                report = await verify.verify(connection, utc_now())
                taken.append(time.perf_counter() - begin)
        faults = [finding for finding in report.findings if finding.faults]
        if faults or report.waiting or max(f.examined for f in report.findings) < ledger.load.journals:
            raise AssertionError(f"the books are not proved: {faults}, {report.waiting} deals waiting")
    name = f"verification of {ledger.load.journals:,} journals, beside reading their tables once"
    return [Figure("million", name, "s", tuple(taken), tuple(floors))]


async def _questions(stage: Stage, ledger: Ledger) -> list[Figure]:
    """Milliseconds of each query; which partner is asked for is drawn, the same ones for every query."""
    load, count = ledger.load, stage.sizes.million_questions
    dice = random.Random(SEED)
    partners = [f"partner-{dice.randrange(load.partners):04d}" for _ in range(WARM_UP + count)]
    ids = [dice.randrange(1, load.journals + 1) for _ in range(WARM_UP + count)]
    stage.say(f"million: each query {count} times")
    point = Point(load.middle_day, ledger.half_at)
    middle, limit = load.journals // 2, http.PAGE_DEFAULT
    async with ledger.database.engine.connect() as plain:
        connection = await plain.execution_options(isolation_level="REPEATABLE READ")
        keys = [await _key(connection, journal_id) for journal_id in ids]
        page = [row.journal_id for row in await _page(connection, partners[0], middle, limit)]

        async def measure(name: str, ask: Callable[[int], Awaitable[Sequence[object]]]) -> Figure:
            found = 0
            ours: list[float] = []
            floors: list[float] = []
            for number in range(WARM_UP + count):
                begin = time.perf_counter()
                found += len(await ask(number))
                asked = time.perf_counter()
                await _by_key(connection, keys[number])
                floors.append((time.perf_counter() - asked) * 1000)
                ours.append((asked - begin) * 1000)
            if not found:
                raise AssertionError(f"{name}: nothing was found")
            value, floor = (percentile(taken[WARM_UP:], 50) for taken in (ours, floors))
            return Figure("million", f"{name}, p50", "ms", (value,), (floor,))

        return [
            await measure(
                "balances of a partner as of a day, as known at a moment",
                lambda n: queries.balances_at(connection, point, partners[n]),
            ),
            await measure(
                f"first {limit} journals of a partner", lambda n: _page(connection, partners[n], 0, limit)
            ),
            await measure(
                f"{limit} journals from the middle", lambda n: _page(connection, partners[n], middle, limit)
            ),
            await measure("the legs of such a page", lambda _: queries.entries(connection, page)),
        ]  # fmt: skip


async def _page(connection: AsyncConnection, partner: str, after: int, limit: int) -> Sequence[queries.Row]:
    return await queries.journals(
        connection, partner=partner, deal=None, period=Period(), after=after, limit=limit
    )  # fmt: skip


async def _key(connection: AsyncConnection, journal_id: int) -> tuple[int, datetime]:
    row = await queries.journal(connection, journal_id)
    if row is None:
        raise AssertionError(f"there is no journal {journal_id}")
    return row.journal_id, row.recorded_at


async def _by_key(connection: AsyncConnection, key: tuple[int, datetime]) -> Sequence[queries.Row]:
    """One journal by its whole primary key: the least a query can do."""
    column = tables.journal.c
    query = sa.select(tables.journal).where(column.journal_id == key[0], column.recorded_at == key[1])
    return (await connection.execute(query)).all()


async def _sizes(connection: asyncpg.Connection, load: Credits) -> list[Figure]:
    """Bytes per journal in the tables and indexes of the ledger, all partitions; the floor is the rows alone."""
    rows = await connection.fetch(_SIZES, list(BOOKS))
    contents = [
        await connection.fetchval(f"SELECT sum(pg_column_size(t.*))::float8 FROM rewards.{name} t")  # noqa: S608 (our own names)
        for name in BOOKS
    ]
    whole = Figure(
        "million", "on disk, tables and indexes, beside the rows alone", "bytes/journal",
        (sum(row["whole"] for row in rows) / load.journals,), (sum(contents) / load.journals,),
    )  # fmt: skip
    return [whole, *_parts(rows, contents, load.journals)]


def _parts(rows: Sequence[asyncpg.Record], contents: Sequence[float], journals: int) -> Iterator[Figure]:
    for row, content in zip(rows, contents, strict=True):
        yield Figure(
            "million", f"of it {row['name']}", "bytes/journal", (row["rows"] / journals,), (content / journals,)
        )  # fmt: skip
        yield Figure("million", f"of it the indexes of {row['name']}", "bytes/journal", (row["indexes"] / journals,))
