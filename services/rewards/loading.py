"""All facts of a set of deals at once, and what the ledger holds of them: the input of every computation."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import asyncpg

from services.rewards import deal_store, exchange_store, line_store, receipt_store
from services.rewards.deal_store import Deal, Found
from services.rewards.domain import earnings, exchange, journal, lines
from services.rewards.domain.inputs import Credit, Known, Rerate, Standing
from services.rewards.domain.journal import Journal, Posted
from services.rewards.domain.lines import Change, Stored
from services.rewards.domain.outcomes import Target
from shared.program import Program

RECRUITERS: Final = "recruiters"


@dataclass(frozen=True, slots=True)
class Facts:
    """All that decides what a set of deals pays, and what the books hold of them."""

    credits: Sequence[Credit]
    known: Known
    posted: Mapping[Deal, Mapping[tuple[str, str], Posted]]
    lines: Mapping[Deal, Sequence[Stored]]

    def target(self, credit: Credit, now: datetime) -> Target:
        """What should stand in the books for one of the deals."""
        return earnings.target(credit, self.known, now)

    def differences(self, credit: Credit, target: Target) -> tuple[Journal, ...]:
        """What is missing in the books for one of the deals."""
        return journal.differences(credit, target, self.posted_of(credit))

    def posted_of(self, credit: Credit) -> Mapping[tuple[str, str], Posted]:
        """What the ledger holds of one of the deals, per (partner, plan)."""
        return self.posted.get((credit.source, credit.id), {})

    def changes(self, credit: Credit, target: Target) -> Sequence[Change]:
        """What is to change in one of the deals' lines: its parts in what its plans settle beyond it."""
        deal = (credit.source, credit.id)
        return lines.changes(deal, target, self.lines.get(deal, ()))


class Loader:
    """Loads facts; keeps typed programs between batches, for a program version never changes."""

    def __init__(self) -> None:
        self._programs: dict[tuple[str, int], Program] = {}

    async def load(self, connection: asyncpg.Connection, deals: Sequence[Deal]) -> Facts:
        """The facts of the deals and what is posted of them: a statement for each kind that they ask for."""
        if not deals:
            return Facts((), Known({}, self._programs), {}, {})
        found = await deal_store.load_credits(connection, deals)
        rerates = await deal_store.load_rerates(connection, found.rerated)
        programs = await self.programs(connection, _versions(found, rerates))
        known = Known(
            await self._standings(connection, found.credits), programs,
            await receipt_store.load(connection, found.with_receipts), {}, rerates,
        )  # fmt: skip
        wanted = {quote for credit in found.credits for quote in exchange.needed(credit, known)}
        if wanted:
            known = replace(known, quotes=await exchange_store.load(connection, wanted))
        posted = await deal_store.load_posted(connection, deals)
        return Facts(found.credits, known, posted, await line_store.load(connection, found.with_lines))

    async def programs(
        self, connection: asyncpg.Connection, versions: Collection[tuple[str, int]]
    ) -> Mapping[tuple[str, int], Program]:  # fmt: skip
        """All typed programs kept so far, with those of these versions that are known."""
        self._programs |= await deal_store.load_programs(connection, set(versions) - self._programs.keys())
        return self._programs

    async def _standings(
        self, connection: asyncpg.Connection, credits_: Sequence[Credit]
    ) -> Mapping[str, Sequence[Standing]]:  # fmt: skip
        """Of all partners with a share; of those who recruited them too, where a plan pays recruiters."""
        standings = await deal_store.load_standings(connection, {s.partner for c in credits_ for s in c.shares})
        plans = (plan for program in self._programs.values() for plan in program.compensation.plans.values())
        if any(plan.pays == RECRUITERS for plan in plans):
            recruiters = {fact.recruiter for facts in standings.values() for fact in facts if fact.recruiter}
            standings |= await deal_store.load_standings(connection, recruiters - standings.keys())
        return standings


def _versions(found: Found, rerates: Sequence[Rerate]) -> set[tuple[str, int]]:
    own = {(c.terms.program, c.terms.program_version) for c in found.credits if c.terms}
    return own | {(order.program, order.version) for order in rerates}
