"""The SQL that writes facts and marks. Every function takes a batch, runs one or two statements, and never commits.

Two facts about one deal may be stored at the same time by two consumers. A fact that looks for the deals it concerns
(a directory, program or exchange rate fact) therefore excludes credit facts meanwhile (`alone`), or each could miss the
other for ever. A receipt names its deal: its mark brings the deal back whatever else is stored.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

import asyncpg
import orjson

from services.rewards.domain.facts import Fact, PaidCredit
from shared import keys
from shared.events import credit, directory
from shared.events import program as program_events
from shared.events.directory import PartnerUpserted
from shared.events.program import ProgramActivated

_ALONE: Final = "SELECT pg_advisory_xact_lock(hashtextextended('rewards:facts', 0))"
_TOGETHER: Final = "SELECT pg_advisory_xact_lock_shared(hashtextextended('rewards:facts', 0))"
_SAVE_CREDITS: Final = """
INSERT INTO rewards.credit_snapshot (
    deal_source, deal_id, revision, deal_key, status, governed_on, program, program_version, currency, amount_minor,
    reason, cause, partners, shares, credited_minor, fingerprint, body, kind, region, product, margin_minor,
    first_year_minor, first_closed_on, influences, activities)
SELECT source, id, revision, key, status, governed_on, program, version, currency, amount, reason, cause,
    ARRAY(SELECT jsonb_array_elements_text(shared -> 0)), ARRAY(SELECT jsonb_array_elements_text(shared -> 1)),
    ARRAY(SELECT jsonb_array_elements_text(shared -> 2)::bigint), fingerprint, body, kind, region, product, margin,
    first_year, first_closed_on, ARRAY(SELECT jsonb_array_elements_text(shared -> 3)), activities
FROM unnest(
    $1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::date[], $7::text[], $8::integer[], $9::text[],
    $10::bigint[], $11::text[], $12::text[], $13::jsonb[], $14::bytea[], $15::json[], $16::text[], $17::text[],
    $18::text[], $19::bigint[], $20::bigint[], $21::date[], $22::json[]) AS n (
    source, id, revision, key, status, governed_on, program, version, currency, amount, reason, cause, shared,
    fingerprint, body, kind, region, product, margin, first_year, first_closed_on, activities)
ON CONFLICT DO NOTHING RETURNING deal_key, revision
"""
_MARK: Final = "INSERT INTO rewards.dirty (key, traceparent) SELECT * FROM unnest($1::text[], $2::text[])"
_CREDIT_CONFLICTS: Final = """
INSERT INTO rewards.conflict (event, natural_key, fingerprint, body)
SELECT $1, n.key, n.fingerprint, n.body
FROM unnest($2::text[], $3::text[], $4::bigint[], $5::text[], $6::bytea[], $7::json[])
    AS n (source, id, revision, key, fingerprint, body)
JOIN rewards.credit_snapshot s ON s.deal_source = n.source AND s.deal_id = n.id AND s.revision = n.revision
WHERE s.fingerprint <> n.fingerprint ON CONFLICT DO NOTHING
"""
_SAVE_PARTNERS: Final = """
INSERT INTO rewards.partner_version (
    partner, version, name, tier, tier_since, kind, received_at, fingerprint, recruiter, currency)
SELECT * FROM unnest(
    $1::text[], $2::bigint[], $3::text[], $4::text[], $5::date[], $6::text[], $7::timestamptz[], $8::bytea[],
    $9::text[], $10::text[])
ON CONFLICT DO NOTHING RETURNING partner, tier_since
"""
_PARTNER_CONFLICTS: Final = """
INSERT INTO rewards.conflict (event, natural_key, fingerprint, body)
SELECT $1, n.key, n.fingerprint, n.body
FROM unnest($2::text[], $3::bigint[], $4::text[], $5::bytea[], $6::json[])
    AS n (partner, version, key, fingerprint, body)
