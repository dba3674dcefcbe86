"""All SQL of facts, accounts and marks. Each function takes a batch, runs one or two statements, and never commits.

A touchpoint marks its account only when a won deal is there to see. So that a touchpoint and a deal stored at the same
time by two consumers cannot miss each other, touchpoints are stored `together` and everything that deals with deals,
links or programs `alone`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from services.attribution.domain.parse import DealVersion, ProgramVersion, TouchRow

_TOGETHER: Final = "SELECT pg_advisory_xact_lock_shared(hashtextextended('attribution:facts', 0))"
_ALONE: Final = "SELECT pg_advisory_xact_lock(hashtextextended('attribution:facts', 0))"
_SAVE_TOUCHPOINTS: Final = """
INSERT INTO attribution.touchpoint (source, id, partner, activity, occurred_at, received_at, crm_key, domain_key,
    account_name, evidence, details, fingerprint)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::text[],
    $8::text[], $9::text[], $10::text[], $11::jsonb[], $12::bytea[])
ON CONFLICT DO NOTHING
"""
_REPEATED_TOUCHPOINTS: Final = """
WITH sent AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::bytea[])
        AS n (source, id, received_at, fingerprint)
), earlier AS (
    UPDATE attribution.touchpoint t SET received_at = n.received_at FROM sent n
    WHERE t.source = n.source AND t.id = n.id AND t.fingerprint = n.fingerprint AND n.received_at < t.received_at
)
SELECT n.source, n.id FROM sent n JOIN attribution.touchpoint t ON t.source = n.source AND t.id = n.id
WHERE t.fingerprint <> n.fingerprint
"""
_SAVE_TRACES: Final = """
INSERT INTO attribution.touchpoint_trace (source, id, traceparent)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) ON CONFLICT DO NOTHING
"""
_RESOLVE: Final = """
SELECT k.key, k.account_id,
       EXISTS (SELECT FROM attribution.deal d WHERE d.account_id = k.account_id AND d.stage = 'won') AS won
FROM unnest($1::text[]) AS n (key) JOIN attribution.account_key k ON k.key = n.key
"""
_SAVE_AMBIGUOUS: Final = """
INSERT INTO attribution.ambiguous_touchpoint (source, id)
SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING
"""
_SAVE_DEAL_VERSIONS: Final = """
INSERT INTO attribution.deal_version (source, deal_id, version, body, fingerprint)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::jsonb[], $5::bytea[])
ON CONFLICT DO NOTHING RETURNING source, deal_id, version
"""
_OTHER_DEAL_VERSIONS: Final = """
SELECT n.source, n.id, n.version
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[]) AS n (source, id, version, fingerprint)
JOIN attribution.deal_version v ON v.source = n.source AND v.deal_id = n.id AND v.version = n.version
WHERE v.fingerprint <> n.fingerprint
"""
_DEALS: Final = """
SELECT d.source, d.deal_id, d.version,
       d.stage = 'won' OR EXISTS (
           SELECT FROM attribution.standing_credit s WHERE s.source = d.source AND s.deal_id = d.deal_id) AS credited
FROM unnest($1::text[], $2::text[]) AS n (source, id)
JOIN attribution.deal d ON d.source = n.source AND d.deal_id = n.id
"""
_POINT_DEALS: Final = """
INSERT INTO attribution.deal (
    source, deal_id, version, account_id, keyed, stage, name, amount_minor, currency, closed_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::boolean[], $6::text[], $7::text[],
    $8::bigint[], $9::text[], $10::timestamptz[])
ON CONFLICT (source, deal_id) DO UPDATE SET version = excluded.version, account_id = excluded.account_id,
    keyed = excluded.keyed, stage = excluded.stage, name = excluded.name, amount_minor = excluded.amount_minor,
    currency = excluded.currency, closed_at = excluded.closed_at
