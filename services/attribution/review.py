"""What a reviewer decides takes effect: in the transaction that stores the decision, whichever way it came in.

The API applies a decision at once and publishes it; the consumer applies those that a rebuilt or another database has
not seen. Either way the effect is that of the latest decision on the item, and exactly its accounts are marked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg

from services.attribution import account_store, accounts, deals, review_store, store
from services.attribution.domain import identity, links, parse, statements
from services.attribution.domain.facts import FactKey
from services.attribution.domain.parse import DealVersion
from services.attribution.domain.statements import About, AccountStatement
from services.attribution.store import Conflict
from shared import keys
from shared.errors import Invalid
from shared.events import review
from shared.events.review import Kind, ReviewDecided, Verdict
from shared.message import Message, Refused

SOURCE: Final = "tributary/review"
"""The source of statements that come from decisions."""
TOUCHPOINTS: Final = (Kind.AMBIGUOUS_ACCOUNT, Kind.UNMATCHED_TOUCHPOINT)
"""Decisions that say whose a touchpoint is: of a touchpoint's, under either kind, the latest counts."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Marks = dict[int, str | None]


def read_all(messages: Sequence[Message], refused: list[Refused]) -> list[tuple[ReviewDecided, Message]]:
    """The decisions of a batch."""
    found = []
    for message in messages:
        if message.type == review.DECIDED:
            try:
                found.append((statements.decision(message.value), message))
            except Invalid as error:
                refused.append(Refused(message, str(error)))
    return found


async def apply_all(connection: asyncpg.Connection, found: Sequence[tuple[ReviewDecided, Message]]) -> Marks:
    """Store the decisions that are new and let them take effect; returns the accounts whose credit may change."""
    trace = next((message.traceparent for _, message in found if message.traceparent), None)
    return dict.fromkeys(await decide(connection, [decision for decision, _ in found]), trace)


async def decide(connection: asyncpg.Connection, found: Sequence[ReviewDecided]) -> set[int]:
    """Store decisions and let the latest on each of their items take effect; returns the accounts concerned."""
    new = await review_store.save(connection, found)
    latest = await review_store.latest(connection, [(one.kind, one.item) for one in new])
    return await _take_effect(connection, latest)


async def settle_conflicts(connection: asyncpg.Connection, conflicts: Iterable[Conflict]) -> set[int]:
    """Let decisions take effect that were there before the conflict they are about."""
    items = [(Kind.CONFLICT, (c.kind, c.source, c.id, str(c.version), c.fingerprint.hex())) for c in conflicts]
    return await _take_effect(connection, await review_store.latest(connection, items))


async def _take_effect(connection: asyncpg.Connection, latest: Sequence[ReviewDecided]) -> set[int]:
    by_kind: dict[Kind, list[ReviewDecided]] = {}
    for one in latest:
        by_kind.setdefault(one.kind, []).append(one)
    touchpoints = [one for kind in TOUCHPOINTS for one in by_kind.get(kind, [])]
    stated = by_kind.get(Kind.PROPOSAL, []) + by_kind.get(Kind.UNMATCHED_DEAL, [])
    concerned: set[int] = set()
    if touchpoints:
        concerned |= await _assign(connection, touchpoints)
    if stated:
        concerned |= await _state(connection, stated)
    if contents := by_kind.get(Kind.CONFLICT):
        concerned |= await _choose(connection, {(*one.item[:3], int(one.item[3])) for one in contents})  # type: ignore[misc]  # of five parts
    claims = [(*one.item, one.verdict is Verdict.ACCEPT) for one in by_kind.get(Kind.LATE_CLAIM, [])]
    concerned |= set(await review_store.admit(connection, claims))  # type: ignore[arg-type]  # an item of four parts
    return concerned


