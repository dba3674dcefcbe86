"""Every seal computed again from the journals it covers, block by block: memory does not grow with the ledger."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import asyncpg

from services.rewards.domain import seal
from services.rewards.domain.seal import Block, Position
from services.rewards.ledger import seals


@dataclass(slots=True)
class Tally:
    """How much was looked at, how many faults there were, and the first."""

    examined: int = 0
    faults: int = 0
    first: str | None = None

    def add(self, examined: int, fault: str | None) -> None:
        self.examined += examined
        self.faults += fault is not None
        self.first = self.first or fault


async def recompute(connection: asyncpg.Connection, timeout_s: float) -> tuple[Tally, Tally]:
    """What the chain of blocks, and what the journals in them, give; a fault is counted once per block."""
    chain, journals = Tally(), Tally()
    before: Block | None = None
    async for stored in seals.chain(connection, timeout_s):
        block = stored.sealed.block
        chain.add(1, seal.chain_fault(before, stored.sealed, stored.hash))
        limit = len(stored.sealed.leaves) + 1  # one more shows that there are more
        found = await seals.between(connection, _begin(before, block), block.last, limit, timeout_s)
        # In a thread: the service verifies while it serves, and hashing a block takes a tenth of a second.
        journals.add(len(found), await asyncio.to_thread(seal.first_difference, stored.sealed, found))
        before = block
    return chain, journals


async def find(connection: asyncpg.Connection, kept: bytes) -> Tally:
    """Whether a hash that was kept outside is that of a block. If it is not, the chain is another one now."""
    fault = None if await seals.known(connection, kept) else f"no block has the hash {kept.hex()}: the chain is another"
    tally = Tally()
    tally.add(1, fault)
    return tally


def _begin(before: Block | None, block: Block) -> Position:
    """Where to look for a block's journals from: the end of the block before, so that none between is passed over."""
    if block.seq == (before.seq + 1 if before else 1):
        return before.last if before else seal.START
    return Position(block.first.xid, block.first.journal_id - 1)  # of the missing block is said already
