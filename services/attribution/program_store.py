"""All SQL of program versions. Never commits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

import asyncpg

from services.attribution.domain.parse import ProgramVersion

_EVER: Final = date(1900, 1, 1)  # before any instant we accept
_SAVE_PROGRAMS: Final = """
INSERT INTO attribution.program_version (program, version, effective_from, document, received_at, fingerprint)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::date[], $4::jsonb[], $5::timestamptz[], $6::bytea[])
ON CONFLICT DO NOTHING RETURNING program, version
"""
_RECURRED: Final = """
SELECT EXISTS (
    SELECT FROM attribution.program_version WHERE document @? '$.compensation.plans.*.recurring ? (@ <> null)')
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


async def save_programs(
    connection: asyncpg.Connection, facts: Sequence[ProgramVersion], traceparent: str | None
) -> list[ProgramVersion]:
    """Store program versions, mark every account they may govern, and return those another body holds."""
    rows = [(f.program, f.version, f.effective_from, f.document, f.received_at, f.fingerprint) for f in facts]
    columns = [list(column) for column in zip(*rows, strict=True)]
    # Once any version asks for the account's first deal, the credit of every won deal tells it, whoever governs that.
    asked = not any(f.recurs for f in facts) or await connection.fetchval(_RECURRED)
    stored = {tuple(row) for row in await connection.fetch(_SAVE_PROGRAMS, *columns)}
    since = [_EVER if f.recurs and not asked else f.effective_from for f in facts if (f.program, f.version) in stored]
    if since:
        await connection.execute(_MARK_GOVERNED, min(since), traceparent)
    others = {tuple(row) for row in await connection.fetch(_OTHER_PROGRAMS, columns[0], columns[1], columns[5])}
    return [f for f in facts if (f.program, f.version) in others]
