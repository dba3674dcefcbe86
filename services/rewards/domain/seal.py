"""Sealed blocks of journals: a hash per journal, a Merkle root per block, and each block's hash in the next one.

The encoding is versioned and written for people who check it with tools of their own: JSON with sorted names, without
blanks, in ASCII; amounts are whole numbers of minor units. A change of it is a new version, beside the old one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final, NamedTuple

from services.rewards.domain import merkle

VERSION: Final = 1
"""Of blocks, and of journals without a scope: their bytes stay what they were."""
SCOPED: Final = 2
"""Of journals with a scope (true-ups): as version 1, with the scope."""
GENESIS: Final = bytes(32)
"""What the first block names as the hash of the one before it."""
HASH_BYTES: Final = 32

_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
_BLOCK: Final = b"\x02"
"""First byte of what is hashed for a block: neither a leaf nor a node."""


class Position(NamedTuple):
    """A place in the order of sealing: transaction, then journal."""

    xid: int
    journal_id: int


START: Final = Position(0, 0)
"""Before the first journal."""


class Leg(NamedTuple):
    """A leg as it stands in the books, with its account, of which nothing is there when it does not exist."""

    leg_no: int
    account_id: int
    account: str | None
    kind: str | None
    role: str | None
    partner: str | None
    currency: str
    amount_minor: int
    balance_after: int
    account_version: int


class Booked(NamedTuple):
    """A journal as it stands in the books. `reason` is the JSON text, `reverses` what it is named as reversal of."""

    xid: int
    journal_id: int
    recorded_at: datetime
    kind: str
    effective_on: date
    period: date
    adjusts_period: date | None
    leg_count: int
    partner: str
    deal_source: str | None
    deal_id: str | None
    plan: str | None
    adjusts_journal_id: int | None
    reverses_journal_id: int | None
    program: str | None
    program_version: int | None
    source_event: str
    reason: str
    scope: str | None
    legs: tuple[Leg, ...]

    @property
    def position(self) -> Position:
        return Position(self.xid, self.journal_id)


def encode(journal: Booked) -> bytes:
    """All of a journal that was booked, as bytes that are the same for ever."""
    content = journal._asdict() | {
        "version": VERSION if journal.scope is None else SCOPED,
        "recorded_at": journal.recorded_at.astimezone(UTC).isoformat(timespec="microseconds"),
        "effective_on": journal.effective_on.isoformat(),
        "period": journal.period.isoformat(),
        "adjusts_period": journal.adjusts_period.isoformat() if journal.adjusts_period else None,
        "reason": json.loads(journal.reason),
        "legs": [leg._asdict() for leg in journal.legs],
    }
    if journal.scope is None:
        del content["scope"]
    return _canonical(content)


def leaf(journal: Booked) -> bytes:
    """The hash of one journal."""
    return merkle.leaf(encode(journal))


@dataclass(frozen=True, slots=True)
class Block:
    """What a block says. `sum_abs` adds up the absolute amounts of all legs, in minor units per currency."""

    version: int
    seq: int
    prev_hash: bytes
    merkle_root: bytes
    first: Position
    last: Position
    journals: int
    sum_abs: Mapping[str, int]

    @property
    def hash(self) -> bytes:
        """The hash of all of it, and so of everything before it."""
        content = {
            "version": self.version, "seq": self.seq, "prev_hash": self.prev_hash.hex(),
            "merkle_root": self.merkle_root.hex(), "first": self.first, "last": self.last, "journals": self.journals,
            "sum_abs": dict(self.sum_abs),
        }  # fmt: skip
        return hashlib.sha256(_BLOCK + _canonical(content)).digest()


@dataclass(frozen=True, slots=True)
class Sealed:
    """A block with what leads to single journals: their ids and hashes, in order."""

    block: Block
    journal_ids: tuple[int, ...]
    leaves: tuple[bytes, ...]


def build(seq: int, prev_hash: bytes, journals: Sequence[Booked]) -> Sealed:
    """The block of these journals, which are in order. Raises ValueError without any."""
    leaves = tuple(leaf(journal) for journal in journals)
    block = Block(
        VERSION, seq, prev_hash, merkle.root(leaves), journals[0].position, journals[-1].position, len(journals),
        _sums(journals),
    )  # fmt: skip
    return Sealed(block, tuple(journal.journal_id for journal in journals), leaves)


def chain_fault(before: Block | None, sealed: Sealed, stored_hash: bytes) -> str | None:
    """What is wrong with a block in itself, or as the one that follows `before`; None when nothing is."""
    block = sealed.block
    expected = before.seq + 1 if before else 1
    if block.seq != expected:
        return f"block {expected} is missing"
    if block.version != VERSION:
        return f"block {block.seq} is of version {block.version}, which this release cannot read"
    if block.prev_hash != (before.hash if before else GENESIS):
        return f"block {block.seq} does not name the hash of the block before it"
    if block.first <= (before.last if before else START) or block.last < block.first:
        return f"block {block.seq} does not begin behind the block before it"
    return _own_fault(sealed, stored_hash)


def _own_fault(sealed: Sealed, stored_hash: bytes) -> str | None:
    block = sealed.block
    if block.hash != stored_hash:
        return f"block {block.seq} has a hash that is not that of what it says"
    if not sealed.leaves or len(sealed.leaves) != block.journals or merkle.root(sealed.leaves) != block.merkle_root:
        return f"block {block.seq} has hashes of journals that do not lead to its root"
    return None


def first_difference(sealed: Sealed, found: Sequence[Booked]) -> str | None:
    """The first journal of the books that is not as it was sealed; None when all are."""
    number = sealed.block.seq
    known = set(sealed.journal_ids)
    for place, (journal_id, sealed_leaf) in enumerate(zip(sealed.journal_ids, sealed.leaves, strict=False)):
        if place == len(found):
            return f"block {number}: journal {journal_id} is missing"
        there = found[place]
        if there.journal_id != journal_id:
            return _moved(number, journal_id, there.journal_id, known)
        if leaf(there) != sealed_leaf:
            return f"block {number}: journal {journal_id} is not as it was sealed"
    if len(found) > len(sealed.leaves):
        return f"block {number}: journal {found[len(sealed.leaves)].journal_id} was put in"
    if _sums(found) != sealed.block.sum_abs:
        return f"block {number} states other sums than its journals"
    return None


def _moved(number: int, wanted: int, there: int, known: set[int]) -> str:
    """Where one journal was sealed another one stands: the one is gone, or the other is new."""
    what = f"journal {wanted} is missing" if there in known else f"journal {there} was put in"
    return f"block {number}: {what}"


def _sums(journals: Sequence[Booked]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for journal in journals:
        for leg in journal.legs:
            sums[leg.currency] = sums.get(leg.currency, 0) + abs(leg.amount_minor)
    return sums


def _canonical(content: Mapping[str, object]) -> bytes:
    return _ENCODER.encode(content).encode()
