"""All SQL of touchpoints, deals and marks. Each function takes a batch, runs one or two statements, and never commits.

A touchpoint marks its account only when a won deal is there to see. So that a touchpoint and a deal stored at the same
time by two consumers cannot miss each other, touchpoints are stored `together` and everything that deals with deals,
links or programs `alone`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg
import orjson

from services.attribution.domain.facts import FactKey
from services.attribution.domain.parse import DealVersion, TouchRow
from services.attribution.domain.statements import Withdrawal

_TOGETHER: Final = "SELECT pg_advisory_xact_lock_shared(hashtextextended('attribution:facts', 0))"
_ALONE: Final = "SELECT pg_advisory_xact_lock(hashtextextended('attribution:facts', 0))"
_SAVE_TOUCHPOINTS: Final = """
INSERT INTO attribution.touchpoint (source, id, partner, activity, occurred_at, received_at, id_key, domain_key,
    name_key, account_name, evidence, details, fingerprint)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::text[],
    $8::text[], $9::text[], $10::text[], $11::text[], $12::jsonb[], $13::bytea[])
ON CONFLICT DO NOTHING
"""
_REPEATED_TOUCHPOINTS: Final = """
WITH sent AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::bytea[])
        AS n (source, id, received_at, fingerprint)
), earlier AS (
    UPDATE attribution.touchpoint t SET received_at = n.received_at FROM sent n
    WHERE t.source = n.source AND t.id = n.id AND t.fingerprint = n.fingerprint AND n.received_at < t.received_at
    RETURNING t.id_key, t.domain_key, t.name_key
)
SELECT NULL AS source, NULL AS id, key FROM earlier CROSS JOIN unnest(ARRAY[id_key, domain_key, name_key]) AS k (key)
WHERE key IS NOT NULL
UNION ALL
SELECT n.source, n.id, NULL FROM sent n JOIN attribution.touchpoint t ON t.source = n.source AND t.id = n.id
WHERE t.fingerprint <> n.fingerprint AND NOT EXISTS (
    SELECT FROM attribution.replaced r WHERE r.kind = 'touchpoint' AND r.source = n.source AND r.id = n.id
        AND r.content->>'fingerprint' = n.fingerprint::text)
"""
# Asked first, once for both: nearly always nothing waits.
_WAITING: Final = """
SELECT EXISTS (SELECT FROM attribution.withdrawal WHERE pending) AS withdrawals,
       EXISTS (SELECT FROM attribution.assignment WHERE pending) AS assignments
"""
_WITHDRAW: Final = """
WITH waiting AS MATERIALIZED (
    SELECT w.source, w.id, w.partner FROM unnest($1::text[], $2::text[]) AS n (source, id)
    JOIN attribution.withdrawal w ON w.source = n.source AND w.id = n.id WHERE w.pending
), known AS (
    UPDATE attribution.withdrawal w SET pending = false
    FROM waiting n JOIN attribution.touchpoint t ON t.source = n.source AND t.id = n.id
    WHERE w.source = n.source AND w.id = n.id AND w.partner = n.partner AND n.partner IN ('', t.partner)
    RETURNING w.source, w.id
)
UPDATE attribution.touchpoint t SET withdrawn = true FROM known k WHERE t.source = k.source AND t.id = k.id
"""
_SAVE_WITHDRAWALS: Final = """
INSERT INTO attribution.withdrawal (source, id, partner, reason, received_at, pending)
SELECT source, id, coalesce(partner, ''), reason, received_at, true
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
    AS n (source, id, partner, reason, received_at)
ON CONFLICT DO NOTHING
"""
# The keys a touchpoint came with are kept the first time, so that the choice can be taken back.
_KEEP_KEYS: Final = """
UPDATE attribution.assignment a SET applied = true, id_key = t.id_key, domain_key = t.domain_key, name_key = t.name_key
FROM attribution.touchpoint t WHERE a.pending AND NOT a.applied AND t.source = a.source AND t.id = a.id
"""
_ASSIGN_PENDING: Final = """
WITH known AS (
    UPDATE attribution.assignment a SET pending = false WHERE a.pending AND a.applied RETURNING a.*
)
UPDATE attribution.touchpoint t SET
    id_key = CASE WHEN k.account_key IS NULL THEN k.id_key
        WHEN k.account_key NOT LIKE 'domain:%' AND k.account_key NOT LIKE 'name:%' THEN k.account_key END,
    domain_key = CASE WHEN k.account_key IS NULL THEN k.domain_key
        WHEN k.account_key LIKE 'domain:%' THEN k.account_key END,
    name_key = CASE WHEN k.account_key IS NULL THEN k.name_key
        WHEN k.account_key LIKE 'name:%' THEN k.account_key END
