"""The SQL that reads what concerns a set of deals: their facts, and what the ledger holds of them. Never commits."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

import asyncpg
import orjson

from services.rewards import store
from services.rewards.domain.inputs import Credit, Credited, Standing, Terms
from services.rewards.domain.journal import Owed, Posted
from shared import program
from shared.events.credit import Status
from shared.program import Program

Deal = tuple[str, str]
"""A deal's natural key: (source, id)."""

_CREDITS: Final = """
SELECT s.deal_source, s.deal_id, s.revision, s.status, s.governed_on, s.program, s.program_version, s.currency, s.cause,
    s.partners, s.shares, s.credited_minor
FROM unnest($1::text[], $2::text[]) AS n (source, id)
CROSS JOIN LATERAL (
    SELECT * FROM rewards.credit_snapshot c WHERE c.deal_source = n.source AND c.deal_id = n.id
    ORDER BY c.revision DESC LIMIT 1) AS s
"""
_TIERS: Final = "SELECT partner, version, tier, tier_since FROM rewards.partner_version WHERE partner = ANY($1::text[])"
_PROGRAMS: Final = """
SELECT v.document FROM unnest($1::text[], $2::integer[]) AS n (program, version)
JOIN rewards.program_version v USING (program, version)
"""
# The ledger itself says what is posted; the last journal's reason tells what a further one changes.
_POSTED: Final = """
SELECT p.*, l.effective_on, l.reason FROM (
    SELECT j.deal_source, j.deal_id, j.partner, j.plan, e.currency, count(DISTINCT j.journal_id) AS journals,
        max(j.journal_id) AS journal_id,
        (array_agg(j.recorded_at ORDER BY j.journal_id DESC))[1] AS recorded_at,
        (- coalesce(sum(e.amount_minor) FILTER (WHERE a.role = 'pending'), 0))::bigint AS pending,
        (- coalesce(sum(e.amount_minor) FILTER (WHERE a.role = 'payable'), 0))::bigint AS payable
    FROM unnest($1::text[], $2::text[]) AS n (source, id)
    JOIN rewards.journal j ON j.deal_source = n.source AND j.deal_id = n.id
    JOIN rewards.entry e USING (journal_id, recorded_at)
    JOIN rewards.account a USING (account_id)
    GROUP BY j.deal_source, j.deal_id, j.partner, j.plan, e.currency) AS p
JOIN rewards.journal l USING (journal_id, recorded_at)
"""
_BODY: Final = """
SELECT body FROM rewards.credit_snapshot WHERE deal_source = $1 AND deal_id = $2 ORDER BY revision DESC LIMIT 1
"""
_JOURNALS: Final = """
SELECT journal_id, kind, partner, plan, adjusts_journal_id, effective_on, recorded_at, reason FROM rewards.journal
WHERE deal_source = $1 AND deal_id = $2 AND ($3::text IS NULL OR partner = $3) ORDER BY journal_id
"""


async def load_credits(connection: asyncpg.Connection, deals: Sequence[Deal]) -> list[Credit]:
    """The newest credit snapshot of each deal; a deal without one is missing from the answer."""
    rows = await connection.fetch(_CREDITS, *store.columns(deals))
    return [_credit(row) for row in rows]


def _credit(row: asyncpg.Record) -> Credit:
    terms = None
    governed = (row["program"], row["program_version"], row["governed_on"], row["currency"])
    if row["status"] != Status.NOT_WON and None not in governed:
        terms = Terms(*governed)
    shares = zip(row["partners"], row["shares"], row["credited_minor"], strict=True)
    return Credit(
        row["deal_source"], row["deal_id"], row["revision"], row["cause"], terms, tuple(Credited(*s) for s in shares)
    )


async def load_tiers(connection: asyncpg.Connection, partners: Collection[str]) -> dict[str, list[Standing]]:
    """The tier facts of those partners the directory knows."""
    tiers: dict[str, list[Standing]] = {}
    for row in await connection.fetch(_TIERS, list(partners)):
        tiers.setdefault(row["partner"], []).append(Standing(row["version"], row["tier"], row["tier_since"]))
    return tiers


async def load_programs(
    connection: asyncpg.Connection, versions: Collection[tuple[str, int]]
) -> dict[tuple[str, int], Program]:
    """Those of the program versions that are known, typed."""
    rows = await connection.fetch(_PROGRAMS, *store.columns(versions)) if versions else []
    programs = (program.parse(orjson.loads(row["document"])) for row in rows)
    return {(typed.program, typed.version): typed for typed in programs}


async def load_posted(
    connection: asyncpg.Connection, deals: Sequence[Deal]
) -> dict[Deal, dict[tuple[str, str], Posted]]:
    """What the ledger holds of each deal, per (partner, plan)."""
    found: dict[Deal, dict[tuple[str, str], Posted]] = {}
    for row in await connection.fetch(_POSTED, *store.columns(deals)):
        of_deal = found.setdefault((row["deal_source"], row["deal_id"]), {})
        place = (row["partner"], row["plan"])
        owed = {row["currency"]: Owed(row["pending"], row["payable"])}
        new = Posted(row["journals"], row["journal_id"], row["effective_on"], orjson.loads(row["reason"]), owed)
        old = of_deal.get(place)
        of_deal[place] = new if old is None else _merged(old, new)
    return found


def _merged(one: Posted, other: Posted) -> Posted:
    """The same (deal, partner, plan) posted in two currencies: the deal's currency was corrected."""
    latest = max(one, other, key=lambda posted: posted.last_journal_id)
    return Posted(
        one.journals + other.journals, latest.last_journal_id, latest.last_effective_on, latest.last_reason,
        {**one.owed, **other.owed},
    )  # fmt: skip


async def load_body(connection: asyncpg.Connection, deal: Deal) -> dict[str, Any] | None:
    """The newest `credit.decided` of a deal as it came."""
    body = await connection.fetchval(_BODY, *deal)
    return None if body is None else orjson.loads(body)


async def load_journals(connection: asyncpg.Connection, deal: Deal, partner: str | None) -> list[dict[str, Any]]:
    """What was booked for a deal, oldest first: all partners, or one."""
    return [
        {
            "id": row["journal_id"], "kind": row["kind"], "partner": row["partner"], "plan": row["plan"],
            "adjusts": row["adjusts_journal_id"], "effective_on": row["effective_on"].isoformat(),
            "recorded_at": row["recorded_at"].isoformat(), "reason": orjson.loads(row["reason"]),
        }
        for row in await connection.fetch(_JOURNALS, *deal, partner)
    ]  # fmt: skip
