"""The SQL of seals: journals as they are sealed, the chain's blocks, and appending one. Nothing commits."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final, NamedTuple

import asyncpg

from services.rewards.domain import seal
from services.rewards.domain.seal import Block, Booked, Leg, Position, Sealed

CHAIN_BATCH: Final = 20
"""Blocks read at a time: with their lists of hashes a few megabytes, and few round trips."""

# Transaction ids travel as text: the driver would have to know the type. A journal and its legs are one row.
_JOURNALS: Final = """
SELECT j.xid::text, j.journal_id, j.recorded_at, j.kind, j.effective_on, j.period, j.adjusts_period, j.leg_count,
    j.partner, j.deal_source, j.deal_id, j.plan, j.adjusts_journal_id,
    (SELECT r.reverses_journal_id FROM rewards.reversal r WHERE r.journal_id = j.journal_id), j.program,
    j.program_version, j.source_event, j.reason::text, j.scope,
    l.numbers, l.ids, l.codes, l.kinds, l.roles, l.partners, l.currencies, l.amounts, l.balances, l.versions
FROM (SELECT * FROM rewards.journal n WHERE (n.xid, n.journal_id) > ($1::text::xid8, $2) AND {upto}
    ORDER BY n.xid, n.journal_id LIMIT $3) j
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(e.leg_no ORDER BY e.leg_no), '{{}}') AS numbers,
        array_agg(e.account_id ORDER BY e.leg_no) AS ids, array_agg(a.code ORDER BY e.leg_no) AS codes,
        array_agg(a.kind ORDER BY e.leg_no) AS kinds, array_agg(a.role ORDER BY e.leg_no) AS roles,
        array_agg(a.partner ORDER BY e.leg_no) AS partners, array_agg(e.currency ORDER BY e.leg_no) AS currencies,
        array_agg(e.amount_minor ORDER BY e.leg_no) AS amounts,
        array_agg(e.balance_after ORDER BY e.leg_no) AS balances,
        array_agg(e.account_version ORDER BY e.leg_no) AS versions
    FROM rewards.entry e LEFT JOIN rewards.account a ON a.account_id = e.account_id
    WHERE e.journal_id = j.journal_id AND e.recorded_at = j.recorded_at) l
