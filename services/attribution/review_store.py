"""All SQL of review decisions, and of what they change. Never commits.

A decision's effect is told by the latest one on its item, so decisions may come in any order, and before the facts they
are about.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

import asyncpg

from services.attribution.domain import parse
from services.attribution.domain.facts import FactKey
from services.attribution.domain.parse import DealVersion, TouchRow
from services.attribution.store import as_json
from shared.events.review import Kind, ReviewDecided, Verdict

Fact = tuple[str, str, str, int]
"""A fact by kind and natural key; the version of a touchpoint is 0."""

_SAVE: Final = """
INSERT INTO attribution.review_decision (id, kind, item, verdict, account, why, by, key, decided_at, fingerprint)
SELECT id, kind, ARRAY(SELECT jsonb_array_elements_text(item)), verdict, account, why, by, key, at, print
FROM unnest($1::text[], $2::text[], $3::jsonb[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
    $9::timestamptz[], $10::bytea[]) AS n (id, kind, item, verdict, account, why, by, key, at, print)
ON CONFLICT DO NOTHING RETURNING id
"""
_COLUMNS: Final = "r.id, r.kind, r.item, r.verdict, r.account, r.why, r.by, r.key, r.decided_at"
_LATEST: Final = f"""
SELECT DISTINCT ON (r.kind, r.item) {_COLUMNS}
FROM (SELECT DISTINCT kind, ARRAY(SELECT jsonb_array_elements_text(item)) AS item
      FROM unnest($1::text[], $2::jsonb[]) AS n (kind, item)) AS wanted
JOIN attribution.review_decision r ON r.kind = wanted.kind AND r.item = wanted.item
ORDER BY r.kind, r.item, r.decided_at DESC, r.id DESC
"""  # noqa: S608  constants of this module
# All decisions about one fact's contents begin alike, and no fingerprint begins with a g.
_LAST: Final = """
SELECT max(decided_at) FROM attribution.review_decision
WHERE kind = ANY($1::text[]) AND item >= $2::text[] AND item <= $3::text[]
"""
_ONE: Final = f"SELECT {_COLUMNS}, r.fingerprint FROM attribution.review_decision r WHERE r.id = $1"  # noqa: S608  as above
_SAVE_ASSIGNMENTS: Final = """
INSERT INTO attribution.assignment AS a (source, id, account_key, pending)
SELECT source, id, key, true FROM unnest($1::text[], $2::text[], $3::text[]) AS n (source, id, key)
ON CONFLICT (source, id) DO UPDATE SET account_key = excluded.account_key, pending = true
WHERE a.account_key IS DISTINCT FROM excluded.account_key
"""
_ADMIT: Final = """
INSERT INTO attribution.late_claim AS c (source, id, deal_source, deal_id, admitted)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::boolean[])
ON CONFLICT (deal_source, deal_id, source, id) DO UPDATE SET admitted = excluded.admitted
"""
_ACCOUNTS_OF_DEALS: Final = """
SELECT d.account_id FROM unnest($1::text[], $2::text[]) AS n (source, id)
JOIN attribution.deal d ON d.source = n.source AND d.deal_id = n.id
"""
# Of the contents accepted for a fact, the one decided on last.
_CHOSEN: Final = """
SELECT DISTINCT ON (c.kind, c.source, c.id, c.version) c.kind, c.source, c.id, c.version, c.body
FROM (SELECT DISTINCT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS n (kind, source, id, version))
    AS n
JOIN attribution.conflict c ON c.kind = n.kind AND c.source = n.source AND c.id = n.id AND c.version = n.version
CROSS JOIN LATERAL (
    SELECT r.verdict, r.decided_at, r.id FROM attribution.review_decision r
    WHERE r.kind = 'conflict'
        AND r.item = ARRAY[c.kind, c.source, c.id, c.version::text, encode(c.fingerprint, 'hex')]
    ORDER BY r.decided_at DESC, r.id DESC LIMIT 1) r
