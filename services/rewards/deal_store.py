"""The SQL that reads what concerns a set of deals: their facts, and what the ledger holds of them. Never commits."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final, NamedTuple

import asyncpg
import orjson

from services.rewards import store
from services.rewards.domain.inputs import Credit, Credited, Rerate, Standing, Terms
from services.rewards.domain.journal import Owed, Posted
from shared import program
from shared.events.credit import Influence, Status
from shared.events.deal import Kind
from shared.program import Program

Deal = tuple[str, str]
"""A deal's natural key: (source, id)."""

FRACTIONS_KEPT: Final = 10_000
"""Parsed fractions kept: the parts of shares repeat from deal to deal, and parsing one takes microseconds."""

# What most deals have nothing of is asked here, so that it takes a statement of its own only where there is something.
# Scalar subqueries: EXISTS may be answered by hashing the whole table instead of a look-up per deal.
_CREDITS: Final = """
SELECT s.deal_source, s.deal_id, s.revision, s.status, s.governed_on, s.program, s.program_version, s.currency, s.cause,
    s.partners, s.shares, s.credited_minor, s.amount_minor, s.kind, s.region, s.product, s.margin_minor,
    s.first_year_minor, s.first_closed_on, s.influences, s.activities,
    (SELECT true FROM rewards.receipt r WHERE r.source = n.source AND r.deal_id = n.id LIMIT 1) AS has_receipts,
    (SELECT true FROM rewards.earning_line l WHERE l.deal_source = n.source AND l.deal_id = n.id LIMIT 1) AS has_lines,
    (SELECT true FROM rewards.rerate o WHERE o.program = s.program AND o.last >= s.governed_on
        AND o.first <= s.governed_on LIMIT 1) AS is_rerated
FROM unnest($1::text[], $2::text[]) AS n (source, id)
CROSS JOIN LATERAL (
    SELECT * FROM rewards.credit_snapshot c WHERE c.deal_source = n.source AND c.deal_id = n.id
    ORDER BY c.revision DESC LIMIT 1) AS s
"""
_STANDINGS: Final = """
SELECT partner, version, tier, tier_since, kind, recruiter, currency FROM rewards.partner_version
WHERE partner = ANY($1::text[])
"""
_RERATES: Final = """
SELECT rerate_id, program, version, first, last, reason FROM rewards.rerate WHERE program = ANY($1::text[])
ORDER BY rerate_id
"""
_PROGRAMS: Final = """
SELECT v.document FROM unnest($1::text[], $2::integer[]) AS n (program, version)
JOIN rewards.program_version v USING (program, version)
"""
POSTED_SUMS: Final = """count(DISTINCT j.journal_id) AS journals,
        max(j.journal_id) AS journal_id,
        (array_agg(j.recorded_at ORDER BY j.journal_id DESC))[1] AS recorded_at,
        (- coalesce(sum(e.amount_minor) FILTER (WHERE a.role = 'pending'), 0))::bigint AS pending,
        (- coalesce(sum(e.amount_minor) FILTER (WHERE a.role = 'payable'), 0))::bigint AS payable"""
"""What `posted` reads, of journals j with their legs e and accounts a."""
# The ledger itself says what is posted; the last journal's reason tells what a further one changes.
_POSTED: Final = f"""
SELECT p.*, l.effective_on, l.reason FROM (
    SELECT j.deal_source, j.deal_id, j.partner, j.plan, e.currency, {POSTED_SUMS}
    FROM unnest($1::text[], $2::text[]) AS n (source, id)
    JOIN rewards.journal j ON j.deal_source = n.source AND j.deal_id = n.id
    JOIN rewards.entry e USING (journal_id, recorded_at)
    JOIN rewards.account a USING (account_id)
    GROUP BY j.deal_source, j.deal_id, j.partner, j.plan, e.currency) AS p
JOIN rewards.journal l USING (journal_id, recorded_at)
"""  # noqa: S608  a constant of ours
_BODY: Final = """
SELECT body FROM rewards.credit_snapshot WHERE deal_source = $1 AND deal_id = $2 ORDER BY revision DESC LIMIT 1
"""
_JOURNALS: Final = """
SELECT journal_id, kind, partner, plan, adjusts_journal_id, effective_on, recorded_at, reason FROM rewards.journal
WHERE deal_source = $1 AND deal_id = $2 AND ($3::text IS NULL OR partner = $3) ORDER BY journal_id
"""


