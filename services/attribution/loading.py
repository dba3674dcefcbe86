"""What an explanation needs, loaded at one moment: a deal or a touchpoint, its account's facts, and what stands.

Explanations use the statements and the functions of the reconciler. They hold a whole account in memory, so few are
made at a time, and an account beyond `EXPLAINED_TOUCHPOINTS` shows its published credit alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
import orjson

from services.attribution import account_store, credit_store
from services.attribution.domain import company
from services.attribution.domain.changes import Candidate, digest
from services.attribution.domain.explain import Explanation, explain
from services.attribution.domain.facts import Deal, Touch
from services.attribution.domain.links import Graph
from services.attribution.domain.partners import Directory
from services.attribution.domain.policy import Rules
from services.attribution.domain.renewals import Origin

EXPLAINED_TOUCHPOINTS: Final = 20_000
"""Touchpoints of an account explained one by one: about 40 MB while it lasts. Larger accounts show published credit."""
EXPLAINED_DEALS: Final = 50
"""Won deals of an account a touchpoint is explained for, the latest first; more would not be read."""
AT_ONCE: Final = 2
"""Explanations made at a time, so that memory stays bounded; others wait their turn."""
REVISIONS: Final = 50
"""Revisions listed with a deal, the newest first."""

ALWAYS: Final = (datetime(1900, 1, 1, tzinfo=UTC), datetime(2300, 1, 1, tzinfo=UTC))  # beyond any instant we accept
_REVISIONS: Final = """
SELECT revision, decided_at, cause FROM attribution.credit WHERE source = $1 AND deal_id = $2
ORDER BY revision DESC LIMIT $3
"""
_SNAPSHOT: Final = "SELECT snapshot FROM attribution.credit WHERE source = $1 AND deal_id = $2 AND revision = $3"
_TOUCHPOINT: Final = """
SELECT t.*, c.account_id AS by_id, d.account_id AS by_domain, n.account_id AS by_name, w.reason AS withdrawn_why,
       w.received_at AS withdrawn_at, CASE WHEN s.applied THEN s.id_key ELSE t.id_key END AS own_id_key,
       CASE WHEN s.applied THEN s.domain_key ELSE t.domain_key END AS own_domain_key
FROM attribution.touchpoint t
LEFT JOIN attribution.assignment s ON s.source = t.source AND s.id = t.id
LEFT JOIN attribution.account_key c ON c.key = t.id_key
LEFT JOIN attribution.account_key d ON d.key = t.domain_key
LEFT JOIN attribution.account_key n ON n.key = t.name_key
LEFT JOIN LATERAL (
    SELECT reason, received_at FROM attribution.withdrawal
    WHERE source = t.source AND id = t.id AND partner IN ('', t.partner) ORDER BY received_at, partner LIMIT 1
) w ON t.withdrawn
WHERE t.source = $1 AND t.id = $2
"""
_CONFLICTS: Final = """
SELECT body, stored_at FROM attribution.conflict WHERE kind = 'touchpoint' AND source = $1 AND id = $2
ORDER BY stored_at, fingerprint LIMIT $3
"""

Snapshot = dict[str, Any]


@dataclass(frozen=True, slots=True)
class DealPage:
    """A deal, its published credit, and its explanation (None when the account is too large to explain)."""

    candidate: Candidate
    snapshot: Snapshot | None
    revisions: Sequence[asyncpg.Record]
    explanation: Explanation | None

    @property
    def current(self) -> bool:
        """Whether the published credit is what the facts say now; otherwise it is being decided anew."""
        if self.explanation is None:
            return True
        standing = self.candidate.standing
        target = digest(self.candidate.deal, self.explanation.decision)
        return standing.digest == target if standing else self.explanation.decision.amount_minor is None


@dataclass(frozen=True, slots=True)
class TouchpointPage:
    """A touchpoint, what contradicted it, and the explanations of its account's won deals."""

    row: asyncpg.Record
    conflicts: Sequence[asyncpg.Record]
    deals: Sequence[tuple[Candidate, Explanation | None]] = ()

    @property
    def account(self) -> int | None:
        found: int | None = self.row["by_id"] or self.row["by_domain"] or self.row["by_name"]
        return found

    @property
    def ambiguous(self) -> bool:
        by_id, by_domain = self.row["by_id"], self.row["by_domain"]
        return by_id is not None and by_domain is not None and by_id != by_domain


@dataclass(frozen=True, slots=True)
class Given:
    """An account's facts at one moment; `touches` is None when they are too many to explain."""

    graph: Graph | None
    touches: Sequence[Touch] | None
    rules: Rules
    directory: Directory