WHERE r.verdict = 'accept'
ORDER BY c.kind, c.source, c.id, c.version, r.decided_at DESC, r.id DESC
"""
# What is replaced is kept: nothing is lost, and the choice can be taken back.
_REPLACE_TOUCHPOINTS: Final = """
WITH chosen AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::text[],
        $8::text[], $9::text[], $10::text[], $11::jsonb[], $12::bytea[]) AS n (source, id, partner, activity,
        occurred_at, id_key, domain_key, name_key, account_name, evidence, details, fingerprint)
), kept AS (
    INSERT INTO attribution.replaced (kind, source, id, version, content)
    SELECT 'touchpoint', t.source, t.id, 0, to_jsonb(t)
    FROM chosen n JOIN attribution.touchpoint t ON t.source = n.source AND t.id = n.id ON CONFLICT DO NOTHING
)
UPDATE attribution.touchpoint t SET partner = n.partner, activity = n.activity, occurred_at = n.occurred_at,
    id_key = n.id_key, domain_key = n.domain_key, name_key = n.name_key, account_name = n.account_name,
    evidence = n.evidence, details = n.details, fingerprint = n.fingerprint
FROM chosen n WHERE t.source = n.source AND t.id = n.id
"""
_RESTORE_TOUCHPOINTS: Final = """
WITH original AS (
    DELETE FROM attribution.replaced r USING unnest($1::text[], $2::text[]) AS n (source, id)
    WHERE r.kind = 'touchpoint' AND r.source = n.source AND r.id = n.id AND r.version = 0 RETURNING r.content
), row AS (
    SELECT (jsonb_populate_record(NULL::attribution.touchpoint, content)).* FROM original
)
UPDATE attribution.touchpoint t SET partner = r.partner, activity = r.activity, occurred_at = r.occurred_at,
    id_key = r.id_key, domain_key = r.domain_key, name_key = r.name_key, account_name = r.account_name,
    evidence = r.evidence, details = r.details, fingerprint = r.fingerprint
FROM row r WHERE t.source = r.source AND t.id = r.id
"""
# An account chosen for a touchpoint is taken off before its content changes, and put on again with the new keys below.
_UNASSIGN: Final = """
WITH released AS (
    UPDATE attribution.assignment a SET pending = true, applied = false
    FROM unnest($1::text[], $2::text[]) AS n (source, id)
    WHERE a.source = n.source AND a.id = n.id AND a.applied
    RETURNING a.source, a.id, a.id_key, a.domain_key, a.name_key
)
UPDATE attribution.touchpoint t SET id_key = r.id_key, domain_key = r.domain_key, name_key = r.name_key
FROM released r WHERE t.source = r.source AND t.id = r.id
"""
_WITHDRAWN_ANEW: Final = """
UPDATE attribution.touchpoint t SET withdrawn = EXISTS (
    SELECT FROM attribution.withdrawal w WHERE w.source = t.source AND w.id = t.id AND w.partner IN ('', t.partner))
