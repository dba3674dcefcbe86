"""From marked accounts to decided credit: load all their facts, decide, write what changed, in constant statements.

An account with very many touchpoints is left to the heavy lane, so that it does not hold up the others; the deciding
itself runs in a thread, so that it does not hold up the service.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from typing import Final

import asyncpg

from services.attribution import account_store, credit_store, tables
from services.attribution.domain import changes, company
from services.attribution.domain.changes import Candidate, Change, Difference
from services.attribution.domain.facts import FactKey, Touch
from services.attribution.domain.links import Graph
from services.attribution.domain.partners import Directory
from services.attribution.domain.policy import Rules
from shared import keys, outbox, telemetry
from shared.events import credit
from shared.events.envelope import Event
from shared.reconcile import LIGHT, Context, Outcome

HEAVY_TOUCHPOINTS: Final = 5_000
"""An account with more touchpoints in its window goes to the heavy lane: 5,000 take about 50 ms, which is no wait."""
THREAD_TOUCHPOINTS: Final = 500
"""From this many touchpoints on, deciding runs in a thread: below it, the loop waits for a millisecond at most."""
SLICE_TOUCHPOINTS: Final = 10_000
"""Touchpoints held at a time in the light lane: a few megabytes, however large the batch of accounts."""
EVENT_SOURCE: Final = "tributary/attribution"

Candidates = Mapping[int, Sequence[Candidate]]
Slice = list[tuple[int, list[Touch]]]


@dataclass(slots=True)
class Found:
    """What deciding a batch of accounts has found so far."""

    differences: list[Difference] = field(default_factory=list)
    late: list[tuple[FactKey, FactKey]] = field(default_factory=list)
    torn: set[FactKey] = field(default_factory=set)
    deferred: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Given:
    """What a batch of accounts is decided by, apart from their touchpoints."""

    candidates: Candidates
    graphs: Mapping[int, Graph]
    rules: Rules
    directory: Directory


class Credit:
    """The reconciler's work."""

    def __init__(self, reference: credit_store.Reference) -> None:
        self._reference = reference

    async def __call__(self, connection: asyncpg.Connection, marked: Sequence[str], context: Context) -> Outcome:
        """Bring the credit of the marked accounts' deals to its target. Never commits."""
        candidates = await credit_store.candidates(connection, [int(key) for key in marked])
        if not candidates:
            return Outcome(0)
        dated = [account for account, deals in candidates.items() if deals[0].deal.dated]
        graphs = await account_store.graphs(connection, dated)
        given = Given(candidates, graphs, *await self._reference.load(connection))
        found = await _decide_all(connection, given, HEAVY_TOUCHPOINTS + 1 if context.lane == LIGHT else None)
        deferred = set(found.deferred)
        decided = [one.deal.key for of, deals in candidates.items() if of not in deferred for one in deals]
        await credit_store.note_late(connection, decided, found.late)
        await credit_store.note_torn(connection, [of for of in dated if of not in deferred], found.torn)
        if found.differences:
            published = await credit_store.published(connection, found.differences)
            made = [changes.change(one, published.get(one.key), context.now) for one in found.differences]
            await _link_traces(connection, made)
            await credit_store.save(connection, made, context.now)
            await outbox.append(connection, tables.SCHEMA, [_event(change, context) for change in made])
        return Outcome(len(found.differences), [str(account) for account in found.deferred])


async def _decide_all(connection: asyncpg.Connection, given: Given, limit: int | None) -> Found:
    """Decide all accounts, a slice of them at a time; those with `limit` touchpoints or more are deferred."""
    found = Found()
    windows = _windows(given)
    seen: set[int] = set()
    for keyed in (False, True):
        wanted = [window for window in windows if (window[0] in given.graphs) is keyed]
        held: Slice = []
        count = 0
        async for account, touches in credit_store.touches(connection, wanted, limit, keyed=keyed):
            seen.add(account)
            if len(touches) == limit:
                found.deferred.append(account)
                continue
            held.append((account, touches))
            count += len(touches)
            if count >= SLICE_TOUCHPOINTS:
                await _decide(held, count, given, found)
                held, count = [], 0
        await _decide(held, count, given, found)
    await _decide([(account, []) for account in given.candidates if account not in seen], 0, given, found)
    return found


def _windows(given: Given) -> list[credit_store.Window]:
    """Per account, the span of time in which a touchpoint may matter for any of its won deals."""
    windows = []
    for account, candidates in given.candidates.items():
        spans = [span for one in candidates if (span := company.window(one.deal, given.rules)) is not None]
        if spans:
            windows.append((account, min(since for since, _ in spans), max(until for _, until in spans)))
    return windows


async def _decide(held: Slice, touches: int, given: Given, found: Found) -> None:
    if touches < THREAD_TOUCHPOINTS:
        _differences(held, given, found)
    else:
        await asyncio.to_thread(_differences, held, given, found)


def _differences(held: Slice, given: Given, found: Found) -> None:
    for account, touches in held:
        deals, graph = given.candidates[account], given.graphs.get(account)
        different, late = company.differences(deals, touches, graph, given.rules, given.directory)
        found.differences += different
        found.late += late
        if graph is not None:
            found.torn |= company.torn(deals, touches, graph, given.rules)


async def _link_traces(connection: asyncpg.Connection, found: Sequence[Change]) -> None:
    """Let the trace of this decision point to those of the touchpoints it credits. Only while it is being traced."""
    if telemetry.is_traced():
        credited = (touch for change in found for share in change.decision.shares for touch in share.touches)
        telemetry.link(await credit_store.traces(connection, credited, telemetry.MAX_LINKS))


def _event(change: Change, context: Context) -> Event:
    """`credit.decided`, identified by deal and revision for ever."""
    source, deal_id = change.deal.source, change.deal.id
    return Event(
        topic=credit.TOPIC,
        key=keys.pack(source, deal_id),
        type=credit.DECIDED,
        source=EVENT_SOURCE,
        id=keys.pack(source, deal_id, str(change.revision)),
        time=context.now.astimezone(UTC),
        data=change.snapshot,
        traceparent=context.traceparent,
    )
