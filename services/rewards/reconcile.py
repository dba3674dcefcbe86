"""From marked deals and scopes to booked journals: load all facts, compute, post the difference.

What a deal adds to a scope (a span of a plan, or its budget) is kept as a line, and the scope marked: its true-up
follows from the totals once they are committed. The number of statements does not depend on the number of keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg

from services.rewards import line_store, scopes, store
from services.rewards.deal_store import Deal
from services.rewards.domain import lines
from services.rewards.domain.journal import Journal
from services.rewards.domain.lines import Change
from services.rewards.domain.outcomes import Scope
from services.rewards.ledger import post
from services.rewards.loading import Loader
from shared import keys
from shared.reconcile import Context, Outcome

DEAL_PARTS: Final = 2
"""A deal's key is its source and id; that of a scope has four parts."""


class Rewards:
    """The reconciler's work: the books of the marked deals and scopes are brought to their targets."""

    def __init__(self) -> None:
        self._loader = Loader()

    async def __call__(self, connection: asyncpg.Connection, marked: Sequence[str], context: Context) -> Outcome:
        """Post what is missing and note when a hold ends. Never commits.

        Everybody locks in one order, and nobody in a circle: balances, what is due, totals.
        """
        deals, settled = split(marked)
        due: dict[str, datetime | None] = {}
        journals, changes = await self._deals(connection, deals, context.now, due)
        journals += await self._scopes(connection, settled, context.now, due)
        posted = await post.post_all(connection, journals)
        await store.note_due(connection, due)
        concerned = await line_store.save(connection, changes)
        await store.mark(connection, sorted(concerned), context.traceparent)
        return Outcome(changed=posted)

    async def _deals(
        self, connection: asyncpg.Connection, deals: Sequence[Deal], now: datetime, due: dict[str, datetime | None]
    ) -> tuple[list[Journal], list[Change]]:
        facts = await self._loader.load(connection, deals)
        journals: list[Journal] = []
        changes: list[Change] = []
        for credit in facts.credits:
            target = facts.target(credit, now)
            journals.extend(facts.differences(credit, target))
            changes.extend(facts.changes(credit, target))
            due[keys.pack(credit.source, credit.id)] = target.next_due_at
        return journals, changes

    async def _scopes(
        self, connection: asyncpg.Connection, settled: Sequence[Scope], now: datetime, due: dict[str, datetime | None]
    ) -> list[Journal]:
        found = await scopes.load(connection, self._loader, settled)
        journals: list[Journal] = []
        for scope in found.totals:
            targets = found.targets(scope, now)
            journals.extend(found.differences(scope, targets))
            due[lines.key(scope)] = min((t.due_at for t in targets if t.due_at is not None), default=None)
        return journals


def split(marked: Sequence[str]) -> tuple[list[Deal], list[Scope]]:
    """The deals and the scopes among marked keys, sorted: what is booked together has one order."""
    deals: list[Deal] = []
    settled: list[Scope] = []
    for parts in sorted(map(keys.unpack, marked)):
        if len(parts) == DEAL_PARTS:
            deals.append((parts[0], parts[1]))
        else:
            settled.append(Scope(*parts))
    return deals, settled