JOIN rewards.partner_version v ON v.partner = n.partner AND v.version = n.version
WHERE v.fingerprint <> n.fingerprint ON CONFLICT DO NOTHING
"""
_SAVE_PROGRAMS: Final = """
INSERT INTO rewards.program_version (program, version, document, received_at, fingerprint)
SELECT * FROM unnest($1::text[], $2::integer[], $3::jsonb[], $4::timestamptz[], $5::bytea[])
ON CONFLICT DO NOTHING RETURNING program, version
"""
_PROGRAM_CONFLICTS: Final = """
INSERT INTO rewards.conflict (event, natural_key, fingerprint, body)
SELECT $1, n.key, n.fingerprint, n.body
FROM unnest($2::text[], $3::integer[], $4::text[], $5::bytea[], $6::json[])
    AS n (program, version, key, fingerprint, body)
JOIN rewards.program_version v ON v.program = n.program AND v.version = n.version
WHERE v.fingerprint <> n.fingerprint ON CONFLICT DO NOTHING
"""
_MARK_PARTNERS: Final = """
INSERT INTO rewards.dirty (key)
SELECT DISTINCT s.deal_key FROM unnest($1::text[], $2::date[]) AS n (partner, since)
JOIN rewards.credit_snapshot s ON s.partners @> ARRAY[n.partner] AND s.governed_on >= n.since
UNION SELECT s.deal_key FROM unnest($1::text[], $2::date[]) AS n (partner, since)
JOIN rewards.partner_version r ON r.recruiter = n.partner
JOIN rewards.credit_snapshot s ON s.partners @> ARRAY[r.partner] AND s.governed_on >= n.since
UNION SELECT t.scope_key FROM rewards.scope_total t WHERE t.partner = ANY($1::text[])
"""
_MARK_PROGRAMS: Final = """
INSERT INTO rewards.dirty (key)
SELECT DISTINCT s.deal_key FROM unnest($1::text[], $2::integer[]) AS n (program, version)
JOIN rewards.credit_snapshot s ON s.program = n.program AND s.program_version = n.version
"""
_NOTE_DUE: Final = """
INSERT INTO rewards.maturity AS m (deal_key, due_at)
SELECT * FROM unnest($1::text[], $2::timestamptz[]) AS n (deal_key, due_at) ORDER BY deal_key
ON CONFLICT (deal_key) DO UPDATE SET due_at = excluded.due_at WHERE m.due_at <> excluded.due_at
"""
_FORGET_DUE: Final = "DELETE FROM rewards.maturity WHERE deal_key = ANY($1::text[])"
_MARK_DUE: Final = """
WITH due AS (
    DELETE FROM rewards.maturity WHERE deal_key IN (
        SELECT deal_key FROM rewards.maturity WHERE due_at <= $1 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED)
    RETURNING deal_key)