ORDER BY j.xid, j.journal_id
"""
_JOURNAL_COLUMNS: Final = len(Booked._fields) - 1
"""Columns before those of the legs, in the order of the fields."""
_SETTLED: Final = _JOURNALS.format(upto="n.xid < pg_snapshot_xmin(pg_current_snapshot())")
_BETWEEN: Final = _JOURNALS.format(upto="(n.xid, n.journal_id) <= ($4::text::xid8, $5)")
_COLUMNS: Final = """
    seq, version, first_xid::text, first_journal_id, last_xid::text, last_journal_id, journals, sum_abs, merkle_root,
    prev_hash, hash, journal_ids, leaves, sealed_at"""
_HEAD: Final = """
SELECT seq, hash, last_xid::text, last_journal_id, last_xid >= pg_snapshot_xmax(pg_current_snapshot()) AS ahead
FROM rewards.ledger_seal ORDER BY seq DESC LIMIT 1
"""
_CHAIN: Final = f"SELECT {_COLUMNS} FROM rewards.ledger_seal WHERE seq > $1 ORDER BY seq LIMIT $2"  # noqa: S608  constant
_HOLDING: Final = f"""
SELECT {_COLUMNS} FROM rewards.ledger_seal s
WHERE (s.last_xid, s.last_journal_id) >= ($1::text::xid8, $2) ORDER BY s.last_xid, s.last_journal_id LIMIT 1
"""  # noqa: S608  constant
_WHERE_IS: Final = "SELECT partner, xid::text FROM rewards.journal WHERE journal_id = $1"
_KNOWN: Final = "SELECT seq FROM rewards.ledger_seal WHERE hash = $1"
_APPEND: Final = """
SELECT rewards.seal($1, $2, $3, $4, $5, $6::text::xid8, $7, $8::text::xid8, $9, $10::text::jsonb, $11, $12)
"""


class Head(NamedTuple):
    """Where the chain ends. `ahead`: this server has not reached its transaction yet, so it was sealed on another."""

    seq: int
    hash: bytes
    last: Position
    ahead: bool


class Stored(NamedTuple):
    """A block as it stands in the table, with the hash that stands there."""

    sealed: Sealed
    hash: bytes
    sealed_at: datetime


async def head(connection: asyncpg.Connection) -> Head:
    """The end of the chain; that of an empty one is block 0."""
    row = await connection.fetchrow(_HEAD)
    if row is None:
        return Head(0, seal.GENESIS, seal.START, ahead=False)
    return Head(row["seq"], row["hash"], Position(int(row["last_xid"]), row["last_journal_id"]), row["ahead"])


async def settled(connection: asyncpg.Connection, after: Position, limit: int) -> list[Booked]:
    """The next journals behind a position that no other one can come before any more."""
    return [_booked(row) for row in await connection.fetch(_SETTLED, str(after.xid), after.journal_id, limit)]


async def between(
    connection: asyncpg.Connection, after: Position, last: Position, limit: int, timeout_s: float | None = None
) -> list[Booked]:  # fmt: skip
    """The journals behind a position, up to and with another one."""
    rows = await connection.fetch(
        _BETWEEN, str(after.xid), after.journal_id, limit, str(last.xid), last.journal_id, timeout=timeout_s
    )
    return [_booked(row) for row in rows]


async def append(connection: asyncpg.Connection, sealed: Sealed) -> datetime:
    """Add a block to the chain; returns the moment. Raises asyncpg.CheckViolationError when it does not fit there."""
    block = sealed.block
    moment: datetime = await connection.fetchval(
        _APPEND, block.seq, block.version, block.prev_hash, block.merkle_root, block.hash, str(block.first.xid),
        block.first.journal_id, str(block.last.xid), block.last.journal_id, json.dumps(dict(block.sum_abs)),
        list(sealed.journal_ids), b"".join(sealed.leaves),
    )  # fmt: skip
    return moment


async def chain(connection: asyncpg.Connection, timeout_s: float) -> AsyncIterator[Stored]:
    """All blocks in the order of their numbers, a few at a time."""
    last = 0
    while rows := await connection.fetch(_CHAIN, last, CHAIN_BATCH, timeout=timeout_s):
        for row in rows:
            yield _stored(row)
        last = rows[-1]["seq"]


async def holding(connection: asyncpg.Connection, position: Position) -> Stored | None:
    """The block that a journal at this position is in; None while it is not sealed."""
    row = await connection.fetchrow(_HOLDING, str(position.xid), position.journal_id)
    return _stored(row) if row else None


async def position(connection: asyncpg.Connection, journal_id: int) -> tuple[str, Position] | None:
    """A journal's partner and position; None when there is no such journal."""
    row = await connection.fetchrow(_WHERE_IS, journal_id)
    return (row["partner"], Position(int(row["xid"]), journal_id)) if row else None


async def known(connection: asyncpg.Connection, block_hash: bytes) -> int | None:
    """The number of the block with this hash."""
    number: int | None = await connection.fetchval(_KNOWN, block_hash)
    return number


def _booked(row: asyncpg.Record) -> Booked:
    xid, *rest = tuple(row.values())[:_JOURNAL_COLUMNS]
    columns = tuple(row.values())[_JOURNAL_COLUMNS:]
    legs = tuple(Leg(*leg) for leg in zip(*columns, strict=True)) if columns[0] else ()
    return Booked._make((int(xid), *rest, legs))


def _stored(row: asyncpg.Record) -> Stored:
    block = Block(
        row["version"], row["seq"], row["prev_hash"], row["merkle_root"],
        Position(int(row["first_xid"]), row["first_journal_id"]),
        Position(int(row["last_xid"]), row["last_journal_id"]),
        row["journals"], json.loads(row["sum_abs"]),
    )  # fmt: skip
    leaves = row["leaves"]
    cut = tuple(leaves[at : at + seal.HASH_BYTES] for at in range(0, len(leaves), seal.HASH_BYTES))
    return Stored(Sealed(block, tuple(row["journal_ids"]), cut), row["hash"], row["sealed_at"])
