"""What an explanation needs, loaded at one moment: a deal or a touchpoint, its account's facts, and what stands.

Explanations use the statements and the functions of the reconciler. They hold a whole account in memory, so few are
made at a time, and an account beyond `EXPLAINED_TOUCHPOINTS` shows its published credit alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
import orjson

from services.attribution import credit_store
from services.attribution.domain.changes import Candidate, digest
from services.attribution.domain.explain import Explanation, explain
from services.attribution.domain.facts import Touch
from services.attribution.domain.policy import Rules

EXPLAINED_TOUCHPOINTS: Final = 20_000
"""Touchpoints of an account explained one by one: about 40 MB while it lasts. Larger accounts show published credit."""
EXPLAINED_DEALS: Final = 50
"""Won deals of an account a touchpoint is explained for, the latest first; more would not be read."""
AT_ONCE: Final = 2
"""Explanations made at a time, so that memory stays bounded; others wait their turn."""
REVISIONS: Final = 50
"""Revisions listed with a deal, the newest first."""

_ALWAYS: Final = (datetime(1900, 1, 1, tzinfo=UTC), datetime(2300, 1, 1, tzinfo=UTC))  # beyond any instant we accept
_REVISIONS: Final = """
SELECT revision, decided_at, cause FROM attribution.credit WHERE source = $1 AND deal_id = $2
ORDER BY revision DESC LIMIT $3
"""
_SNAPSHOT: Final = "SELECT snapshot FROM attribution.credit WHERE source = $1 AND deal_id = $2 AND revision = $3"
_TOUCHPOINT: Final = """
SELECT t.*, c.account_id AS by_crm, d.account_id AS by_domain
FROM attribution.touchpoint t
LEFT JOIN attribution.account_key c ON c.key = t.crm_key
LEFT JOIN attribution.account_key d ON d.key = t.domain_key
WHERE t.source = $1 AND t.id = $2
"""
_CONFLICTS: Final = """
SELECT body, stored_at FROM attribution.conflict WHERE kind = 'touchpoint' AND source = $1 AND id = $2
ORDER BY stored_at, fingerprint LIMIT $3
"""


@dataclass(frozen=True, slots=True)
class DealPage:
    """A deal, its published credit, and its explanation (None when the account is too large to explain)."""

    candidate: Candidate
    snapshot: dict[str, Any] | None
    revisions: Sequence[asyncpg.Record]
    explanation: Explanation | None

    @property
    def current(self) -> bool:
        """Whether the published credit is what the facts say now; otherwise it is being decided anew."""
        if self.explanation is None:
            return True
        standing = self.candidate.standing
        target = digest(self.explanation.decision)
        return standing.digest == target if standing else self.explanation.decision.amount_minor is None


@dataclass(frozen=True, slots=True)
class TouchpointPage:
    """A touchpoint, what contradicted it, and the explanations of its account's won deals."""

    row: asyncpg.Record
    conflicts: Sequence[asyncpg.Record]
    deals: Sequence[tuple[Candidate, Explanation | None]]

    @property
    def ambiguous(self) -> bool:
        by_crm, by_domain = self.row["by_crm"], self.row["by_domain"]
        return by_crm is not None and by_domain is not None and by_crm != by_domain


class Loader:
    """Loads and explains, a few at a time."""

    def __init__(self, pool: asyncpg.Pool, programs: credit_store.Programs) -> None:
        self._pool = pool
        self._programs = programs
        self._turns = asyncio.Semaphore(AT_ONCE)

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[asyncpg.Connection]:
        async with (
            self._turns,
            self._pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield connection

    async def deal(self, source: str, deal_id: str) -> DealPage | None:
        """A deal with its credit and explanation, or None when it is unknown."""
        async with self._reading() as connection:
            found = await credit_store.one_deal(connection, source, deal_id)
            if found is None:
                return None
            account, candidate = found
            snapshot = None
            if candidate.standing is not None:
                text = await connection.fetchval(_SNAPSHOT, source, deal_id, candidate.standing.revision)
                snapshot = orjson.loads(text)
            revisions = await connection.fetch(_REVISIONS, source, deal_id, REVISIONS)
            rules = await self._programs.rules(connection)
            touches = await _all_touches(connection, account)
            ambiguous = await credit_store.ambiguous_touches(connection, account, EXPLAINED_TOUCHPOINTS)
            explanation = await _explain(candidate, touches, ambiguous, rules)
        return DealPage(candidate, snapshot, revisions, explanation)

    async def touchpoint(self, source: str, touch_id: str) -> TouchpointPage | None:
        """A touchpoint with what became of it, or None when it is unknown."""
        async with self._reading() as connection:
            row = await connection.fetchrow(_TOUCHPOINT, source, touch_id)
            if row is None:
                return None
            conflicts = await connection.fetch(_CONFLICTS, source, touch_id, REVISIONS)
            page = TouchpointPage(row, conflicts, ())
            account = row["by_crm"] or row["by_domain"]
            if account is None or page.ambiguous:
                return page
            rules = await self._programs.rules(connection)
            candidates = await credit_store.won_deals(connection, account, EXPLAINED_DEALS)
            touches = await _all_touches(connection, account) if candidates else []
            deals = [(candidate, await _explain(candidate, touches, (), rules)) for candidate in candidates]
        return TouchpointPage(row, conflicts, deals)


async def _all_touches(connection: asyncpg.Connection, account: int) -> list[Touch] | None:
    """Every touchpoint of an account, or None when they are too many to explain."""
    found: list[Touch] = []
    async for _, touches in credit_store.touches(connection, [(account, *_ALWAYS)], EXPLAINED_TOUCHPOINTS + 1):
        found = touches
    return found if len(found) <= EXPLAINED_TOUCHPOINTS else None


async def _explain(
    candidate: Candidate, touches: list[Touch] | None, ambiguous: Sequence[Touch], rules: Rules
) -> Explanation | None:
    if touches is None:
        return None
    return await asyncio.to_thread(explain, candidate.deal, touches, ambiguous, rules)
