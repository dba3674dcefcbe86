"""All SQL of accounts: which keys are one unit of work, and what was stated about them. Never commits."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from services.attribution.domain.links import Graph, Link
from services.attribution.domain.statements import About, AccountStatement
from services.attribution.store import as_json

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
), dated AS (
    UPDATE attribution.account a SET dated = true FROM merged m JOIN attribution.account l ON l.account_id = m.loser
    WHERE a.account_id = m.survivor AND l.dated
), keys AS (
    UPDATE attribution.account_key k SET account_id = m.survivor FROM merged m WHERE k.account_id = m.loser
), statements AS (
    UPDATE attribution.account_statement s SET account_id = m.survivor FROM merged m WHERE s.account_id = m.loser
)
UPDATE attribution.deal d SET account_id = m.survivor FROM merged m WHERE d.account_id = m.loser
"""
_BYSTANDERS: Final = """
WITH hit AS (
    SELECT t.source, t.id, theirs.account_id
    FROM unnest($1::text[]) AS n (key) JOIN attribution.account_key mine ON mine.key = n.key
    JOIN attribution.touchpoint t ON t.id_key = n.key
    JOIN attribution.account_key theirs ON theirs.key = t.domain_key
    WHERE theirs.account_id <> mine.account_id
    UNION ALL
    SELECT t.source, t.id, theirs.account_id
    FROM unnest($1::text[]) AS n (key) JOIN attribution.account_key mine ON mine.key = n.key
    JOIN attribution.touchpoint t ON t.domain_key = n.key
    JOIN attribution.account_key theirs ON theirs.key = t.id_key
    WHERE theirs.account_id <> mine.account_id
), noted AS (
    INSERT INTO attribution.ambiguous_touchpoint (source, id) SELECT source, id FROM hit ON CONFLICT DO NOTHING
)
SELECT DISTINCT account_id FROM hit
"""
_OWN_KEYS: Final = """
SELECT d.name_key, d.keys[1] AS own FROM attribution.deal d WHERE d.name_key = ANY($1::text[])
"""
_SAVE_STATEMENTS: Final = """
INSERT INTO attribution.account_statement (about, source, id, version, account_id, keys, effective_from, undone,
    received_at, body, fingerprint)
SELECT about, source, id, version, account, ARRAY(SELECT jsonb_array_elements_text(keys)), day, undone, at, body, print
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::jsonb[], $7::date[], $8::boolean[],
    $9::timestamptz[], $10::jsonb[], $11::bytea[]) AS n (about, source, id, version, account, keys, day, undone, at,
    body, print)
ON CONFLICT DO NOTHING RETURNING about, source, id, version
"""
_OTHER_STATEMENTS: Final = """
SELECT s.about, s.source, s.id, s.version
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bytea[]) AS n (about, source, id, version, print)
JOIN attribution.account_statement s
    ON s.about = n.about AND s.source = n.source AND s.id = n.id AND s.version = n.version
WHERE s.fingerprint <> n.print
"""
# Another version of a statement may name other accounts, or none: all of them are looked at again.
_NOTE_STATED: Final = """
WITH stated AS (
    SELECT s.about, s.source, s.id,
           bool_or(s.about = 'separated' OR s.effective_from IS NOT NULL OR s.undone) OR count(*) > 1 AS dated
    FROM (SELECT DISTINCT * FROM unnest($1::text[], $2::text[], $3::text[]) AS n (about, source, id)) AS n
    JOIN attribution.account_statement s ON s.about = n.about AND s.source = n.source AND s.id = n.id
    GROUP BY s.about, s.source, s.id
), concerned AS (
    SELECT s.account_id, bool_or(t.dated) AS dated FROM stated t
    JOIN attribution.account_statement s ON s.about = t.about AND s.source = t.source AND s.id = t.id
    WHERE s.account_id IS NOT NULL GROUP BY s.account_id
), noted AS (
    UPDATE attribution.account a SET dated = true FROM concerned c WHERE a.account_id = c.account_id AND c.dated
)
SELECT account_id FROM concerned
"""
_NOTE_DATED: Final = "UPDATE attribution.account SET dated = true WHERE account_id = ANY($1::bigint[]) AND NOT dated"
_DATED: Final = "SELECT account_id FROM attribution.account WHERE account_id = ANY($1::bigint[]) AND dated"
# The newest version may be in another unit.
_STATEMENTS_OF: Final = """
SELECT s.account_id, s.about, s.keys, s.effective_from FROM attribution.account_statement s
WHERE s.account_id = ANY($1::bigint[]) AND NOT s.undone AND NOT EXISTS (
    SELECT FROM attribution.account_statement n
    WHERE n.about = s.about AND n.source = s.source AND n.id = s.id AND n.version > s.version)
ORDER BY s.account_id, s.about, s.source, s.id
"""
# All keys of a snapshot are of one unit, whatever account its deal belongs to by now. Of names, the present one counts.
_DEAL_KEYS_OF: Final = """
SELECT DISTINCT k.account_id, v.keys || array_remove(ARRAY[d.name_key], NULL) AS keys
FROM attribution.account_key k
JOIN attribution.deal_version v ON v.keys[1] = k.key
LEFT JOIN attribution.deal d ON d.source = v.source AND d.deal_id = v.deal_id AND d.version = v.version
WHERE k.account_id = ANY($1::bigint[])
"""
SHOWN_STATEMENTS: Final = 200
"""Statements shown with an account, the newest first; a company has a handful."""
_UNIT: Final = """
SELECT ARRAY(SELECT key FROM attribution.account_key WHERE account_id = $1 ORDER BY key) AS keys,
       ARRAY(SELECT DISTINCT n.name FROM attribution.account_key k
             JOIN attribution.account_name n ON n.account_key = k.key WHERE k.account_id = $1 ORDER BY n.name) AS names,
       (SELECT count(*) FROM attribution.deal WHERE account_id = $1) AS deals
"""
_SHOWN_STATEMENTS: Final = """
SELECT about, source, id, version, keys, effective_from, undone, received_at, body
FROM attribution.account_statement WHERE account_id = $1 ORDER BY received_at DESC, source, id, version LIMIT $2
"""


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