FROM known k WHERE t.source = k.source AND t.id = k.id RETURNING k.account_key
"""
_ACCOUNTS_OF_TOUCHPOINTS: Final = """
SELECT DISTINCT k.account_id
FROM unnest($1::text[], $2::text[]) AS n (source, id)
JOIN attribution.touchpoint t ON t.source = n.source AND t.id = n.id
JOIN attribution.account_key k ON k.key = ANY(ARRAY[t.id_key, t.domain_key, t.name_key])
"""
_SAVE_TRACES: Final = """
INSERT INTO attribution.touchpoint_trace (source, id, traceparent)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) ON CONFLICT DO NOTHING
"""
# (SELECT 'won'), for to a plain 'won' a plan made while deals are few prefers the index of all won deals. No EXISTS: as
# a column it may be computed for all accounts at once, by reading every won deal for each batch.
_RESOLVE: Final = """
SELECT k.key, k.account_id,
       (SELECT true FROM attribution.deal d WHERE d.account_id = k.account_id AND d.stage = (SELECT 'won') LIMIT 1)
           IS NOT NULL AS won
FROM unnest($1::text[]) AS n (key) JOIN attribution.account_key k ON k.key = n.key
"""
_SAVE_AMBIGUOUS: Final = """
INSERT INTO attribution.ambiguous_touchpoint (source, id)
SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING
"""
_NOTE_AMBIGUOUS: Final = """
INSERT INTO attribution.ambiguous_touchpoint (source, id)
SELECT t.source, t.id FROM unnest($1::text[], $2::text[]) AS n (source, id)
JOIN attribution.touchpoint t ON t.source = n.source AND t.id = n.id
JOIN attribution.account_key c ON c.key = t.id_key
JOIN attribution.account_key d ON d.key = t.domain_key
WHERE c.account_id <> d.account_id ON CONFLICT DO NOTHING
"""
_SAVE_DEAL_VERSIONS: Final = """
INSERT INTO attribution.deal_version (source, deal_id, version, body, fingerprint, keys)
SELECT source, id, version, body, fingerprint, ARRAY(SELECT jsonb_array_elements_text(keys))
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::jsonb[], $5::bytea[], $6::jsonb[])
    AS n (source, id, version, body, fingerprint, keys)
ON CONFLICT DO NOTHING RETURNING source, deal_id, version
"""
_OTHER_DEAL_VERSIONS: Final = """
SELECT n.source, n.id, n.version
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[]) AS n (source, id, version, fingerprint)
JOIN attribution.deal_version v ON v.source = n.source AND v.deal_id = n.id AND v.version = n.version
WHERE v.fingerprint <> n.fingerprint AND NOT EXISTS (
    SELECT FROM attribution.replaced r WHERE r.kind = 'deal' AND r.source = n.source AND r.id = n.id
        AND r.version = n.version AND r.content->>'fingerprint' = n.fingerprint::text)
"""
# No EXISTS, as above.
_DEALS: Final = """
SELECT d.source, d.deal_id, d.version, d.account_id,
       d.stage = 'won' OR (SELECT true FROM attribution.standing_credit s
           WHERE s.source = d.source AND s.deal_id = d.deal_id) IS NOT NULL AS credited
FROM unnest($1::text[], $2::text[]) AS n (source, id)
JOIN attribution.deal d ON d.source = n.source AND d.deal_id = n.id
"""
_POINT_DEALS: Final = """
INSERT INTO attribution.deal (source, deal_id, version, account_id, keyed, stage, name, amount_minor, currency,
    closed_at, kind, region, product, created_at, milestones, removed, merged_into, name_key, margin_minor,
    first_year_minor, keys)
SELECT source, id, version, account, keyed, stage, name, amount, currency, closed, kind, region, product, created,
    milestones, removed, merged, name_key, margin, first_year, ARRAY(SELECT jsonb_array_elements_text(keys))
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::boolean[], $6::text[], $7::text[], $8::bigint[],
    $9::text[], $10::timestamptz[], $11::text[], $12::text[], $13::text[], $14::timestamptz[], $15::jsonb[],
    $16::boolean[], $17::text[], $18::text[], $19::bigint[], $20::bigint[], $21::jsonb[]) AS n (source, id, version,
    account, keyed, stage, name, amount, currency, closed, kind, region, product, created, milestones, removed, merged,
    name_key, margin, first_year, keys)
ON CONFLICT (source, deal_id) DO UPDATE SET version = excluded.version, account_id = excluded.account_id,
    keyed = excluded.keyed, stage = excluded.stage, name = excluded.name, amount_minor = excluded.amount_minor,
    currency = excluded.currency, closed_at = excluded.closed_at, kind = excluded.kind, region = excluded.region,
    product = excluded.product, created_at = excluded.created_at, milestones = excluded.milestones,
    removed = excluded.removed, merged_into = excluded.merged_into, name_key = excluded.name_key, keys = excluded.keys,
    margin_minor = excluded.margin_minor, first_year_minor = excluded.first_year_minor