FROM unnest($1::text[], $2::text[]) AS n (source, id) WHERE t.source = n.source AND t.id = n.id
"""
_REPLACE_DEALS: Final = """
WITH chosen AS (
    SELECT source, id, version, body, print, ARRAY(SELECT jsonb_array_elements_text(keys)) AS keys
    FROM unnest($1::text[], $2::text[], $3::bigint[], $4::jsonb[], $5::bytea[], $6::jsonb[])
        AS n (source, id, version, body, print, keys)
), kept AS (
    INSERT INTO attribution.replaced (kind, source, id, version, content)
    SELECT 'deal', v.source, v.deal_id, v.version, to_jsonb(v) FROM chosen n
    JOIN attribution.deal_version v ON v.source = n.source AND v.deal_id = n.id AND v.version = n.version
    ON CONFLICT DO NOTHING
)
UPDATE attribution.deal_version v SET body = n.body, fingerprint = n.print, keys = n.keys
FROM chosen n WHERE v.source = n.source AND v.deal_id = n.id AND v.version = n.version
"""
_RESTORE_DEALS: Final = """
WITH original AS (
    DELETE FROM attribution.replaced r USING unnest($1::text[], $2::text[], $3::bigint[]) AS n (source, id, version)
    WHERE r.kind = 'deal' AND r.source = n.source AND r.id = n.id AND r.version = n.version RETURNING r.content
), row AS (
    SELECT (jsonb_populate_record(NULL::attribution.deal_version, content)).* FROM original
)
UPDATE attribution.deal_version v SET body = r.body, fingerprint = r.fingerprint, keys = r.keys
FROM row r WHERE v.source = r.source AND v.deal_id = r.deal_id AND v.version = r.version
"""
_SNAPSHOTS: Final = """
SELECT v.body, v.keys FROM unnest($1::text[], $2::text[], $3::bigint[]) AS n (source, id, version)
JOIN attribution.deal_version v ON v.source = n.source AND v.deal_id = n.id AND v.version = n.version
"""


def decision(row: asyncpg.Record) -> ReviewDecided:
    """A stored decision."""
    return ReviewDecided(
        id=row["id"], kind=Kind(row["kind"]), item=tuple(row["item"]), verdict=Verdict(row["verdict"]),
        account=row["account"], why=row["why"], by=row["by"], key=row["key"], decided_at=row["decided_at"],
    )  # fmt: skip


def fingerprint(found: ReviewDecided) -> bytes:
    """What a repeat of a decision must equal, apart from its time."""
    return parse.fingerprint(found.model_dump(mode="json", exclude={"decided_at"}))


async def save(connection: asyncpg.Connection, found: Sequence[ReviewDecided]) -> list[ReviewDecided]:
    """Store decisions; returns those that are new."""
    rows = [
        (d.id, d.kind, as_json(d.item), d.verdict, d.account, d.why, d.by, d.key, d.decided_at, fingerprint(d))
        for d in found
    ]
    stored = await connection.fetch(_SAVE, *map(list, zip(*rows, strict=True)))
    new = {row["id"] for row in stored}
    return [one for one in found if one.id in new]


async def latest(connection: asyncpg.Connection, items: Sequence[tuple[Kind, Sequence[str]]]) -> list[ReviewDecided]:
    """The decision that counts on each of these items that has one."""
    kinds, keys = [kind for kind, _ in items], [as_json(item) for _, item in items]
    return [decision(row) for row in await connection.fetch(_LATEST, kinds, keys)] if items else []


async def one(connection: asyncpg.Connection, name: str) -> tuple[ReviewDecided, bytes] | None:
    """A decision by its id, with its fingerprint."""
    row = await connection.fetchrow(_ONE, name)
    return (decision(row), row["fingerprint"]) if row else None


async def last(connection: asyncpg.Connection, kinds: Sequence[Kind], item: Sequence[str]) -> datetime | None:
    """When it was last decided on an item, under any of these kinds; for a conflict, on any about the same fact."""
    begin, end = (item[:-1], [*item[:-1], "g"]) if kinds == (Kind.CONFLICT,) else (item, item)
    found: datetime | None = await connection.fetchval(_LAST, kinds, begin, end)
    return found


async def assign(connection: asyncpg.Connection, chosen: Sequence[tuple[str, str, str | None]]) -> None:
    """Note the account of touchpoints (source, id, key), or none; `store.assign_pending` applies it."""
    if chosen:
        await connection.execute(_SAVE_ASSIGNMENTS, *map(list, zip(*chosen, strict=True)))


async def admit(connection: asyncpg.Connection, claims: Sequence[tuple[str, str, str, str, bool]]) -> list[int]:
    """Let late touchpoints count on a deal, or not; returns the deals' accounts."""
    if not claims:
        return []
    columns = [list(column) for column in zip(*claims, strict=True)]
    await connection.execute(_ADMIT, *columns)
    return [row["account_id"] for row in await connection.fetch(_ACCOUNTS_OF_DEALS, columns[2], columns[3])]


