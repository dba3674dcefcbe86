"""Proof instead of trust: everything the ledger claims is computed again from its rows, and from the facts.

All checks read one snapshot of the database, so they may run while journals are being posted. Each says how much it
looked at, how many faults it found, and names the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from services.rewards import scopes
from services.rewards.deal_store import Deal
from services.rewards.domain.journal import Journal
from services.rewards.domain.outcomes import Scope
from services.rewards.ledger import checks, seal_check
from services.rewards.ledger.seal_check import Tally
from services.rewards.loading import Facts, Loader
from services.rewards.scopes import Scopes
from shared import database, keys

TIMEOUT_S: Final = 600.0
"""A check reads whole tables: a million journals take seconds, a slow disk with ten times as many takes minutes."""
DEALS: Final = 1_000
"""Deals computed again at a time: enough to make round trips cheap, little enough to hold in memory."""

_DEALS: Final = """
SELECT DISTINCT ON (c.deal_source, c.deal_id) c.deal_source, c.deal_id,
    EXISTS (SELECT FROM rewards.dirty d WHERE d.key = c.deal_key)
        OR EXISTS (SELECT FROM rewards.maturity m WHERE m.deal_key = c.deal_key AND m.due_at <= $4) AS waiting
FROM rewards.credit_snapshot c WHERE (c.deal_source, c.deal_id) > ($1, $2)
ORDER BY c.deal_source, c.deal_id LIMIT $3
"""
_SCOPES: Final = """
SELECT DISTINCT t.scope_key, EXISTS (SELECT FROM rewards.dirty d WHERE d.key = t.scope_key)
    OR EXISTS (SELECT FROM rewards.maturity m WHERE m.deal_key = t.scope_key AND m.due_at <= $3) AS waiting
FROM rewards.scope_total t WHERE t.scope_key > $1 ORDER BY t.scope_key LIMIT $2
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check: `first` names the first fault."""

    check: str
    examined: int
    faults: int
    first: str | None


@dataclass(frozen=True, slots=True)
class Report:
    """All findings of one run. Deals and scopes `waiting` to be reconciled have facts newer than their journals."""

    at: datetime
    findings: Sequence[Finding]
    waiting: int

    @property
    def ok(self) -> bool:
        return not any(finding.faults for finding in self.findings)


async def verify(connection: asyncpg.Connection, now: datetime, head: bytes | None = None) -> Report:
    """Run every check on one snapshot. Reads only; raises nothing but database errors.

    `head` is the hash of a block as it was kept outside the database: it must be part of the chain.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        return await examine(connection, now, head)


async def examine(connection: asyncpg.Connection, now: datetime, head: bytes | None = None) -> Report:
    """Run every check in the caller's transaction, whose isolation decides whether they see one snapshot."""
    await connection.execute("SET LOCAL work_mem = '64MB'")  # the running balances are sorted per account
    await connection.execute(database.WHOLE_TABLES)
    await connection.execute("SET LOCAL enable_nestloop = off")  # analysed yet or not
    findings = []
    for name, sql in checks.CHECKS.items():
        row = await connection.fetchrow(sql, timeout=TIMEOUT_S)
        findings.append(Finding(name, row["examined"], row["faults"], row["first"]))
    await connection.execute(database.BY_KEY)  # the facts of a thousand deals are looked up
    await connection.execute("SET LOCAL enable_nestloop = on")
    chain, journals = await seal_check.recompute(connection, TIMEOUT_S)
    findings += [_finding("every seal follows the one before it", chain)]
    findings += [_finding("every sealed journal is as it was sealed", journals)]
    if head is not None:
        findings += [_finding("the hash kept outside is part of the chain", await seal_check.find(connection, head))]
    loader = Loader()
    deals, waiting = await _recompute(connection, loader, now)
    settled, more = await _recompute_scopes(connection, loader, now)
    return Report(now, (*findings, deals, settled), waiting + more)


def _finding(check: str, tally: Tally) -> Finding:
    return Finding(check, tally.examined, tally.faults, tally.first)


async def _recompute(connection: asyncpg.Connection, loader: Loader, now: datetime) -> tuple[Finding, int]:
    """Compute every deal's target again from its facts, as the reconciler does, and compare with what is posted."""
    examined = faults = waiting = 0
    first: str | None = None
    place: Deal = ("", "")
    while rows := await connection.fetch(_DEALS, *place, DEALS, now, timeout=TIMEOUT_S):
        place = (rows[-1]["deal_source"], rows[-1]["deal_id"])
        settled = [(row["deal_source"], row["deal_id"]) for row in rows if not row["waiting"]]
        waiting += len(rows) - len(settled)
        facts = await loader.load(connection, settled)
        for fault in _faults(facts, now):
            first = first or fault
            faults += 1
        examined += len(settled)
    return Finding("posted amounts equal what the facts say", examined, faults, first), waiting


async def _recompute_scopes(connection: asyncpg.Connection, loader: Loader, now: datetime) -> tuple[Finding, int]:
    """The same for what plans settle beyond single deals, from the totals, which a check of their own proves."""
    examined = faults = waiting = 0
    first: str | None = None
    place = ""
    while rows := await connection.fetch(_SCOPES, place, DEALS, now, timeout=TIMEOUT_S):
        place = rows[-1]["scope_key"]
        settled = [Scope(*keys.unpack(row["scope_key"])) for row in rows if not row["waiting"]]
        waiting += len(rows) - len(settled)
        found = await scopes.load(connection, loader, settled)
        for fault in _scope_faults(found, now):
            first = first or fault
            faults += 1
        examined += len(settled)
    return Finding("posted true-ups equal what their deals say", examined, faults, first), waiting


def _faults(facts: Facts, now: datetime) -> list[str]:
    found = []
    for credit in facts.credits:
        target, deal = facts.target(credit, now), f"deal {credit.source}/{credit.id}"
        found += [_off(deal, missing) for missing in facts.differences(credit, target)]
        found += [f"{deal}: a line is not what its facts say" for _ in facts.changes(credit, target)]
    return found


def _scope_faults(found: Scopes, now: datetime) -> list[str]:
    return [
        _off(f"scope {scope.span} of program {scope.program}", missing)
        for scope in found.totals
        for missing in found.differences(scope, found.targets(scope, now))
    ]


def _off(what: str, missing: Journal) -> str:
    legs = ", ".join(f"{leg.account.code} is off by {-leg.amount_minor} minor units" for leg in missing.legs)
    return f"{what}, partner {missing.partner}, plan {missing.plan}: {legs}"