async def _assign(connection: asyncpg.Connection, found: Sequence[ReviewDecided]) -> set[int]:
    """Let touchpoints belong to the account that was chosen, or again to those they name."""
    touched = sorted({(one.item[0], one.item[1]) for one in found})
    counting: dict[FactKey, ReviewDecided] = {}
    every = await review_store.latest(connection, [(kind, key) for key in touched for kind in TOUCHPOINTS])
    for one in sorted(every, key=lambda one: (one.decided_at, one.id)):
        counting[one.item[0], one.item[1]] = one
    before = await store.accounts_of_touchpoints(connection, touched)
    await review_store.assign(
        connection, [(*key, one.account if one.verdict is Verdict.ACCEPT else None) for key, one in counting.items()]
    )
    await store.assign_pending(connection)
    return {*before, *await store.accounts_of_touchpoints(connection, touched)}


async def _state(connection: asyncpg.Connection, found: Sequence[ReviewDecided]) -> set[int]:
    """Let a name, or a deal without a key, belong to an account: a statement like any other, or its undoing."""
    rows = [_statement(one) for one in found]
    linked = await accounts.link(connection, [row.keys for row in rows if not row.undone])
    known = await store.resolve(connection, {key for row in rows for key in row.keys})
    of = {key: resolved.account_id for key, resolved in known.items()} | dict(linked.accounts)
    kept = [row for row in rows if all(key in of for key in row.keys)]  # undoing what never was changes nothing
    _, concerned = await account_store.save_statements(connection, kept, of) if kept else ([], [])
    return {*linked.survivors, *linked.widened, *concerned, *(of[row.keys[0]] for row in kept)}


def _statement(one: ReviewDecided) -> AccountStatement:
    if one.kind is Kind.PROPOSAL:
        about, named = About.LINKED, one.item
    else:
        about, named = About.MERGED, (identity.own_key(one.item[0], one.item[1]), one.account or "")
    version = (one.decided_at - _EPOCH) // timedelta(microseconds=1)
    body = one.model_dump_json()
    return AccountStatement(
        about, SOURCE, keys.pack(one.kind, *one.item), version, tuple(sorted(filter(None, named), key=links.is_strong)),
        (), None, one.verdict is Verdict.REJECT, one.decided_at, body, parse.fingerprint(body),
    )  # fmt: skip


async def _choose(connection: asyncpg.Connection, facts: Collection[review_store.Fact]) -> set[int]:
    """Let facts say what was chosen last of the contents that contradict each other, or what they said first."""
    bodies = await review_store.chosen(connection, facts)
    concerned: set[int] = set()
    if touchpoints := sorted((source, name) for kind, source, name, _ in facts if kind == "touchpoint"):
        rows = [parse.touchpoint(body) for (kind, *_), body in bodies.items() if kind == "touchpoint"]
        concerned |= set(await store.accounts_of_touchpoints(connection, touchpoints))
        await review_store.choose_touchpoints(connection, touchpoints, rows)
        await store.assign_pending(connection)
        await store.note_ambiguous(connection, touchpoints)
        concerned |= set(await store.accounts_of_touchpoints(connection, touchpoints))
    if snapshots := sorted((source, name, version) for kind, source, name, version in facts if kind == "deal"):
        deals_ = [parse.deal(body) for (kind, *_), body in bodies.items() if kind == "deal"]
        concerned |= await _choose_deals(connection, snapshots, deals_)
    return concerned


async def _choose_deals(
    connection: asyncpg.Connection, snapshots: Sequence[tuple[str, str, int]], rows: Sequence[DealVersion]
) -> set[int]:
    """The same for deal snapshots: what only the former content linked may come apart."""
    before = {key for _, named in await review_store.snapshots(connection, snapshots) for key in named}
    await review_store.choose_deals(connection, snapshots, rows)
    now = [parse.deal(body) for body, _ in await review_store.snapshots(connection, snapshots)]
    marks = await deals.point(connection, dict.fromkeys(now))
    named = before.union(*(row.keys for row in now))
    units = {found.account_id for found in (await store.resolve(connection, named)).values()}
    await account_store.note_dated(connection, units)
    return {*marks, *units}