"""
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
    """What is stored of a deal: its newest version, its account, and whether credit stands or is about to."""

    version: int
    account_id: int
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


async def save_touchpoints(connection: asyncpg.Connection, rows: Sequence[TouchRow]) -> tuple[set[FactKey], set[str]]:
    """Store touchpoints. The earliest report of a repeat counts.

    Returns the natural keys that another body holds, and the account keys of touchpoints that were reported earlier
    than was known: a reviewer may have chosen others than those they came with.
    """
    try:
        async with connection.transaction():  # a savepoint: COPY is the fastest way in, but takes no repeats
            await connection.copy_records_to_table(
                "touchpoint", schema_name="attribution", columns=TouchRow._fields, records=rows
            )
    except asyncpg.UniqueViolationError:
        return await _save_with_repeats(connection, rows)
    return set(), set()


async def _save_with_repeats(connection: asyncpg.Connection, rows: Sequence[TouchRow]) -> tuple[set[FactKey], set[str]]:
    columns = {name: list(column) for name, column in zip(TouchRow._fields, zip(*rows, strict=True), strict=True)}
    await connection.execute(_SAVE_TOUCHPOINTS, *columns.values())
    names = ("source", "id", "received_at", "fingerprint")
    repeated = await connection.fetch(_REPEATED_TOUCHPOINTS, *(columns[name] for name in names))
    others = {(row["source"], row["id"]) for row in repeated if row["key"] is None}
    return others, {row["key"] for row in repeated if row["key"] is not None}


async def apply_waiting(connection: asyncpg.Connection, keys: Iterable[FactKey]) -> set[str]:
    """Apply to new touchpoints what was stated about them before they came.

    Returns the keys of the accounts that reviewers chose for them.
    """
    withdrawals, assignments = await connection.fetchrow(_WAITING)
    if withdrawals:
        await _withdraw(connection, keys)
    return await assign_pending(connection) if assignments else set()


async def _withdraw(connection: asyncpg.Connection, keys: Iterable[FactKey]) -> None:
    """Withdraw those of these touchpoints whose withdrawal came before them, or just now."""
    await connection.execute(_WITHDRAW, *map(list, zip(*keys, strict=True)))


async def assign_pending(connection: asyncpg.Connection) -> set[str]:
    """Let touchpoints belong to the accounts that reviewers chose for them; returns the keys of those accounts."""
    await connection.execute(_KEEP_KEYS)
    return {row["account_key"] for row in await connection.fetch(_ASSIGN_PENDING) if row["account_key"]}


async def save_withdrawals(connection: asyncpg.Connection, rows: Sequence[Withdrawal]) -> list[int]:
    """Store withdrawals (of each partner's the first counts) and apply them; returns their touchpoints' accounts."""
    columns = [(row.source, row.id, row.partner, row.reason, row.received_at) for row in rows]
    sources, ids, *rest = map(list, zip(*columns, strict=True))
    await connection.execute(_SAVE_WITHDRAWALS, sources, ids, *rest)
    await _withdraw(connection, zip(sources, ids, strict=True))
    return await accounts_of_touchpoints(connection, [(row.source, row.id) for row in rows])


async def accounts_of_touchpoints(connection: asyncpg.Connection, keys: Sequence[FactKey]) -> list[int]:
    """The accounts that any key of these touchpoints belongs to."""
    sources, ids = map(list, zip(*keys, strict=True)) if keys else ([], [])
    return [row["account_id"] for row in await connection.fetch(_ACCOUNTS_OF_TOUCHPOINTS, sources, ids)]


async def note_ambiguous(connection: asyncpg.Connection, keys: Sequence[FactKey]) -> None:
    """Note those of these touchpoints that name two accounts."""
    await connection.execute(_NOTE_AMBIGUOUS, *map(list, zip(*keys, strict=True)))


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
    rows = [(f.source, f.id, f.version, f.body, f.fingerprint, as_json(f.keys)) for f in facts]
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
    return {(row["source"], row["deal_id"]): Known(row["version"], row["account_id"], row["credited"]) for row in rows}


async def point_deals(connection: asyncpg.Connection, newest: Sequence[tuple[DealVersion, int]]) -> None:
    """Make these versions, each with its account, the present state of their deals."""
    rows = [
        (
            d.source, d.id, d.version, account, d.keyed, d.stage, d.name, d.amount_minor, d.currency, d.closed_at,
            d.kind, d.region, d.product, d.created_at, d.milestones, d.removed, d.merged_into, d.name_key,
            d.margin_minor, d.first_year_minor, as_json(d.keys),
        )
        for d, account in newest
    ]  # fmt: skip
    if rows:
        await connection.execute(_POINT_DEALS, *map(list, zip(*rows, strict=True)))


def as_json(values: Sequence[str]) -> str:
    """An array of texts as one value of a column of arrays, which `unnest` would flatten."""
    return orjson.dumps(values).decode()


async def mark(connection: asyncpg.Connection, accounts: Mapping[int, str | None]) -> None:
    """Mark accounts dirty, each with the trace of the message that caused it."""
    if accounts:
        await connection.execute(_MARK, list(accounts), list(accounts.values()))


async def save_conflicts(connection: asyncpg.Connection, conflicts: Iterable[Conflict]) -> None:
    """Keep what contradicts a stored fact; it is shown, never applied."""
    rows = [(c.kind, c.source, c.id, c.version, c.fingerprint, c.body) for c in conflicts]
    if rows:
        await connection.execute(_SAVE_CONFLICTS, *map(list, zip(*rows, strict=True)))
