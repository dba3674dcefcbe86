"""From Kafka to committed journals: the rewards service on a backlog of decided credit, against posting alone.

The clock starts when the backlog is complete in the topic and the service, which stands before it, is let in; it stops
when the last journal is committed. In between the service reads and checks every event, stores the credit, marks the
deal, loads the facts, computes what they earn, and posts. The floor posts the very rows the service has just posted,
ready-made, in transactions of the same size: five statements, nothing else (`bench/floors/ledger.py`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import asyncpg

from bench import watch
from bench.credits import Credits
from bench.floors import ledger as floor
from bench.report import Figure, ratio
from bench.stage import Stage
from shared import topics
from shared.errors import TributaryError
from shared.events import credit
from shared.kafka import Producer
from tributary.runner import System

BATCH: Final = 5_000
"""Journals per transaction of the floor: what the service posts at a time, for it reconciles a thousand deals at once
and each has five partners."""
LOOK_S: Final = 0.02
"""Rare enough not to be noticed by the service, exact enough for work of many seconds."""
PATIENCE_S: Final = 300.0
"""A backlog of seconds that takes five minutes will never end."""

_HOLD: Final = "SELECT FROM rewards.consumer_position WHERE topic = $1 FOR UPDATE"
_PLACED: Final = "SELECT count(*) FROM rewards.consumer_position WHERE topic = $1"
_KNOWN: Final = "SELECT (SELECT count(*) FROM rewards.partner_version) + (SELECT count(*) FROM rewards.program_version)"
_MADE: Final = """
SELECT (SELECT coalesce(sum(version), 0)::bigint / 2 FROM rewards.balance) AS journals,
    (SELECT sum(next_offset)::bigint FROM rewards.consumer_position WHERE topic = $1) AS read
"""
_UNSEALED: Final = """
SELECT (SELECT count(*) FROM rewards.journal) - coalesce((SELECT sum(journals) FROM rewards.ledger_seal), 0)
    + (SELECT count(*) FROM rewards.dirty)
"""
_POSTED: Final = """
SELECT k.idempotency_key, k.fingerprint, j.effective_on, j.source_event, j.program || ' ' || j.program_version,
    j.partner, e.amount_minor