INSERT INTO rewards.dirty (key) SELECT deal_key FROM due
"""


async def alone(connection: asyncpg.Connection) -> None:
    """Keep every other batch of facts away until this transaction ends."""
    await connection.execute(_ALONE)


async def together(connection: asyncpg.Connection) -> None:
    """Keep only batches that must be `alone` away."""
    await connection.execute(_TOGETHER)


async def save_credits(
    connection: asyncpg.Connection, facts: Sequence[Fact[PaidCredit]], traces: Sequence[str | None]
) -> None:
    """Store new revisions and mark their deals; other content under a known revision becomes a conflict."""
    if not facts:
        return
    rows = [_credit_row(fact) for fact in facts]
    fresh = {tuple(row) for row in await connection.fetch(_SAVE_CREDITS, *columns(rows))}
    marks = {row[3]: trace for row, trace in zip(rows, traces, strict=True) if (row[3], row[2]) in fresh}
    await connection.execute(_MARK, list(marks), list(marks.values()))
    if len(fresh) < len(facts):
        await connection.execute(_CREDIT_CONFLICTS, credit.DECIDED, *columns([
            (f.event.source, f.event.id, f.event.revision, keys.pack(f.event.source, f.event.id, str(f.event.revision)),
             f.fingerprint, f.body)
            for f in facts
        ]))  # fmt: skip


def _credit_row(fact: Fact[PaidCredit]) -> tuple[str | int | bytes | object, ...]:
    event = fact.event
    shared = [
        [share.partner for share in event.shares],
        [share.share for share in event.shares],
        [str(share.amount.minor) for share in event.shares],
        [share.influence for share in event.shares],
    ]
    activities = [{part.activity: part.share for part in share.activities} for share in event.shares]
    return (
        event.source, event.id, event.revision, keys.pack(event.source, event.id), event.status, event.governed_on,
        event.program, event.program_version, event.amount.currency if event.amount else None,
        event.amount.minor if event.amount else None, event.reason, event.cause, orjson.dumps(shared).decode(),
        fact.fingerprint, fact.body, event.deal_kind, event.region, event.product,
        event.margin.minor if event.margin else None, event.first_year_value.minor if event.first_year_value else None,
        event.first_closed_on, orjson.dumps(activities).decode() if any(activities) else None,
    )  # fmt: skip


async def save_partners(connection: asyncpg.Connection, facts: Sequence[Fact[PartnerUpserted]]) -> None:
    """Store new directory versions and mark the deals closed since the stated tier holds: they may pay otherwise.

    So do the deals of those whom the partner recruited, and what its plans settle beyond single deals (quotas).
    """
    if not facts:
        return
    made = await connection.fetch(_SAVE_PARTNERS, *columns([
        (e.id, e.version, e.name, e.tier, e.tier_since, e.kind, e.received_at, f.fingerprint, e.recruiter, e.currency)
        for f in facts for e in (f.event,)
    ]))  # fmt: skip
    if made:
        await connection.execute(_MARK_PARTNERS, [r["partner"] for r in made], [r["tier_since"] for r in made])
    if len(made) < len(facts):
        await connection.execute(_PARTNER_CONFLICTS, directory.PARTNER_UPSERTED, *columns([
            (e.id, e.version, keys.pack(e.id, str(e.version)), f.fingerprint, f.body) for f in facts for e in (f.event,)
        ]))  # fmt: skip


async def save_programs(connection: asyncpg.Connection, facts: Sequence[Fact[ProgramActivated]]) -> None:
    """Store new program versions and mark the deals whose credit waits for them.

    Which version governs a deal is pinned by its credit, so a new version changes no deal of another one.
    """
    if not facts:
        return
    made = await connection.fetch(_SAVE_PROGRAMS, *columns([
        (e.program, e.version, orjson.dumps(e.document).decode(), e.received_at, f.fingerprint)
        for f in facts for e in (f.event,)
    ]))  # fmt: skip
    if made:
        await connection.execute(_MARK_PROGRAMS, [r["program"] for r in made], [r["version"] for r in made])
    if len(made) < len(facts):
        await connection.execute(_PROGRAM_CONFLICTS, program_events.ACTIVATED, *columns([
            (e.program, e.version, keys.pack(e.program, str(e.version)), f.fingerprint, f.body)
            for f in facts for e in (f.event,)
        ]))  # fmt: skip


async def mark(connection: asyncpg.Connection, marked: Collection[str], traceparent: str | None = None) -> None:
    """Mark keys of deals or scopes."""
    if marked:
        await connection.execute(_MARK, list(marked), [traceparent] * len(marked))


async def note_due(connection: asyncpg.Connection, due: Mapping[str, datetime | None]) -> None:
    """Remember per key of a deal or scope when an amount becomes payable next; None: there is none."""
    dated = [(key, at) for key, at in due.items() if at is not None]
    if dated:
        await connection.execute(_NOTE_DUE, *columns(dated))
    if len(dated) < len(due):
        await connection.execute(_FORGET_DUE, [key for key, at in due.items() if at is None])


async def mark_due(connection: asyncpg.Connection, now: datetime, limit: int) -> int:
    """Mark the deals and scopes whose hold has ended; returns how many."""
    status: str = await connection.execute(_MARK_DUE, now, limit)
    return int(status.rsplit(" ", 1)[1])


def columns(rows: Iterable[Sequence[object]]) -> list[list[object]]:
    """Rows as the arrays that `unnest` takes."""
    return [list(column) for column in zip(*rows, strict=True)]
