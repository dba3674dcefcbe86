"""From marked accounts to decided credit: load all their facts, decide, write what changed, in constant statements.

An account with very many touchpoints is left to the heavy lane, so that it does not hold up the others; the deciding
itself runs in a thread, so that it does not hold up the service.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import Final

import asyncpg

from services.attribution import credit_store, tables
from services.attribution.domain.changes import Candidate, Change, changes
from services.attribution.domain.facts import Touch
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

Slice = list[tuple[list[Candidate], list[Touch]]]


class Credit:
    """The reconciler's work."""

    def __init__(self, programs: credit_store.Programs) -> None:
        self._programs = programs

    async def __call__(self, connection: asyncpg.Connection, marked: Sequence[str], context: Context) -> Outcome:
        """Bring the credit of the marked accounts' deals to its target. Never commits."""
        candidates = await credit_store.candidates(connection, [int(key) for key in marked])
        if not candidates:
            return Outcome(0)
        rules = await self._programs.rules(connection)
        limit = HEAVY_TOUCHPOINTS + 1 if context.lane == LIGHT else None
        deferred: list[str] = []
        found: list[Change] = []
        slice_: Slice = []
        held = 0
        windows = _windows(candidates, rules)
        if windows:
            async for account, touches in credit_store.touches(connection, windows, limit):
                of_account = candidates.pop(account)
                if len(touches) == limit:
                    deferred.append(str(account))
                    continue
                slice_.append((of_account, touches))
                held += len(touches)
                if held >= SLICE_TOUCHPOINTS:
                    found += await _decide(slice_, held, rules, context.now)
                    slice_, held = [], 0
        slice_ += [(of_account, []) for of_account in candidates.values()]  # the accounts without any touchpoint
        found += await _decide(slice_, held, rules, context.now)
        if found:
            await _link_traces(connection, found)
            await credit_store.save(connection, found, context.now)
            await outbox.append(connection, tables.SCHEMA, [_event(change, context) for change in found])
        return Outcome(len(found), deferred)


async def _link_traces(connection: asyncpg.Connection, found: Sequence[Change]) -> None:
    """Let the trace of this decision point to those of the touchpoints it credits. Only while it is being traced."""
    if telemetry.is_traced():
        credited = (touch for change in found for share in change.decision.shares for touch in share.touches)
        telemetry.link(await credit_store.traces(connection, credited, telemetry.MAX_LINKS))


def _windows(candidates: Mapping[int, Sequence[Candidate]], rules: Rules) -> list[credit_store.Window]:
    """Per account, the span of time in which a touchpoint may count on any of its won deals."""
    windows = []
    for account, of_account in candidates.items():
        spans = [
            (closed_at - policy.lookback, closed_at)
            for candidate in of_account
            if (closed_at := candidate.deal.closed_at) is not None and candidate.deal.stage == "won"
            if (policy := rules.governing(closed_at)) is not None
        ]
        if spans:
            windows.append((account, min(since for since, _ in spans), max(until for _, until in spans)))
    return windows


async def _decide(slice_: Slice, touches: int, rules: Rules, now: datetime) -> list[Change]:
    if touches < THREAD_TOUCHPOINTS:
        return _changes(slice_, rules, now)
    return await asyncio.to_thread(_changes, slice_, rules, now)


def _changes(slice_: Slice, rules: Rules, now: datetime) -> list[Change]:
    found: list[Change] = []
    for candidates, touches in slice_:
        if len(candidates) == 1:
            found += changes(candidates, touches, rules, now)
            continue
        touches.sort(key=_occurred_at)  # so that each deal looks only at its own window
        for candidate in candidates:
            found += changes([candidate], _within(touches, candidate, rules), rules, now)
    return found


_occurred_at = attrgetter("occurred_at")


def _within(touches: list[Touch], candidate: Candidate, rules: Rules) -> list[Touch]:
    """The touchpoints in one deal's window, of those sorted by time."""
    closed_at = candidate.deal.closed_at
    policy = rules.governing(closed_at) if closed_at is not None else None
    if closed_at is None or policy is None:
        return []
    begin = bisect_left(touches, closed_at - policy.lookback, key=_occurred_at)
    return touches[begin : bisect_right(touches, closed_at, key=_occurred_at)]


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