async def own_keys(connection: asyncpg.Connection, name_keys: Collection[str]) -> list[tuple[str, str]]:
    """Deals without a strong key that call their account so: (name key, the deal's own key)."""
    rows = await connection.fetch(_OWN_KEYS, list(name_keys)) if name_keys else []
    return [(row["name_key"], row["own"]) for row in rows]


async def note_dated(connection: asyncpg.Connection, accounts: Collection[int]) -> None:
    """Note that what is one company in these units must be computed."""
    if accounts:
        await connection.execute(_NOTE_DATED, list(accounts))


async def dated(connection: asyncpg.Connection, accounts: Collection[int]) -> list[int]:
    """Those of these units in which it must."""
    return [row["account_id"] for row in await connection.fetch(_DATED, list(accounts))] if accounts else []


async def save_statements(
    connection: asyncpg.Connection, rows: Sequence[AccountStatement], accounts: Mapping[str, int]
) -> tuple[list[AccountStatement], list[int]]:
    """Store statements; returns those whose natural key another body holds, and the accounts they concern."""
    values = [
        (r.about, r.source, r.id, r.version, accounts[r.keys[0]] if r.keys else None, as_json(r.keys),
         r.effective_from, r.undone, r.received_at, r.body, r.fingerprint)
        for r in rows
    ]  # fmt: skip
    columns = [list(column) for column in zip(*values, strict=True)]
    stored = {tuple(row) for row in await connection.fetch(_SAVE_STATEMENTS, *columns)}
    others = {tuple(row) for row in await connection.fetch(_OTHER_STATEMENTS, *columns[:4], columns[10])}
    fresh = [r for r in rows if (r.about, r.source, r.id, r.version) in stored]
    named = [[r.about for r in fresh], [r.source for r in fresh], [r.id for r in fresh]]
    concerned = [row["account_id"] for row in await connection.fetch(_NOTE_STATED, *named)] if fresh else []
    return [r for r in rows if (r.about, r.source, r.id, r.version) in others], concerned


async def graphs(connection: asyncpg.Connection, accounts: Sequence[int]) -> dict[int, Graph]:
    """All that links the keys of these units: the statements in force, and the keys of every deal snapshot."""
    if not accounts:
        return {}
    links: dict[int, list[Link]] = {account: [] for account in accounts}
    for row in await connection.fetch(_STATEMENTS_OF, accounts):
        if row["keys"]:
            apart = row["about"] == About.SEPARATED
            links[row["account_id"]].append(Link(tuple(row["keys"]), apart, row["effective_from"]))
    deals: dict[int, list[tuple[str, ...]]] = {account: [] for account in accounts}
    for row in await connection.fetch(_DEAL_KEYS_OF, accounts):
        deals[row["account_id"]].append(tuple(row["keys"]))
    return {account: Graph(tuple(links[account]), tuple(deals[account])) for account in accounts}


@dataclass(frozen=True, slots=True)
class Unit:
    """An account as its page shows it: all keys ever linked, names, statements with bodies, and what links them."""

    keys: tuple[str, ...]
    names: tuple[str, ...]
    statements: Sequence[asyncpg.Record]
    graph: Graph
    deals: int


async def account(connection: asyncpg.Connection, key: str) -> Unit | None:
    """The unit a key belongs to, or None when it belongs to none."""
    found = await connection.fetchval("SELECT account_id FROM attribution.account_key WHERE key = $1", key)
    if found is None:
        return None
    row = await connection.fetchrow(_UNIT, found)
    statements = await connection.fetch(_SHOWN_STATEMENTS, found, SHOWN_STATEMENTS)
    graph = (await graphs(connection, [found]))[found]
    return Unit(tuple(row["keys"]), tuple(row["names"]), statements, graph, row["deals"])