FROM rewards.journal j
JOIN rewards.entry e USING (journal_id, recorded_at)
JOIN rewards.posting_key k USING (journal_id)
WHERE j.journal_id > $1 AND e.leg_no = 1 ORDER BY j.journal_id
"""


@dataclass(frozen=True, slots=True)
class Turn:
    """Seconds until the last journal was committed, and of it until all credit was stored (the floor stores none).

    Processor seconds are those of the process that works (the service, for the floor this one) and of PostgreSQL;
    they are 0 where the operating system does not tell.
    """

    whole_s: float
    process_s: float
    postgres_s: float
    stored_s: float = 0.0


async def run(stage: Stage) -> list[Figure]:
    """Journals per second, repetition by repetition on one growing ledger; before each the service is at rest."""
    sizes = stage.sizes
    turns: list[Turn] = []
    floors: list[Turn] = []
    async with stage.system("rewards", ["rewards"]) as system:
        connection = await asyncpg.connect(system.database_url)
        producer = await Producer.connect(system.kafka)
        try:
            common, *accounts = await _prepare(stage, connection, producer)
            for number in range(stage.repeat + 1):
                stage.say(f"rewards: repetition {number} of {stage.repeat} (0: warming up), sealing the one before")
                await _until(connection, _UNSEALED, 0)
                load = _load(stage, f"r{number}-")
                before = await connection.fetchval("SELECT coalesce(max(journal_id), 0) FROM rewards.journal")
                turn = await _drain(system, connection, producer, load)
                rows = await _posted(connection, before, load)
                places = dict(zip(_names(stage), accounts, strict=True))
                batches = [
                    floor.Batch.of([(*row[:5], places[row[5]], row[6]) for row in rows[begin : begin + BATCH]], common)
                    for begin in range(0, len(rows), BATCH)
                ]
                await _until(connection, _UNSEALED, 0)
                with stage.measured("rewards-floor"):
                    taken = await _post_floor(system, connection, batches)
                await connection.execute("ANALYZE")
                await connection.execute("CHECKPOINT")
                if number:
                    turns.append(turn)
                    floors.append(taken)
        finally:
            await producer.close()
            await connection.close()
    return list(_figures(turns, floors, sizes.rewards_deals, sizes.rewards_per_deal))


def _figures(turns: Sequence[Turn], floors: Sequence[Turn], deals: int, per_deal: int) -> Iterator[Figure]:
    rates, of_floor = (tuple(deals * per_deal / turn.whole_s for turn in each) for each in (turns, floors))
    name = f"topic to committed journals, {per_deal} a deal"
    yield Figure("rewards", name, "journals/s", rates, of_floor, ratio(0.6))
    yield Figure("rewards", "the same in deals", "deals/s", tuple(deals / turn.whole_s for turn in turns))
    yield Figure("rewards", "until all journals are committed", "s", tuple(turn.whole_s for turn in turns))
    yield Figure("rewards", "of it until all credit is stored", "s", tuple(turn.stored_s for turn in turns))
    for who, of in (("the service, of the floor's client", "process_s"), ("PostgreSQL", "postgres_s")):
        spent, of_floor = (tuple(getattr(turn, of) for turn in each) for each in (turns, floors))
        if all(spent) and all(of_floor):
            yield Figure("rewards", f"processor time of {who}", "s", spent, of_floor)


async def _post_floor(system: System, connection: asyncpg.Connection, batches: Sequence[floor.Batch]) -> Turn:
    async with watch.watching(system) as usage:
        begin = time.process_time()
        seconds = await floor.post_all(connection, batches)
        spent = time.process_time() - begin
    return Turn(seconds, spent, usage.cpu_s.get("postgres", 0.0))


def _load(stage: Stage, label: str) -> Credits:
    sizes = stage.sizes
    return Credits(
        sizes.rewards_deals, sizes.rewards_per_deal, sizes.rewards_partners, stage.now, days=20, label=label
    )  # fmt: skip


def _names(stage: Stage) -> list[str]:
    return [f"partner-{number:04d}" for number in range(stage.sizes.rewards_partners)]


async def _prepare(stage: Stage, connection: asyncpg.Connection, producer: Producer) -> list[int]:
    """The service knows program and partners and has its places in the topic; the floor has its accounts."""
    terms = _load(stage, "").terms()
    await producer.send(terms)
    await _until(connection, _KNOWN, len(terms))
    await _until(connection, _PLACED, topics.PARTITIONS[credit.TOPIC], credit.TOPIC)
    return await floor.create(connection, ["commission", *_names(stage)])


async def _drain(system: System, connection: asyncpg.Connection, producer: Producer, load: Credits) -> Turn:
    """Let the service work through a backlog that is in the topic before it may begin."""
    events = list(load.events())
    journals, read = await connection.fetchrow(_MADE, credit.TOPIC)
    wanted, end = journals + load.journals, read + load.deals
    async with AsyncExitStack() as held:
        await held.enter_async_context(_held(system))
        await producer.send(events)
        async with watch.watching(system) as usage:
            begin = time.perf_counter()
            await held.aclose()
            stored = 0.0
            while journals != wanted:
                await asyncio.sleep(LOOK_S)
                journals, read = await connection.fetchrow(_MADE, credit.TOPIC)
                now = time.perf_counter() - begin
                stored = stored or (now if read == end else 0.0)
                if now > PATIENCE_S:
                    raise TributaryError(f"{journals} of {wanted} journals after {now:.0f} s")
    return Turn(now, usage.cpu_s.get("rewards", 0.0), usage.cpu_s.get("postgres", 0.0), stored)


@asynccontextmanager
async def _held(system: System) -> AsyncIterator[None]:
    """Keep the consumer from moving its position, and so from storing anything, while the block runs."""
    connection = await asyncpg.connect(system.database_url)
    try:
        async with connection.transaction():
            await connection.execute(_HOLD, credit.TOPIC)
            yield
    finally:
        await connection.close()


async def _posted(connection: asyncpg.Connection, after: int, load: Credits) -> Sequence[asyncpg.Record]:
    """The rows the service posted, for the floor; AssertionError unless every deal is booked and all sums to zero."""
    rows: Sequence[asyncpg.Record] = await connection.fetch(_POSTED, after)
    sums = await connection.fetchrow(
        "SELECT (SELECT sum(amount_minor) FROM rewards.entry), (SELECT sum(posted_minor) FROM rewards.balance), "
        "(SELECT count(*) FROM rewards.dead_letter) + (SELECT count(*) FROM rewards.conflict)"
    )
    if len(rows) != load.journals or tuple(sums) != (0, 0, 0):
        raise AssertionError(
            f"{len(rows)} journals, not {load.journals}; (legs, balances, put aside) are {tuple(sums)}"
        )
    return rows


async def _until(connection: asyncpg.Connection, question: str, wanted: int, *arguments: object) -> None:
    """Wait until the question is answered so; raises TributaryError when it never is."""
    until = time.monotonic() + PATIENCE_S
    while (found := await connection.fetchval(question, *arguments)) != wanted:
        if time.monotonic() > until:
            raise TributaryError(f"{question.strip()} gives {found}, not {wanted}")
        await asyncio.sleep(LOOK_S * 10)