class Found(NamedTuple):
    """The credit of a set of deals, those with receipts, those with lines, and programs with orders on one of them."""

    credits: Sequence[Credit]
    with_receipts: Sequence[Deal]
    with_lines: Sequence[Deal]
    rerated: Collection[str]


async def load_credits(connection: asyncpg.Connection, deals: Sequence[Deal]) -> Found:
    """The newest credit snapshot of each deal; a deal without one is missing from the answer."""
    rows = await connection.fetch(_CREDITS, *store.columns(deals))
    return Found(
        [_credit(row) for row in rows],
        [(row["deal_source"], row["deal_id"]) for row in rows if row["has_receipts"]],
        [(row["deal_source"], row["deal_id"]) for row in rows if row["has_lines"]],
        {row["program"] for row in rows if row["is_rerated"]},
    )


def _credit(row: asyncpg.Record) -> Credit:
    terms = None
    governed = (row["program"], row["program_version"], row["governed_on"], row["currency"])
    if row["status"] != Status.NOT_WON and None not in governed:
        terms = Terms(
            *governed, amount_minor=row["amount_minor"], kind=Kind(row["kind"] or Kind.NEW), region=row["region"],
            product=row["product"], margin_minor=row["margin_minor"], first_year_minor=row["first_year_minor"],
            first_closed_on=row["first_closed_on"],
        )  # fmt: skip
    return Credit(row["deal_source"], row["deal_id"], row["revision"], row["cause"], terms, tuple(_shares(row)))


def _shares(row: asyncpg.Record) -> Iterable[Credited]:
    partners, stored = row["partners"], row["activities"]
    influences = row["influences"] or [None] * len(partners)
    activities = orjson.loads(stored) if stored is not None else [{}] * len(partners)
    columns = (partners, row["shares"], row["credited_minor"], influences, activities)
    for name, share, minor, influence, parts in zip(*columns, strict=True):
        yield Credited(
            name, share, minor, Influence(influence) if influence else None,
            {activity: _fraction(part) for activity, part in parts.items()},
        )  # fmt: skip


@lru_cache(FRACTIONS_KEPT)
def _fraction(text: str) -> Fraction:
    return Fraction(text)


async def load_standings(connection: asyncpg.Connection, partners: Collection[str]) -> dict[str, list[Standing]]:
    """What the directory says of those of the partners it knows."""
    found: dict[str, list[Standing]] = {}
    for row in await connection.fetch(_STANDINGS, list(partners)) if partners else ():
        partner, *rest = row.values()
        found.setdefault(partner, []).append(Standing(*rest))
    return found


async def load_rerates(connection: asyncpg.Connection, programs: Collection[str]) -> list[Rerate]:
    """All orders on those programs, in the order they came."""
    return [Rerate(*row.values()) for row in await connection.fetch(_RERATES, list(programs))] if programs else []


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
        of_deal[place] = posted(row, of_deal.get(place))
    return found


def posted(row: asyncpg.Record, before: Posted | None) -> Posted:
    """What a row says is posted of its place, with what a row of another currency said `before`."""
    owed = {row["currency"]: Owed(row["pending"], row["payable"])}
    new = Posted(row["journals"], row["journal_id"], row["effective_on"], orjson.loads(row["reason"]), owed)
    return new if before is None else _merged(before, new)


def _merged(one: Posted, other: Posted) -> Posted:
    """The same partner and plan posted in two currencies: the deal's was corrected, or what the program pays in."""
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
