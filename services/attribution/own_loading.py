"""What a partner's own key may read of a deal or a touchpoint, loaded at one moment: its own part and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any, Final

import asyncpg
import orjson

from services.attribution import credit_store
from services.attribution.domain import company, credit, own
from services.attribution.domain.changes import Candidate
from services.attribution.domain.facts import Deal, Touch
from services.attribution.domain.own import Line, Revision, State
from services.attribution.loading import EXPLAINED_DEALS, Given, Loader, TouchpointPage, touchpoint_row
from shared import money

_HISTORY: Final = """
SELECT c.decided_at, c.snapshot->>'status' AS status, c.snapshot->'amount' AS amount, c.snapshot->>'program' AS program,
       (c.snapshot->>'program_version')::bigint AS program_version, c.snapshot->>'governed_on' AS governed_on,
       (SELECT s FROM json_array_elements(c.snapshot->'shares') AS s WHERE s->>'partner' = $3) AS share
FROM attribution.credit c WHERE c.source = $1 AND c.deal_id = $2 ORDER BY c.revision
"""


@dataclass(frozen=True, slots=True)
class OwnDeal:
    """A deal as one partner sees it: its own touchpoints, and the revisions that changed something for it."""

    deal: Deal
    lines: Sequence[Line]
    revisions: Sequence[Revision]

    @property
    def visible(self) -> bool:
        """Whether the deal is any of the partner's business."""
        return bool(self.lines or self.revisions)


@dataclass(frozen=True, slots=True)
class OwnTouchpoint:
    """A partner's own touchpoint, and how it stands on each won deal of its account."""

    page: TouchpointPage
    deals: Sequence[OwnDeal] = ()


async def deal(loader: Loader, source: str, deal_id: str, partner: str) -> OwnDeal | None:
    """A partner's part of a deal, or None when the deal is unknown."""
    async with loader.reading() as connection:
        found = await credit_store.one_deal(connection, source, deal_id)
        if found is None:
            return None
        account, candidate = found
        given = await loader.given(connection, account, candidate, partner)
        return await _part(connection, candidate, given, partner)


async def touchpoint(loader: Loader, source: str, touch_id: str, partner: str) -> OwnTouchpoint | None:
    """One of the partner's own touchpoints, or None when it is unknown."""
    async with loader.reading() as connection:
        page = await touchpoint_row(connection, source, touch_id)
        if page is None or page.account is None or page.ambiguous:
            return OwnTouchpoint(page) if page else None
        candidates = await credit_store.won_deals(connection, page.account, EXPLAINED_DEALS)
        if not candidates:
            return OwnTouchpoint(page)
        given = await loader.given(connection, page.account, candidates[0], partner)
        parts = [await _part(connection, candidate, given, partner) for candidate in candidates]
    key = (page.row["source"], page.row["id"])
    with_it = [part for part in parts if any((line.touch.source, line.touch.id) == key for line in part.lines)]
    return OwnTouchpoint(page, with_it)


async def _part(connection: asyncpg.Connection, candidate: Candidate, given: Given, partner: str) -> OwnDeal:
    deal, touches, _ = company.of_company(candidate.deal, given.touches or (), given.graph, given.rules)
    lines = own.lines(deal, _counting_as(deal, touches, given, partner), given.rules, given.directory)
    rows = await connection.fetch(_HISTORY, deal.source, deal.id, partner)
    return OwnDeal(deal, lines, own.revisions((row["decided_at"], _state(row)) for row in rows))


def _counting_as(deal: Deal, touches: Sequence[Touch], given: Given, partner: str) -> list[Touch]:
    """The touchpoints that count as the partner's on the deal's governing day."""
    if deal.closed_at is None:
        return [touch for touch in touches if touch.partner == partner]
    policy = given.rules.governing(deal.closed_at)
    day = policy.day(deal.closed_at) if policy else deal.closed_at.date()
    return [touch for touch in credit.counted_as(touches, given.directory, day) if touch.partner == partner]


def _state(row: asyncpg.Record) -> State:
    share: dict[str, Any] | None = orjson.loads(row["share"]) if row["share"] else None
    amount: dict[str, str] | None = orjson.loads(row["amount"]) if row["amount"] else None
    currency = amount["currency"] if amount else None
    return State(
        won=row["status"] != "not_won",
        amount_minor=money.to_minor(amount["amount"], amount["currency"]) if amount else None,
        currency=currency,
        program=row["program"],
        program_version=row["program_version"],
        governed_on=row["governed_on"],
        part=Fraction(share["share"]) if share else Fraction(0),
        part_minor=money.to_minor(share["amount"]["amount"], share["amount"]["currency"]) if share else 0,
        influence=share.get("influence") if share else None,
    )


def decided_at(found: OwnDeal) -> datetime | None:
    """Since when the partner's part is what it is."""
    return found.revisions[-1].decided_at if found.revisions else None
