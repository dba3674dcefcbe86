"""Seals: `GET /rewards/v1/seals`, `/seals/head`, and the proof that one journal is in a sealed block.

A key bound to a partner is told the hashes that lead from its journal to the block, and neither what is hashed (it
holds the running balance of the vendor's accounts) nor how many journals and how much the block holds.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path

from services.rewards import doors, queries, views
from services.rewards.domain import merkle, seal
from services.rewards.domain.seal import Booked
from services.rewards.doors import Json, Paged, Reader, Reading, Shared
from services.rewards.ledger import seals
from services.rewards.ledger.seals import Stored
from shared import http

SOON: Final = "It is sealed within about two minutes, once all transactions that began before it have ended."

router = APIRouter()


@router.get("/seals", tags=["seals"], dependencies=[Depends(doors.unbound)])
async def list_seals(connection: Reading, page: Paged) -> Json:
    """Sealed blocks of journals, the newest first."""
    rows = await queries.seals(connection, before=doors.after(page) or None, limit=page.limit)
    return doors.page([_row(row) for row in rows], page, rows[-1].seq if rows else None)


@router.get("/seals/head", tags=["seals"], dependencies=[Depends(doors.unbound)])
async def show_head(connection: Reading) -> Json:
    """The newest block. Its hash, kept outside, pins everything before it: see `tributary verify --head`."""
    rows = await queries.seals(connection, before=None, limit=1)
    if not rows:
        raise http.Problem(404, "Nothing is sealed", f"No journal is sealed yet. {SOON}")
    return _row(rows[0])


@router.get("/journals/{journal_id}/proof", tags=["seals"])
async def prove_journal(journal_id: Annotated[int, Path(ge=1, le=2**63 - 1)], caller: Reader, state: Shared) -> Json:
    """That a journal is in a sealed block: its hash, and the hashes that lead from it to the block's Merkle root.

    409 while it is not sealed, and when it is not as it was sealed.
    """
    async with (
        state.database.pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        found = await seals.position(connection, journal_id)
        if found is None or not caller.may_act_for(found[0]):
            raise http.Problem(404, "No such journal", f"There is no journal {journal_id}.")
        place = found[1]
        stored = await seals.holding(connection, place)
        if stored is None:
            raise http.Problem(409, "Not sealed yet", SOON)
        (journal,) = await seals.between(connection, place._replace(journal_id=journal_id - 1), place, 1)
    return _proof(journal, stored, whole=caller.partner is None)


def _proof(journal: Booked, stored: Stored, *, whole: bool) -> Json:
    sealed, leaf = stored.sealed, seal.leaf(journal)
    if leaf not in sealed.leaves:
        detail = f"Journal {journal.journal_id} is not as block {sealed.block.seq} sealed it; run `tributary verify`."
        raise http.Problem(409, "Not as it was sealed", detail)
    steps = merkle.path(sealed.leaves, sealed.leaves.index(leaf))
    block = _block(stored)
    return {
        "journal": journal.journal_id,
        "leaf": leaf.hex(),
        "path": [{"side": "left" if step.on_left else "right", "hash": step.beside.hex()} for step in steps],
        "block": block if whole else {name: block[name] for name in ("seq", "hash", "merkle_root", "sealed_at")},
        **({"content": seal.encode(journal).decode()} if whole else {}),
    }


def _row(row: queries.Row) -> Json:
    return _shown(
        row.seq, row.version, row.prev_hash, row.merkle_root, (row.first_xid, row.first_journal_id),
        (row.last_xid, row.last_journal_id), row.journals, row.sum_abs, row.hash, row.sealed_at,
    )  # fmt: skip


def _block(stored: Stored) -> Json:
    block = stored.sealed.block
    return _shown(
        block.seq, block.version, block.prev_hash, block.merkle_root, block.first, block.last, block.journals,
        dict(block.sum_abs), stored.hash, stored.sealed_at,
    )  # fmt: skip


def _shown(
    seq: int, version: int, prev_hash: bytes, merkle_root: bytes, first: tuple[int, int], last: tuple[int, int],
    journals: int, sum_abs: dict[str, int], own_hash: bytes, sealed_at: datetime,
) -> Json:  # fmt: skip
    """A block: all that its hash is made of, the hash, and the moment."""
    return {
        "seq": seq,
        "version": version,
        "prev_hash": prev_hash.hex(),
        "merkle_root": merkle_root.hex(),
        "first": {"xid": first[0], "journal": first[1]},
        "last": {"xid": last[0], "journal": last[1]},
        "journals": journals,
        "sum_abs": [views.amount(minor, currency) for currency, minor in sorted(sum_abs.items())],
        "hash": own_hash.hex(),
        "sealed_at": sealed_at.isoformat(),
    }