async def chosen(connection: asyncpg.Connection, facts: Collection[Fact]) -> dict[Fact, bytes]:
    """The other contents that reviewers chose for these facts, of those that have one."""
    rows = await connection.fetch(_CHOSEN, *map(list, zip(*facts, strict=True)))
    return {(row["kind"], row["source"], row["id"], row["version"]): row["body"].encode() for row in rows}


async def choose_touchpoints(connection: asyncpg.Connection, keys: Sequence[FactKey], rows: Sequence[TouchRow]) -> None:
    """Let these touchpoints say what they said first, but those of `rows` what these say; accounts stay as chosen."""
    named = [list(column) for column in zip(*keys, strict=True)]
    await connection.execute(_UNASSIGN, *named)
    await connection.execute(_RESTORE_TOUCHPOINTS, *named)
    values = [
        (r.source, r.id, r.partner, r.activity, r.occurred_at, r.id_key, r.domain_key, r.name_key, r.account_name,
         r.evidence, r.details, r.fingerprint)
        for r in rows
    ]  # fmt: skip
    if values:
        await connection.execute(_REPLACE_TOUCHPOINTS, *map(list, zip(*values, strict=True)))
    await connection.execute(_WITHDRAWN_ANEW, *named)


async def choose_deals(
    connection: asyncpg.Connection, keys: Sequence[tuple[str, str, int]], rows: Sequence[DealVersion]
) -> None:
    """Let these deal snapshots say what they said first, but those of `rows` what these say."""
    await connection.execute(_RESTORE_DEALS, *map(list, zip(*keys, strict=True)))
    values = [(r.source, r.id, r.version, r.body, r.fingerprint, as_json(r.keys)) for r in rows]
    if values:
        await connection.execute(_REPLACE_DEALS, *map(list, zip(*values, strict=True)))


async def snapshots(
    connection: asyncpg.Connection, keys: Sequence[tuple[str, str, int]]
) -> list[tuple[bytes, list[str]]]:
    """Body and account keys of these deal snapshots, of those that are known."""
    rows = await connection.fetch(_SNAPSHOTS, *map(list, zip(*keys, strict=True)))
    return [(row["body"].encode(), row["keys"]) for row in rows]


# A touchpoint that a reviewer gave to an account still is what it came as.
_UNMATCHED_TOUCHPOINT: Final = """
SELECT EXISTS (SELECT FROM attribution.touchpoint t
    LEFT JOIN attribution.assignment a ON a.source = t.source AND a.id = t.id AND a.applied
    WHERE t.source = $1 AND t.id = $2 AND CASE WHEN a.applied THEN a.id_key IS NULL AND a.domain_key IS NULL
        ELSE t.id_key IS NULL AND t.domain_key IS NULL END)
"""
_EXISTS: Final[dict[Kind, str]] = {
    Kind.AMBIGUOUS_ACCOUNT: """SELECT EXISTS (SELECT FROM attribution.ambiguous_touchpoint
        WHERE source = $1 AND id = $2)""",
    Kind.UNMATCHED_TOUCHPOINT: _UNMATCHED_TOUCHPOINT,
    Kind.UNMATCHED_DEAL: """SELECT EXISTS (SELECT FROM attribution.deal
        WHERE source = $1 AND deal_id = $2 AND NOT keyed)""",
    Kind.PROPOSAL: "SELECT EXISTS (SELECT FROM attribution.proposal WHERE name_key = $1 AND account_key = $2)",
    Kind.LATE_CLAIM: """SELECT EXISTS (SELECT FROM attribution.late_claim
        WHERE source = $1 AND id = $2 AND deal_source = $3 AND deal_id = $4)""",
    Kind.CONFLICT: """SELECT EXISTS (SELECT FROM attribution.conflict
        WHERE kind = $1 AND source = $2 AND id = $3 AND version::text = $4 AND encode(fingerprint, 'hex') = $5)""",
}


async def exists(connection: asyncpg.Connection, found: ReviewDecided) -> bool:
    """Whether there is, or was, such an item to decide."""
    known: bool = await connection.fetchval(_EXISTS[found.kind], *found.item)
    return known
