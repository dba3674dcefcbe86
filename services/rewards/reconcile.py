"""From marked deals to booked journals: load all facts of the deals, compute, post the difference.

The number of statements does not depend on the number of deals.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from services.rewards import store
from services.rewards.deal_store import Deal
from services.rewards.domain.journal import Journal
from services.rewards.ledger import post
from services.rewards.loading import Loader
from shared import keys
from shared.reconcile import Context, Outcome


class Rewards:
    """The reconciler's work: the books of the marked deals are brought to their targets."""

    def __init__(self) -> None:
        self._loader = Loader()

    async def __call__(self, connection: asyncpg.Connection, marked: Sequence[str], context: Context) -> Outcome:
        """Post what is missing and note when a hold ends. Never commits."""
        facts = await self._loader.load(connection, [deal(key) for key in marked])
        journals: list[Journal] = []
        due: dict[str, datetime | None] = {}
        for credit in facts.credits:
            target = facts.target(credit, context.now)
            journals.extend(facts.differences(credit, target))
            due[keys.pack(credit.source, credit.id)] = target.next_due_at
        posted = await post.post_all(connection, journals)
        await store.note_due(connection, due)
        return Outcome(changed=posted)


def deal(key: str) -> Deal:
    """The natural key of a packed deal key."""
    source, deal_id = keys.unpack(key)
    return source, deal_id
