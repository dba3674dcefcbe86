"""Dirty keys in, differences out: take marked keys, compute their target from all facts, write what changed.

Marks are append-only rows. The marks seen before the facts are loaded are deleted at the end of the same transaction;
a fact that arrives meanwhile has a mark of its own and brings the key back. One worker at a time has a key
(an advisory lock until the transaction ends), and workers can be added.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg
import structlog

from shared import database, retry, telemetry

POLL_S: Final = 1.0
"""The safety net beneath the wake-up event: marks left by another process are found within a second."""
BUSY_S: Final = 0.02
"""When all marked keys are in another worker's hands, look again after this long."""
HOLD_S: Final = 300.0
"""How long marked keys wait at most while a backlog is read: what is still in the log would change the result, and
partners would find journals and their corrections where one journal says it all. There is such a backlog only during
imports and after outages. Some two million messages are read in five minutes; deciding meanwhile slows the reading to
a third, and each key comes back. A longer wait would leave deals uncredited for too long in a permanent overload."""
HOLD_POLL_S: Final = 0.02
REACH: Final = 4
"""Batches of marks that are looked through for keys that nobody has in hand: of two processes with two light lanes. The
oldest keys are taken first; with more workers some wait for `BUSY_S`."""
NONE: Final = 0
ALL: Final = 2**63 - 1
"""Bounds of a round: ids of marks begin at one and end here."""
LIGHT: Final = 0
HEAVY: Final = 1
"""Lane of keys with so many facts that they would hold up the others; handled one at a time, beside the light lane."""

# OFFSET 0: locks are tried in the order of the marks, and no further than for a whole batch.
_TAKE: Final = """
SELECT key FROM (
    SELECT key FROM (
        SELECT id, key FROM {schema}.dirty WHERE lane = $1 AND id <= $4 ORDER BY id LIMIT $2::bigint * $5) AS oldest
    GROUP BY key ORDER BY min(id) OFFSET 0) AS keys
WHERE pg_try_advisory_xact_lock(hashtextextended($3 || key, 0)) LIMIT $2
"""
_MARKED: Final = "SELECT EXISTS (SELECT FROM {schema}.dirty WHERE lane = $1 AND id <= $2)"
_LAST: Final = "SELECT coalesce(max(id), 0) FROM {schema}.dirty WHERE lane = $1"
_MARKS: Final = "SELECT id, traceparent FROM {schema}.dirty WHERE key = ANY($1::text[]) AND lane <= $2"
_CLEAR: Final = "DELETE FROM {schema}.dirty WHERE id = ANY($1::bigint[])"
_DEFER: Final = "INSERT INTO {schema}.dirty (key, lane, traceparent) SELECT k, 1, $2 FROM unnest($1::text[]) AS n (k)"


@dataclass(frozen=True, slots=True)
class Context:
    """What a computation may not fetch for itself: the time, the lane, and the trace that caused it."""

    now: datetime
    lane: int
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many targets changed, and which keys are too large for the light lane."""

    changed: int
    deferred: Sequence[str] = ()


Work = Callable[[asyncpg.Connection, Sequence[str], Context], Awaitable[Outcome]]
"""Loads all facts of the keys, computes the targets, writes the differences and outgoing events. Never commits."""


class Reconciler:
    """One lane of reconciliation in one process. `more_wake` is set when a batch is full: there may be more."""

    def __init__(
        self, *, schema: str, work: Work, database: database.Database, wake: asyncio.Event, relay_wake: asyncio.Event,
        metrics: telemetry.Metrics, clock: Callable[[], datetime], batch: int, lane: int = LIGHT,
        heavy_wake: asyncio.Event | None = None, more_wake: asyncio.Event | None = None,
        is_behind: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        self._schema = schema
        self._work = work
        self._database = database
        self._wake = wake
        self._relay_wake = relay_wake
        self._heavy_wake = heavy_wake
        self._more_wake = more_wake
        self._metrics = metrics
        self._clock = clock
        self._batch = batch if lane == LIGHT else 1
        self._lane = lane
        self._is_behind = is_behind
        self._log = structlog.get_logger()

    async def run(self, stop: asyncio.Event) -> None:
        """Reconcile until stopped; transient failures are tried again, any other error is raised."""
        failures = retry.delays()
        bound = NONE
        while not stop.is_set():
            self._wake.clear()
            try:
                if bound in {NONE, ALL}:
                    bound = await self._hold(stop)
                handled, marked = await self.turn(bound)
            except (*database.TRANSIENT, asyncpg.UniqueViolationError) as error:
                # A unique violation is a race for a revision that another worker won: next time its result is read.
                delay = next(failures)
                self._log.warning("reconcile.failed", error=repr(error), lane=self._lane, retry_in_s=delay)
                self._metrics.retried.labels("reconcile").inc()
                await retry.pause(delay, stop)
                continue
            failures = retry.delays()
            if handled == 0:
                bound = NONE
                await retry.pause(BUSY_S if marked else POLL_S, stop, *([] if marked else [self._wake]))

    async def _hold(self, stop: asyncio.Event) -> int:
        """Let a backlog be read first; returns up to which mark keys may be computed now.

        When the backlog takes longer than `HOLD_S`, these are the marks that have waited for so long. What is marked
        later waits anew, so a key that is marked all the time is computed once per wait.
        """
        if not self._is_behind():
            return ALL
        last: int = await self._database.pool.fetchval(_LAST.format(schema=self._schema), self._lane)
        until = time.monotonic() + HOLD_S
        while last and self._is_behind() and time.monotonic() < until and not stop.is_set():
            await retry.pause(HOLD_POLL_S, stop)
        if stop.is_set():
            return NONE
        return last if self._is_behind() else ALL

    async def turn(self, bound: int = ALL) -> tuple[int, bool]:
        """Handle one batch of the marks up to `bound`; returns how many keys were handled, and if any was marked."""
        async with self._database.transaction() as connection:
            statement = _TAKE.format(schema=self._schema)
            taken = await connection.fetch(statement, self._lane, self._batch, f"{self._schema}:", bound, REACH)
            keys = [row["key"] for row in taken]
            if not keys:
                return 0, await connection.fetchval(_MARKED.format(schema=self._schema), self._lane, bound)
            if self._more_wake is not None and len(keys) == self._batch:
                self._more_wake.set()
            marks = await connection.fetch(_MARKS.format(schema=self._schema), keys, self._lane)
            if not marks:  # handled by another worker between the two statements
                return len(keys), True
            outcome = await self._in_span(connection, keys, [mark["traceparent"] for mark in marks])
            await connection.execute(_CLEAR.format(schema=self._schema), [mark["id"] for mark in marks])
        self._metrics.reconciled.labels(self._lane).inc(len(keys) - len(outcome.deferred))
        self._metrics.changed.inc(outcome.changed)
        if outcome.changed:
            self._relay_wake.set()
        if outcome.deferred and self._heavy_wake is not None:
            self._heavy_wake.set()
        return len(keys), True

    async def _in_span(
        self, connection: asyncpg.Connection, keys: Sequence[str], causes: Sequence[str | None]
    ) -> Outcome:
        with telemetry.span("reconcile", causes) as span:
            span.set_attribute("tributary.keys", len(keys))
            trace = telemetry.traceparent()
            outcome = await self._work(connection, keys, Context(self._clock(), self._lane, trace))
            span.set_attribute("tributary.changed", outcome.changed)
            if outcome.deferred:
                await connection.execute(_DEFER.format(schema=self._schema), list(outcome.deferred), trace)
        return outcome
