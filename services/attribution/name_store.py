"""All SQL of names: what accounts are called, what facts without a key call theirs, what is proposed. Never commits.

A proposal is made when its second side becomes known, whichever that is, so it does not depend on the order of arrival.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import asyncpg

from services.attribution.domain import names

CANDIDATES: Final = 200
"""Names compared with one new name: those whose first word begins alike. More would be no proposal but a list."""

_SAVE_ACCOUNT_NAMES: Final = """
INSERT INTO attribution.account_name (spelled, account_key, name, block)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
ON CONFLICT DO NOTHING RETURNING spelled, account_key, name, block
"""
_SAVE_UNMATCHED_NAMES: Final = """
INSERT INTO attribution.unmatched_name (spelled, name, block)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) ON CONFLICT DO NOTHING RETURNING spelled, name, block
"""
_UNMATCHED_IN: Final = """
SELECT n.block, u.spelled, u.name FROM unnest($1::text[]) AS n (block)
CROSS JOIN LATERAL (
    SELECT spelled, name FROM attribution.unmatched_name WHERE block = n.block ORDER BY spelled LIMIT $2) u
"""
_ACCOUNTS_IN: Final = """
SELECT n.block, a.spelled, a.name, a.account_key FROM unnest($1::text[]) AS n (block)
CROSS JOIN LATERAL (
    SELECT spelled, name, account_key FROM attribution.account_name WHERE block = n.block
    ORDER BY spelled, account_key LIMIT $2) a
"""
_SAVE_PROPOSALS: Final = """
INSERT INTO attribution.proposal (name_key, account_key, name, account_name, likeness)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::smallint[]) ON CONFLICT DO NOTHING
"""

Proposal = tuple[str, str, str, str, int]


async def save_account_names(connection: asyncpg.Connection, called: Mapping[tuple[str, str], str]) -> None:
    """What accounts are called: {(spelled, account key): name}. Proposes them to facts that have such a name alone."""
    if not called:
        return
    rows = [(spelled, key, name, names.block(spelled)) for (spelled, key), name in sorted(called.items())]
    fresh = await connection.fetch(_SAVE_ACCOUNT_NAMES, *map(list, zip(*rows, strict=True)))
    blocks = sorted({row["block"] for row in fresh})
    waiting = await connection.fetch(_UNMATCHED_IN, blocks, CANDIDATES) if blocks else []
    by_block = _by_block(waiting)
    await _propose(connection, [
        (f"name:{other['spelled']}", row["account_key"], other["name"], row["name"], alike)
        for row in fresh for other in by_block.get(row["block"], ())
        if (alike := names.likeness(row["spelled"], other["spelled"])) >= names.ALIKE
    ])  # fmt: skip


async def save_unmatched_names(connection: asyncpg.Connection, called: Mapping[str, str]) -> None:
    """Names by which facts without a key call their account: {spelled: name}. Proposes accounts with such a name."""
    if not called:
        return
    rows = [(spelled, name, names.block(spelled)) for spelled, name in sorted(called.items())]
    fresh = await connection.fetch(_SAVE_UNMATCHED_NAMES, *map(list, zip(*rows, strict=True)))
    blocks = sorted({row["block"] for row in fresh})
    known = await connection.fetch(_ACCOUNTS_IN, blocks, CANDIDATES) if blocks else []
    by_block = _by_block(known)
    await _propose(connection, [
        (f"name:{row['spelled']}", other["account_key"], row["name"], other["name"], alike)
        for row in fresh for other in by_block.get(row["block"], ())
        if (alike := names.likeness(row["spelled"], other["spelled"])) >= names.ALIKE
    ])  # fmt: skip


def _by_block(rows: Iterable[asyncpg.Record]) -> dict[str, list[asyncpg.Record]]:
    found: dict[str, list[asyncpg.Record]] = {}
    for row in rows:
        found.setdefault(row["block"], []).append(row)
    return found


async def _propose(connection: asyncpg.Connection, proposals: Sequence[Proposal]) -> None:
    if proposals:
        await connection.execute(_SAVE_PROPOSALS, *map(list, zip(*proposals, strict=True)))