class Loader:
    """Loads and explains, a few at a time."""

    def __init__(self, pool: asyncpg.Pool, reference: credit_store.Reference) -> None:
        self._pool = pool
        self._reference = reference
        self._turns = asyncio.Semaphore(AT_ONCE)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection on which everything is seen at one moment, in turn with other explanations."""
        async with (
            self._turns,
            self._pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield connection

    async def deal(self, source: str, deal_id: str) -> DealPage | None:
        """A deal with its credit and explanation, or None when it is unknown."""
        async with self.reading() as connection:
            found = await credit_store.one_deal(connection, source, deal_id)
            if found is None:
                return None
            account, candidate = found
            snapshot = None
            if candidate.standing is not None:
                snapshot = await _snapshot(connection, candidate.deal, candidate.standing.revision)
            revisions = await connection.fetch(_REVISIONS, source, deal_id, REVISIONS)
            given = await self.given(connection, account, candidate)
            ambiguous = await credit_store.ambiguous_touches(connection, account, EXPLAINED_TOUCHPOINTS)
            origin = await _origin(connection, account, given)
            explanation = await explained(candidate.deal, ambiguous, given, origin)
        return DealPage(candidate, snapshot, revisions, explanation)

    async def snapshot(self, source: str, deal_id: str, revision: int) -> tuple[Deal, Snapshot] | None:
        """A deal and a past revision of its credit as it was published, or None when there is none."""
        async with self.reading() as connection:
            found = await credit_store.one_deal(connection, source, deal_id)
            text = await _snapshot(connection, found[1].deal, revision) if found else None
        return (found[1].deal, text) if found and text is not None else None

    async def touchpoint(self, source: str, touch_id: str) -> TouchpointPage | None:
        """A touchpoint with what became of it, or None when it is unknown."""
        async with self.reading() as connection:
            page = await touchpoint_row(connection, source, touch_id)
            if page is None or page.account is None or page.ambiguous:
                return page
            candidates = await credit_store.won_deals(connection, page.account, EXPLAINED_DEALS)
            if not candidates:
                return page
            given = await self.given(connection, page.account, candidates[0])
            origin = await _origin(connection, page.account, given)
            deals = [(one, await explained(one.deal, (), given, origin)) for one in candidates]
        return replace(page, deals=deals)

    async def given(
        self, connection: asyncpg.Connection, account: int, candidate: Candidate, partner: str | None = None
    ) -> Given:
        """An account's facts. With `partner`, only touchpoints that may count as that partner's, however many."""
        rules, directory = await self._reference.load(connection)
        dated = candidate.deal.dated
        graph = (await account_store.graphs(connection, [account])).get(account) if dated else None
        names = directory.may_count_as(partner) if partner is not None else None
        limit = EXPLAINED_TOUCHPOINTS + 1 if partner is None else None
        touches: list[Touch] = []
        windows = [(account, *ALWAYS)]
        async for _, held in credit_store.touches(connection, windows, limit, keyed=dated, partners=names):
            touches = held
        return Given(graph, None if limit and len(touches) == limit else touches, rules, directory)


async def touchpoint_row(connection: asyncpg.Connection, source: str, touch_id: str) -> TouchpointPage | None:
    """A touchpoint as it is stored, with what contradicted it."""
    row = await connection.fetchrow(_TOUCHPOINT, source, touch_id)
    if row is None:
        return None
    return TouchpointPage(row, await connection.fetch(_CONFLICTS, source, touch_id, REVISIONS))


async def _snapshot(connection: asyncpg.Connection, deal: Deal, revision: int) -> Snapshot | None:
    text = await connection.fetchval(_SNAPSHOT, deal.source, deal.id, revision)
    found: Snapshot | None = orjson.loads(text) if text is not None else None
    return found


async def _origin(connection: asyncpg.Connection, account: int, given: Given) -> Origin | None:
    """The account's first deal, where some program version asks for it."""
    if not (given.rules.renew or given.rules.recurs) or given.touches is None:
        return None
    parts = [
        (replace(candidate, deal=deal), own)
        for candidate in [
            one for found in (await credit_store.candidates(connection, [account])).values() for one in found
        ]
        for deal, own, _ in [company.of_company(candidate.deal, given.touches, given.graph, given.rules)]
    ]
    return company.origin_of(parts, given.rules, given.directory)


async def explained(deal: Deal, ambiguous: Sequence[Touch], given: Given, origin: Origin | None) -> Explanation | None:
    """The explanation of one deal by its account's facts; None when there are too many."""
    if given.touches is None:
        return None
    deal, own, torn = company.of_company(deal, given.touches, given.graph, given.rules)
    return await asyncio.to_thread(explain, deal, own, [*ambiguous, *torn], given.rules, given.directory, origin)
