"""All SQL of review decisions, and of what they change. Never commits.

A decision's effect is told by the latest one on its item, so decisions may come in any order, and before the facts they
are about.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import asyncpg
import orjson

from services.attribution.domain import parse
from services.attribution.domain.facts import FactKey
from services.attribution.domain.parse import DealVersion, TouchRow
from services.attribution.store import as_json
from shared.events.review import Kind, ReviewDecided, Verdict

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
_CONFLICTS: Final = """
SELECT c.kind, c.source, c.id, c.version, c.fingerprint, c.body
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bytea[]) AS n (kind, source, id, version, print)
JOIN attribution.conflict c ON c.kind = n.kind AND c.source = n.source AND c.id = n.id AND c.version = n.version
    AND c.fingerprint = n.print
"""
# What is replaced is kept as a conflict in its turn: nothing is lost, and the choice can be taken back.
_REPLACE_TOUCHPOINT: Final = """
WITH kept AS (
    INSERT INTO attribution.replaced (kind, source, id, version, content)
    SELECT 'touchpoint', t.source, t.id, 0, to_jsonb(t) FROM attribution.touchpoint t
    WHERE t.source = $1 AND t.id = $2 ON CONFLICT DO NOTHING
)
UPDATE attribution.touchpoint SET partner = $3, activity = $4, occurred_at = $5, id_key = $6, domain_key = $7,
    name_key = $8, account_name = $9, evidence = $10, details = $11, fingerprint = $12
WHERE source = $1 AND id = $2
"""
_RESTORE_TOUCHPOINT: Final = """
WITH original AS (
    DELETE FROM attribution.replaced WHERE kind = 'touchpoint' AND source = $1 AND id = $2 RETURNING content
), row AS (
    SELECT (jsonb_populate_record(NULL::attribution.touchpoint, content)).* FROM original
)
UPDATE attribution.touchpoint t SET partner = r.partner, activity = r.activity, occurred_at = r.occurred_at,
    id_key = r.id_key, domain_key = r.domain_key, name_key = r.name_key, account_name = r.account_name,
    evidence = r.evidence, details = r.details, fingerprint = r.fingerprint
FROM row r WHERE t.source = r.source AND t.id = r.id
"""
_REPLACE_DEAL: Final = """
WITH kept AS (
    INSERT INTO attribution.replaced (kind, source, id, version, content)
    SELECT 'deal', v.source, v.deal_id, v.version, v.body FROM attribution.deal_version v
    WHERE v.source = $1 AND v.deal_id = $2 AND v.version = $3 ON CONFLICT DO NOTHING
)
UPDATE attribution.deal_version SET body = $4, fingerprint = $5, keys = $6
WHERE source = $1 AND deal_id = $2 AND version = $3
"""
_ORIGINAL_DEAL: Final = """
DELETE FROM attribution.replaced WHERE kind = 'deal' AND source = $1 AND id = $2 AND version = $3 RETURNING content
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


async def conflicting(
    connection: asyncpg.Connection, items: Sequence[tuple[str, str, str, int, bytes]]
) -> dict[tuple[str, str, str, int, bytes], bytes]:
    """The bodies of these conflicts (kind, source, id, version, fingerprint), of those that are known."""
    rows = await connection.fetch(_CONFLICTS, *map(list, zip(*items, strict=True))) if items else []
    return {tuple(row[:5]): row["body"].encode() for row in rows}


async def replace_touchpoint(connection: asyncpg.Connection, row: TouchRow) -> None:
    """Let a touchpoint say what a contradicting repeat of it says."""
    await connection.execute(
        _REPLACE_TOUCHPOINT, row.source, row.id, row.partner, row.activity, row.occurred_at, row.id_key, row.domain_key,
        row.name_key, row.account_name, row.evidence, row.details, row.fingerprint,
    )  # fmt: skip


async def restore_touchpoint(connection: asyncpg.Connection, key: FactKey) -> None:
    """Let a touchpoint say again what it said first, if it was replaced."""
    await connection.execute(_RESTORE_TOUCHPOINT, *key)


async def replace_deal(connection: asyncpg.Connection, row: DealVersion, *, keep: bool = True) -> None:
    """Let a deal snapshot say what a contradicting repeat of it says; `keep` its first content to go back to."""
    await connection.execute(_REPLACE_DEAL, row.source, row.id, row.version, row.body, row.fingerprint, list(row.keys))
    if not keep:
        await connection.fetch(_ORIGINAL_DEAL, row.source, row.id, row.version)


async def original_deal(connection: asyncpg.Connection, source: str, deal_id: str, version: int) -> bytes | None:
    """The first content of a deal snapshot that was replaced, taken out of what is kept; None when it was not."""
    rows = await connection.fetch(_ORIGINAL_DEAL, source, deal_id, version)
    return orjson.dumps(orjson.loads(rows[0]["content"])) if rows else None


_EXISTS: Final[dict[Kind, str]] = {
    Kind.AMBIGUOUS_ACCOUNT: """SELECT EXISTS (SELECT FROM attribution.ambiguous_touchpoint
        WHERE source = $1 AND id = $2)""",
    Kind.UNMATCHED_TOUCHPOINT: "SELECT EXISTS (SELECT FROM attribution.touchpoint WHERE source = $1 AND id = $2)",
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
