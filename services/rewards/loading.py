"""All facts of a set of deals at once, and what the ledger holds of them: the input of every computation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from services.rewards import deal_store
from services.rewards.deal_store import Deal
from services.rewards.domain import earnings, journal
from services.rewards.domain.inputs import Credit, Known
from services.rewards.domain.journal import Journal, Posted
from services.rewards.domain.outcomes import Target
from shared.program import Program


@dataclass(frozen=True, slots=True)
class Facts:
    """All that decides what a set of deals pays, and what the ledger holds of them."""

    credits: Sequence[Credit]
    known: Known
    posted: Mapping[Deal, Mapping[tuple[str, str], Posted]]

    def target(self, credit: Credit, now: datetime) -> Target:
        """What should stand in the books for one of the deals."""
        return earnings.target(credit, self.known, now)

    def differences(self, credit: Credit, target: Target) -> tuple[Journal, ...]:
        """What is missing in the books for one of the deals."""
        return journal.differences(credit, target, self.posted_of(credit))

    def posted_of(self, credit: Credit) -> Mapping[tuple[str, str], Posted]:
        """What the ledger holds of one of the deals, per (partner, plan)."""
        return self.posted.get((credit.source, credit.id), {})


class Loader:
    """Loads facts; keeps typed programs between batches, for a program version never changes."""

    def __init__(self) -> None:
        self._programs: dict[tuple[str, int], Program] = {}

    async def load(self, connection: asyncpg.Connection, deals: Sequence[Deal]) -> Facts:
        """The facts of the deals and what is posted of them, in at most four statements."""
        if not deals:
            return Facts((), Known({}, self._programs), {})
        credits_ = await deal_store.load_credits(connection, deals)
        partners = await deal_store.load_tiers(connection, {s.partner for credit in credits_ for s in credit.shares})
        wanted = {(c.terms.program, c.terms.program_version) for c in credits_ if c.terms}
        self._programs |= await deal_store.load_programs(connection, wanted - self._programs.keys())
        known = Known(partners, self._programs)
        return Facts(credits_, known, await deal_store.load_posted(connection, deals))
