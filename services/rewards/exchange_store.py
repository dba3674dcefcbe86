"""The SQL of exchange rates: stored as published, looked up by the days that ask. Takes batches, and never commits."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from fractions import Fraction
from typing import Final

import asyncpg

from services.rewards import store
from services.rewards.domain.facts import Fact
from services.rewards.domain.inputs import Quote
from shared import keys
from shared.events import exchange
from shared.events.exchange import RatePublished
from shared.program.compensation import MAX_RATE_AGE_DAYS

Pair = tuple[str, str, str]
"""(source, base, quote)."""

_SAVE: Final = """
INSERT INTO rewards.exchange_rate (source, base, quote, on_day, rate, fingerprint)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::date[], $5::text[], $6::bytea[])
ON CONFLICT DO NOTHING RETURNING source, on_day
"""
_CONFLICTS: Final = """
INSERT INTO rewards.conflict (event, natural_key, fingerprint, body)
SELECT $1, n.key, n.fingerprint, n.body
FROM unnest($2::text[], $3::text[], $4::text[], $5::date[], $6::text[], $7::bytea[], $8::json[])
    AS n (source, base, quote, on_day, key, fingerprint, body)
JOIN rewards.exchange_rate r
    ON r.source = n.source AND r.base = n.base AND r.quote = n.quote AND r.on_day = n.on_day
WHERE r.fingerprint <> n.fingerprint ON CONFLICT DO NOTHING
"""
# Only programs that pay by a source's rates: a bank publishes thirty each day.
_MARK: Final = """
INSERT INTO rewards.dirty (key)
SELECT DISTINCT s.deal_key FROM unnest($1::text[], $2::date[]) AS n (source, on_day)
CROSS JOIN LATERAL (
    SELECT DISTINCT v.program FROM rewards.program_version v
    WHERE v.document #>> '{compensation,exchange,source}' = n.source) p
JOIN rewards.credit_snapshot s ON s.program = p.program AND s.governed_on BETWEEN n.on_day AND n.on_day + $3::integer
"""
# The last rate on or before the day; how old it may be is the program's to say.
_LOAD: Final = """
SELECT DISTINCT n.source, n.base, n.quote, q.on_day, q.rate
FROM unnest($1::text[], $2::text[], $3::text[], $4::date[]) AS n (source, base, quote, day)
CROSS JOIN LATERAL (
    SELECT r.on_day, r.rate FROM rewards.exchange_rate r
    WHERE r.source = n.source AND r.base = n.base AND r.quote = n.quote AND r.on_day <= n.day
        AND r.on_day >= n.day - $5::integer
    ORDER BY r.on_day DESC LIMIT 1) q
ORDER BY n.source, n.base, n.quote, q.on_day
"""


async def save(connection: asyncpg.Connection, facts: Sequence[Fact[RatePublished]]) -> None:
    """Store new rates and mark the deals they may concern; other content under a known key becomes a conflict."""
    if not facts:
        return
    made = await connection.fetch(_SAVE, *store.columns([
        (e.source, e.base, e.quote, e.on, e.rate, f.fingerprint) for f in facts for e in (f.event,)
    ]))  # fmt: skip
    if made:
        days = {(row["source"], row["on_day"]) for row in made}
        await connection.execute(_MARK, *store.columns(days), MAX_RATE_AGE_DAYS)
    if len(made) < len(facts):
        await connection.execute(_CONFLICTS, exchange.PUBLISHED, *store.columns([
            (e.source, e.base, e.quote, e.on, keys.pack(e.source, e.base, e.quote, e.on.isoformat()), f.fingerprint,
             f.body)
            for f in facts for e in (f.event,)
        ]))  # fmt: skip


async def load(
    connection: asyncpg.Connection, wanted: Collection[tuple[str, str, str, date]]
) -> dict[Pair, list[Quote]]:  # fmt: skip
    """The rates that (source, base, quote, day) ask for: the last one up to each day, in the order of their days."""
    found: dict[Pair, list[Quote]] = {}
    rows = await connection.fetch(_LOAD, *store.columns(wanted), MAX_RATE_AGE_DAYS) if wanted else ()
    for row in rows:
        pair = (row["source"], row["base"], row["quote"])
        found.setdefault(pair, []).append(Quote(*pair, row["on_day"], Fraction(row["rate"])))
    return found