"""
_OPEN_ACCOUNTS: Final = """
INSERT INTO attribution.account (merged_into) SELECT NULL FROM generate_series(1, $1::int) RETURNING account_id
"""
_SAVE_KEYS: Final = """
INSERT INTO attribution.account_key (key, account_id) SELECT * FROM unnest($1::text[], $2::bigint[])
"""
_MERGE: Final = """
WITH merged AS (SELECT * FROM unnest($1::bigint[], $2::bigint[]) AS n (loser, survivor)
), accounts AS (
    UPDATE attribution.account a SET merged_into = m.survivor FROM merged m WHERE a.account_id = m.loser
), keys AS (
    UPDATE attribution.account_key k SET account_id = m.survivor FROM merged m WHERE k.account_id = m.loser
)
UPDATE attribution.deal d SET account_id = m.survivor FROM merged m WHERE d.account_id = m.loser
"""
_BYSTANDERS: Final = """
WITH hit AS (
    SELECT t.source, t.id, theirs.account_id
    FROM unnest($1::text[]) AS n (key) JOIN attribution.account_key mine ON mine.key = n.key
    JOIN attribution.touchpoint t ON t.crm_key = n.key
    JOIN attribution.account_key theirs ON theirs.key = t.domain_key
    WHERE theirs.account_id <> mine.account_id
    UNION ALL
    SELECT t.source, t.id, theirs.account_id
    FROM unnest($1::text[]) AS n (key) JOIN attribution.account_key mine ON mine.key = n.key
    JOIN attribution.touchpoint t ON t.domain_key = n.key
    JOIN attribution.account_key theirs ON theirs.key = t.crm_key
    WHERE theirs.account_id <> mine.account_id
), noted AS (
    INSERT INTO attribution.ambiguous_touchpoint (source, id) SELECT source, id FROM hit ON CONFLICT DO NOTHING
)
SELECT DISTINCT account_id FROM hit
"""
_SAVE_PROGRAMS: Final = """
INSERT INTO attribution.program_version (program, version, effective_from, document, received_at, fingerprint)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::date[], $4::jsonb[], $5::timestamptz[], $6::bytea[])
ON CONFLICT DO NOTHING RETURNING effective_from
"""
_OTHER_PROGRAMS: Final = """
SELECT n.program, n.version
FROM unnest($1::text[], $2::bigint[], $3::bytea[]) AS n (program, version, fingerprint)
JOIN attribution.program_version v ON v.program = n.program AND v.version = n.version
WHERE v.fingerprint <> n.fingerprint
"""
_MARK_GOVERNED: Final = """
INSERT INTO attribution.dirty (key, traceparent)
SELECT DISTINCT account_id::text, $2 FROM attribution.deal
WHERE stage = 'won' AND closed_at >= ($1::date - 1)::timestamp AT TIME ZONE 'UTC'
"""  # a calendar day begins up to fourteen hours earlier than in UTC; a mark too many changes nothing
_MARK: Final = """
INSERT INTO attribution.dirty (key, traceparent)
SELECT account_id::text, traceparent FROM unnest($1::bigint[], $2::text[]) AS n (account_id, traceparent)
"""
_SAVE_CONFLICTS: Final = """
INSERT INTO attribution.conflict (kind, source, id, version, fingerprint, body)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bytea[], $6::jsonb[]) ON CONFLICT DO NOTHING
"""

DealKey = tuple[str, str]
"""A deal's natural key: (source, id)."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """The account a key belongs to, and whether it has a won deal."""

    account_id: int
    won: bool


@dataclass(frozen=True, slots=True)
class Known:
    """What is stored of a deal: its newest version, and whether credit stands or is about to."""

    version: int
    credited: bool


@dataclass(frozen=True, slots=True)
class Conflict:
    """A fact under a natural key that another body holds already."""

    kind: str
    source: str
    id: str
    version: int
    fingerprint: bytes
    body: str


async def together(connection: asyncpg.Connection) -> None:
    """Store touchpoints beside other batches of touchpoints, but not while deals, links or programs are stored."""
    await connection.execute(_TOGETHER)


async def alone(connection: asyncpg.Connection) -> None:
    """Store deals, links or programs while nobody else stores facts."""
    await connection.execute(_ALONE)


async def save_touchpoints(connection: asyncpg.Connection, rows: Sequence[TouchRow]) -> set[tuple[str, str]]:
    """Store touchpoints; returns the natural keys that another body holds. The earliest report of a repeat counts."""
    try:
        async with connection.transaction():  # a savepoint: COPY is the fastest way in, but takes no repeats
            await connection.copy_records_to_table(
                "touchpoint", schema_name="attribution", columns=TouchRow._fields, records=rows
            )
    except asyncpg.UniqueViolationError:
        return await _save_with_repeats(connection, rows)
    return set()


async def _save_with_repeats(connection: asyncpg.Connection, rows: Sequence[TouchRow]) -> set[tuple[str, str]]:
    columns = [list(column) for column in zip(*rows, strict=True)]
    await connection.execute(_SAVE_TOUCHPOINTS, *columns)
    sources, ids, received_at, fingerprints = columns[0], columns[1], columns[5], columns[11]
    others = await connection.fetch(_REPEATED_TOUCHPOINTS, sources, ids, received_at, fingerprints)
    return {(row["source"], row["id"]) for row in others}


async def save_traces(connection: asyncpg.Connection, traces: Sequence[tuple[str, str, str]]) -> None:
    """Remember the traces of touchpoints that have one, so that the credit they lead to can point back to them."""
    if traces:
        await connection.execute(_SAVE_TRACES, *map(list, zip(*traces, strict=True)))


