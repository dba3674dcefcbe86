"""The SQL of lines and their totals: what deals add up to in each scope. Takes batches, and never commits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import asyncpg

from services.rewards import store
from services.rewards.deal_store import Deal
from services.rewards.domain import lines
from services.rewards.domain.lines import Change, Stored
from services.rewards.domain.outcomes import Claim, Line, Scope, Total

_LOAD: Final = """
SELECT l.deal_source, l.deal_id, l.partner, l.plan, l.program, l.span_partner, l.span, l.program_version, l.governed_on,
    l.base_minor, l.pending_minor, l.payable_minor
FROM unnest($1::text[], $2::text[]) AS n (source, id)
JOIN rewards.earning_line l ON l.deal_source = n.source AND l.deal_id = n.id
"""
_REMOVE: Final = """
DELETE FROM rewards.earning_line l USING unnest($1::text[], $2::text[], $3::text[], $4::text[])
    AS n (source, id, partner, plan)
WHERE l.deal_source = n.source AND l.deal_id = n.id AND l.partner = n.partner AND l.plan = n.plan
"""
_PUT: Final = """
INSERT INTO rewards.earning_line (
    deal_source, deal_id, partner, plan, program, span_partner, span, program_version, governed_on, base_minor,
    pending_minor, payable_minor)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::integer[], $9::date[],
    $10::bigint[], $11::bigint[], $12::bigint[])
ON CONFLICT (deal_source, deal_id, partner, plan) DO UPDATE SET program = excluded.program,
    span_partner = excluded.span_partner, span = excluded.span, program_version = excluded.program_version,
    governed_on = excluded.governed_on, base_minor = excluded.base_minor, pending_minor = excluded.pending_minor,
    payable_minor = excluded.payable_minor
"""
# In the order of the keys, so that two workers with deals of the same scopes wait for each other and never in a circle.
_ADD: Final = """
INSERT INTO rewards.scope_total AS t (
    program, plan, partner, span, program_version, scope_key, deals, base_minor, pending_minor, payable_minor)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::text[], $7::bigint[], $8::bigint[],
    $9::bigint[], $10::bigint[]) AS n (program, plan, partner, span, version, key, deals, base, pending, payable)
ORDER BY n.program COLLATE "C", n.plan COLLATE "C", n.partner COLLATE "C", n.span COLLATE "C", n.version
ON CONFLICT (program, plan, partner, span, program_version) DO UPDATE SET deals = t.deals + excluded.deals,
    base_minor = t.base_minor + excluded.base_minor, pending_minor = t.pending_minor + excluded.pending_minor,
    payable_minor = t.payable_minor + excluded.payable_minor
"""
_TOTALS: Final = """
SELECT scope_key, partner, program_version, deals, base_minor, pending_minor, payable_minor FROM rewards.scope_total
WHERE scope_key = ANY($1::text[])
"""
_CLAIMS: Final = """
SELECT l.program, l.plan, l.governed_on, l.deal_source, l.deal_id, l.partner, l.program_version, l.pending_minor,
    l.payable_minor
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS n (program, plan, partner, span)
JOIN rewards.earning_line l
    ON l.program = n.program AND l.plan = n.plan AND l.span_partner = n.partner AND l.span = n.span
"""


async def load(connection: asyncpg.Connection, deals: Sequence[Deal]) -> dict[Deal, list[Stored]]:
    """The lines of those deals that have any."""
    found: dict[Deal, list[Stored]] = {}
    for row in await connection.fetch(_LOAD, *store.columns(deals)) if deals else ():
        scope = Scope(row["program"], row["plan"], row["span_partner"], row["span"])
        line = Line(scope, row["program_version"], row["base_minor"])
        found.setdefault((row["deal_source"], row["deal_id"]), []).append(
            Stored(row["partner"], row["governed_on"], line, row["pending_minor"], row["payable_minor"])
        )
    return found


async def save(connection: asyncpg.Connection, changes: Sequence[Change]) -> set[str]:
    """Change the lines, add what that moves to the totals, and return the keys of the scopes concerned.

    The totals are locked until the transaction ends: call it last.
    """
    if not changes:
        return set()
    gone = [(*c.deal, c.before.partner, c.before.line.scope.plan) for c in changes if c.before and not c.after]
    put = [_row(change.deal, change.after) for change in changes if change.after]
    if gone:
        await connection.execute(_REMOVE, *store.columns(gone))
    if put:
        await connection.execute(_PUT, *store.columns(put))
    moved = lines.sums(changes)
    await connection.execute(_ADD, *store.columns([
        (s.scope.program, s.scope.plan, s.partner, s.scope.span, s.program_version, lines.key(s.scope), s.deals,
         s.base_minor, s.pending_minor, s.payable_minor)
        for s in moved
    ]))  # fmt: skip
    return {lines.key(s.scope) for s in moved}


def _row(deal: Deal, kept: Stored) -> tuple[object, ...]:
    scope = kept.line.scope
    return (
        *deal, kept.partner, scope.plan, scope.program, scope.partner, scope.span, kept.line.program_version,
        kept.governed_on, kept.line.base_minor, kept.pending_minor, kept.payable_minor,
    )  # fmt: skip


async def load_totals(connection: asyncpg.Connection, scopes: Sequence[Scope]) -> dict[Scope, list[Total]]:
    """The totals of each scope per partner and program version; one without deals any more is still told."""
    by_key = {lines.key(scope): scope for scope in scopes}
    found: dict[Scope, list[Total]] = {}
    for row in await connection.fetch(_TOTALS, list(by_key)):
        scope_key, *total = row.values()
        found.setdefault(by_key[scope_key], []).append(Total(*total))
    return found


async def load_claims(connection: asyncpg.Connection, budgets: Sequence[Scope]) -> dict[Scope, list[Claim]]:
    """All lines of each budget, in the order in which it is used up."""
    found: dict[Scope, list[Claim]] = {}
    scopes = {(scope.program, scope.plan): scope for scope in budgets}
    for row in await connection.fetch(_CLAIMS, *store.columns(budgets)) if budgets else ():
        program, plan, *claim = row.values()
        found.setdefault(scopes[program, plan], []).append(Claim(*claim))
    return {scope: sorted(claims, key=lambda claim: claim[:4]) for scope, claims in found.items()}
