"""What plans settle beyond single deals: all that decides a set of scopes, and what the ledger holds of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from services.rewards import deal_store, line_store, scope_store
from services.rewards.domain import budget, lines, settlement, spans, trueup
from services.rewards.domain.inputs import Standing
from services.rewards.domain.journal import Journal, Posted
from services.rewards.domain.outcomes import Claim, Scope, Total, TrueUp
from services.rewards.loading import Loader
from shared.program import Program


@dataclass(frozen=True, slots=True)
class Scopes:
    """The totals of a set of scopes, the claims on budgets, and what is posted per partner."""

    totals: Mapping[Scope, Sequence[Total]]
    claims: Mapping[Scope, Sequence[Claim]]
    programs: Mapping[tuple[str, int], Program]
    standings: Mapping[str, Sequence[Standing]]
    posted: Mapping[Scope, Mapping[str, Posted]]

    def targets(self, scope: Scope, now: datetime) -> Sequence[TrueUp]:
        """What should stand in the books for one of the scopes."""
        totals = self.totals[scope]
        versions = {total.program_version for total in totals}
        programs = {version: self.programs[scope.program, version] for version in versions}
        if scope.span == spans.BUDGET:
            return budget.budget_targets(scope, self.claims.get(scope, ()), totals, programs, now)
        return trueup.span_targets(scope, totals, programs, self.standings.get(scope.partner, ()), now)

    def differences(self, scope: Scope, targets: Sequence[TrueUp]) -> list[Journal]:
        """What is missing in the books for one of the scopes."""
        posted = self.posted.get(scope, {})
        event = f"scope {lines.key(scope)}"
        return [
            journal
            for target in targets
            for journal in settlement.differences(target, posted.get(target.partner), event)
        ]


async def load(connection: asyncpg.Connection, loader: Loader, scopes: Sequence[Scope]) -> Scopes:
    """All that decides the scopes, in at most five statements; those that never had a line are left out."""
    if not scopes:
        return Scopes({}, {}, {}, {}, {})
    totals = await line_store.load_totals(connection, scopes)
    found = list(totals)
    budgets = [scope for scope in found if scope.span == spans.BUDGET]
    versions = {(scope.program, total.program_version) for scope in found for total in totals[scope]}
    return Scopes(
        totals, await line_store.load_claims(connection, budgets), await loader.programs(connection, versions),
        await deal_store.load_standings(connection, {scope.partner for scope in found if scope.partner}),
        await scope_store.load_posted(connection, found),
    )  # fmt: skip