async def resolve(connection: asyncpg.Connection, keys: Collection[str]) -> Mapping[str, Resolved]:
    """The accounts of those keys that belong to one."""
    rows = await connection.fetch(_RESOLVE, list(keys)) if keys else []
    return {row["key"]: Resolved(row["account_id"], row["won"]) for row in rows}


async def save_ambiguous(connection: asyncpg.Connection, touchpoints: Sequence[tuple[str, str]]) -> None:
    """Remember touchpoints whose two keys belong to two accounts, for the review list."""
    if touchpoints:
        await connection.execute(_SAVE_AMBIGUOUS, *map(list, zip(*touchpoints, strict=True)))


async def save_deal_versions(
    connection: asyncpg.Connection, facts: Sequence[DealVersion]
) -> tuple[list[DealVersion], list[DealVersion]]:
    """Store deal snapshots; returns those that are new, and those whose natural key another body holds."""
    rows = [(f.source, f.id, f.version, f.body, f.fingerprint) for f in facts]
    columns = [list(column) for column in zip(*rows, strict=True)]
    stored = {tuple(row) for row in await connection.fetch(_SAVE_DEAL_VERSIONS, *columns)}
    fresh = [f for f in facts if (f.source, f.id, f.version) in stored]
    if len(fresh) == len(facts):
        return fresh, []
    others = {tuple(row) for row in await connection.fetch(_OTHER_DEAL_VERSIONS, *columns[:3], columns[4])}
    return fresh, [f for f in facts if (f.source, f.id, f.version) in others]


async def known_deals(connection: asyncpg.Connection, deals: Collection[DealKey]) -> Mapping[DealKey, Known]:
    """What is stored of these deals."""
    rows = await connection.fetch(_DEALS, *map(list, zip(*deals, strict=True)))
    return {(row["source"], row["deal_id"]): Known(row["version"], row["credited"]) for row in rows}


async def point_deals(connection: asyncpg.Connection, newest: Sequence[tuple[DealVersion, int]]) -> None:
    """Make these versions, each with its account, the present state of their deals."""
    rows = [
        (d.source, d.id, d.version, account, d.keyed, d.stage, d.name, d.amount_minor, d.currency, d.closed_at)
        for d, account in newest
    ]
    if rows:
        await connection.execute(_POINT_DEALS, *map(list, zip(*rows, strict=True)))


async def open_accounts(connection: asyncpg.Connection, count: int) -> list[int]:
    """Ids of that many new accounts."""
    return [row["account_id"] for row in await connection.fetch(_OPEN_ACCOUNTS, count)] if count else []


async def save_keys(connection: asyncpg.Connection, accounts: Mapping[str, int]) -> None:
    """Give keys that belong to no account yet to theirs."""
    if accounts:
        await connection.execute(_SAVE_KEYS, list(accounts), list(accounts.values()))


async def merge_accounts(connection: asyncpg.Connection, survivors: Mapping[int, int]) -> None:
    """Let each loser's keys and deals belong to its survivor."""
    if survivors:
        await connection.execute(_MERGE, list(survivors), list(survivors.values()))


async def bystanders(connection: asyncpg.Connection, new_keys: Collection[str]) -> list[int]:
    """Accounts that lose touchpoints because these keys, new to another account, make them ambiguous."""
    return [row["account_id"] for row in await connection.fetch(_BYSTANDERS, list(new_keys))] if new_keys else []


async def save_programs(
    connection: asyncpg.Connection, facts: Sequence[ProgramVersion], traceparent: str | None
) -> list[ProgramVersion]:
    """Store program versions, mark every account they may govern, and return those another body holds."""
    rows = [(f.program, f.version, f.effective_from, f.document, f.received_at, f.fingerprint) for f in facts]
    columns = [list(column) for column in zip(*rows, strict=True)]
    stored = await connection.fetch(_SAVE_PROGRAMS, *columns)
    if stored:
        await connection.execute(_MARK_GOVERNED, min(row["effective_from"] for row in stored), traceparent)
    others = {tuple(row) for row in await connection.fetch(_OTHER_PROGRAMS, columns[0], columns[1], columns[5])}
    return [f for f in facts if (f.program, f.version) in others]


async def mark(connection: asyncpg.Connection, accounts: Mapping[int, str | None]) -> None:
    """Mark accounts dirty, each with the trace of the message that caused it."""
    if accounts:
        await connection.execute(_MARK, list(accounts), list(accounts.values()))


async def save_conflicts(connection: asyncpg.Connection, conflicts: Iterable[Conflict]) -> None:
    """Keep what contradicts a stored fact; it is shown, never applied."""
    rows = [(c.kind, c.source, c.id, c.version, c.fingerprint, c.body) for c in conflicts]
    if rows:
        await connection.execute(_SAVE_CONFLICTS, *map(list, zip(*rows, strict=True)))
