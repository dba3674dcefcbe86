"""Seals what was booked: at start, then every minute, and tells the chain's head outside the database.

One sealer at a time, whatever the number of processes: numbers have no gap, and posting never waits for it.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from functools import partial
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Gauge

from services.rewards.domain import seal
from services.rewards.domain.seal import Sealed
from services.rewards.ledger import seals
from shared import outbox
from shared.database import Database
from shared.events import ledger
from shared.events.envelope import Event
from shared.regular import regularly

EVERY_S: Final = 60.0
"""What is not sealed yet can be rewritten unseen: a minute of it, for fewer than 1,500 blocks a day."""
BLOCK: Final = 2_000
"""Journals per block at most: their rows are a few megabytes, and a proof stays 11 hashes long."""
EVENT_SOURCE: Final = "tributary/rewards"
SCHEMA: Final = "rewards"

_ALONE: Final = "SELECT pg_try_advisory_xact_lock(hashtextextended('rewards:seal', 0))"


class Sealer:
    """Seals until nothing settled is left, then waits."""

    def __init__(self, database: Database, registry: CollectorRegistry, *, block: int = BLOCK) -> None:
        self._database = database
        self._block = block
        self._newest = Gauge(
            "tributary_ledger_sealed_block", "Number of the newest block this process sealed; 0 before the first",
            registry=registry,
        )  # fmt: skip

    async def run(self, stop: asyncio.Event) -> None:
        """Seal until stopped, which ends a long backlog too; a database that is away is tried again."""
        await regularly("sealer", partial(self.turn, stop), EVERY_S, stop)

    async def turn(self, stop: asyncio.Event | None = None) -> int:
        """Seal all that is settled, a transaction per block; returns how many journals that were."""
        total = 0
        while not (stop and stop.is_set()) and (sealed := await self._seal_next()):
            total += sealed.block.journals
            self._newest.set(sealed.block.seq)
            _log(sealed)
            if sealed.block.journals < self._block:
                break
        return total

    async def _seal_next(self) -> Sealed | None:
        """The next block, sealed and announced in one transaction; None when there is none, or another one seals."""
        async with self._database.transaction() as connection:
            if not await connection.fetchval(_ALONE):
                return None
            head = await seals.head(connection)
            if head.ahead:
                structlog.get_logger().error("ledger.sealed_elsewhere", seq=head.seq, last=head.last)
                return None
            journals = await seals.settled(connection, head.last, self._block)
            if not journals:
                return None
            # In a thread: a tenth of a second of hashing, during which the API and the consumer go on.
            sealed = await asyncio.to_thread(seal.build, head.seq + 1, head.hash, journals)
            at = await seals.append(connection, sealed)
            await outbox.append(connection, SCHEMA, [event(sealed, at)])
            return sealed


def event(sealed: Sealed, at: datetime) -> Event:
    """`ledger.sealed`, identified by the block's number for ever."""
    block = sealed.block
    said = ledger.LedgerSealed(
        seq=block.seq, version=block.version, prev_hash=block.prev_hash.hex(), merkle_root=block.merkle_root.hex(),
        first=ledger.Place(xid=block.first.xid, journal=block.first.journal_id),
        last=ledger.Place(xid=block.last.xid, journal=block.last.journal_id), journals=block.journals,
        sum_abs_minor=dict(block.sum_abs), hash=block.hash.hex(), sealed_at=at,
    )  # fmt: skip
    data = said.model_dump_json().encode()
    return Event(ledger.TOPIC, "seal", ledger.SEALED, EVENT_SOURCE, f"seal-{block.seq}", at, data)


def _log(sealed: Sealed) -> None:
    """The log is another place outside: whoever collects it holds the head."""
    block = sealed.block
    structlog.get_logger().info(
        "ledger.sealed", seq=block.seq, hash=block.hash.hex(), journals=block.journals, last=block.last.journal_id
    )
