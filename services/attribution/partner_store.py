"""All SQL of partners: their kinds, and which of them count as one. Never commits."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import asyncpg

from services.attribution.domain.partners import Directory, Kind, Merge
from services.attribution.domain.statements import PartnerEntry, PartnerMerge

_SAVE_ENTRIES: Final = """
INSERT INTO attribution.partner_entry (id, version, kind, since, fingerprint)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::date[], $5::bytea[])
ON CONFLICT DO NOTHING RETURNING id
"""
_OTHER_ENTRIES: Final = """
SELECT n.id, n.version FROM unnest($1::text[], $2::bigint[], $3::bytea[]) AS n (id, version, print)
JOIN attribution.partner_entry p ON p.id = n.id AND p.version = n.version WHERE p.fingerprint <> n.print
"""
_SAVE_MERGES: Final = """
INSERT INTO attribution.partner_merge (source, id, version, partner, into_partner, effective_from, undone, body,
    fingerprint)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::date[], $7::boolean[],
    $8::jsonb[], $9::bytea[])
ON CONFLICT DO NOTHING RETURNING source, id
"""
_OTHER_MERGES: Final = """
SELECT n.source, n.id, n.version
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[]) AS n (source, id, version, print)
JOIN attribution.partner_merge m ON m.source = n.source AND m.id = n.id AND m.version = n.version
WHERE m.fingerprint <> n.print
"""
_MERGED: Final = """
SELECT DISTINCT unnest(ARRAY[m.partner, m.into_partner]) AS partner
FROM unnest($1::text[], $2::text[]) AS n (source, id)
JOIN attribution.partner_merge m ON m.source = n.source AND m.id = n.id
"""
# Those of which something was ever stated to be merged into these, through chains: what these are told concerns them.
_WITH_MERGED: Final = """
WITH RECURSIVE counting (partner) AS (
    SELECT unnest($1::text[]) UNION
    SELECT m.partner FROM counting c JOIN attribution.partner_merge m ON m.into_partner = c.partner
)
SELECT partner FROM counting
"""
# In this order at any size: partner, its touchpoints, their accounts, a won deal. A join with all won deals first, that
# looks cheap while there are few, takes every touchpoint with every deal.
_MARK_ACCOUNTS_OF: Final = """
WITH concerned AS MATERIALIZED (
    SELECT DISTINCT k.account_id FROM unnest($1::text[]) AS n (partner)
    CROSS JOIN LATERAL (
        SELECT id_key, domain_key, name_key FROM attribution.touchpoint WHERE partner = n.partner OFFSET 0) t
    CROSS JOIN LATERAL (
        SELECT account_id FROM attribution.account_key
        WHERE key = ANY(ARRAY[t.id_key, t.domain_key, t.name_key]) OFFSET 0) k
)
INSERT INTO attribution.dirty (key, traceparent)
SELECT c.account_id::text, $2 FROM concerned c
WHERE (SELECT bool_or(d.stage = 'won') FROM attribution.deal d WHERE d.account_id = c.account_id)
"""
_MARK_BY_KIND: Final = f"""{_MARK_ACCOUNTS_OF}
AND EXISTS (SELECT FROM attribution.program_version WHERE document->'attribution'->'considers' ? 'partner_types')
"""
_KINDS: Final = "SELECT id, version, since, kind FROM attribution.partner_entry"
_MERGES: Final = """
SELECT partner, into_partner, effective_from, source, id FROM (
    SELECT DISTINCT ON (source, id) * FROM attribution.partner_merge ORDER BY source, id, version DESC) AS newest
WHERE NOT undone
"""


async def save_entries(
    connection: asyncpg.Connection, rows: Sequence[PartnerEntry]
) -> tuple[set[str], list[PartnerEntry]]:
    """Store directory entries; returns the partners that have a new one, and entries whose key another body holds."""
    columns = [list(c) for c in zip(*((r.id, r.version, r.kind, r.since, r.fingerprint) for r in rows), strict=True)]
    fresh = {row["id"] for row in await connection.fetch(_SAVE_ENTRIES, *columns)}
    others = {tuple(row) for row in await connection.fetch(_OTHER_ENTRIES, columns[0], columns[1], columns[4])}
    return fresh, [r for r in rows if (r.id, r.version) in others]


async def save_merges(
    connection: asyncpg.Connection, rows: Sequence[PartnerMerge]
) -> tuple[set[str], list[PartnerMerge]]:
    """Store merges; returns the partners they concern, and merges whose natural key another body holds."""
    values = [
        (r.source, r.id, r.version, r.partner, r.into, r.effective_from, r.undone, r.body, r.fingerprint) for r in rows
    ]
    columns = [list(column) for column in zip(*values, strict=True)]
    fresh = [(row["source"], row["id"]) for row in await connection.fetch(_SAVE_MERGES, *columns)]
    others = {tuple(row) for row in await connection.fetch(_OTHER_MERGES, *columns[:3], columns[8])}
    named = await connection.fetch(_MERGED, *map(list, zip(*fresh, strict=True))) if fresh else []
    concerned = {row["partner"] for row in named}
    return concerned, [r for r in rows if (r.source, r.id, r.version) in others]


async def mark_accounts_of(connection: asyncpg.Connection, partners: Collection[str], traceparent: str | None) -> None:
    """Mark every account with a won deal and a touchpoint of one of these partners, or of one merged into them."""
    if partners:
        await connection.execute(_MARK_ACCOUNTS_OF, await _with_merged(connection, partners), traceparent)


async def mark_by_kind(connection: asyncpg.Connection, partners: Collection[str], traceparent: str | None) -> None:
    """The same for partners whose kind may have changed, where any program version considers kinds of partners."""
    if partners:
        await connection.execute(_MARK_BY_KIND, await _with_merged(connection, partners), traceparent)


async def _with_merged(connection: asyncpg.Connection, partners: Collection[str]) -> list[str]:
    return sorted(row["partner"] for row in await connection.fetch(_WITH_MERGED, list(partners)))


async def directory(connection: asyncpg.Connection) -> Directory:
    """All partners and the merges in force."""
    kinds = [Kind(row["id"], row["version"], row["since"], row["kind"]) for row in await connection.fetch(_KINDS)]
    merges = [
        Merge(row["partner"], row["into_partner"], row["effective_from"], (row["source"], row["id"]))
        for row in await connection.fetch(_MERGES)
    ]
    return Directory(kinds, merges)
