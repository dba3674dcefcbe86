"""What a reviewer decides takes effect: in the transaction that stores the decision, whichever way it came in.

The API applies a decision at once and publishes it; the consumer applies those that a rebuilt or another database has
not seen. Either way the effect is that of the latest decision on the item, and exactly its accounts are marked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg

from services.attribution import account_store, accounts, deals, review_store, store
from services.attribution.domain import identity, links, parse, statements
from services.attribution.domain.statements import About, AccountStatement
from services.attribution.store import Conflict
from shared import keys
from shared.errors import Invalid
from shared.events import review
from shared.events.review import Kind, ReviewDecided, Verdict
from shared.message import Message, Refused

SOURCE: Final = "tributary/review"
"""The source of statements that come from decisions."""
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
    touchpoints = by_kind.get(Kind.AMBIGUOUS_ACCOUNT, []) + by_kind.get(Kind.UNMATCHED_TOUCHPOINT, [])
    stated = by_kind.get(Kind.PROPOSAL, []) + by_kind.get(Kind.UNMATCHED_DEAL, [])
    concerned: set[int] = set()
    if touchpoints:
        concerned |= await _assign(connection, touchpoints)
    if stated:
        concerned |= await _state(connection, stated)
    for one in by_kind.get(Kind.CONFLICT, []):
        concerned |= await _replace(connection, one)
    claims = [(*one.item, one.verdict is Verdict.ACCEPT) for one in by_kind.get(Kind.LATE_CLAIM, [])]
    concerned |= set(await review_store.admit(connection, claims))  # type: ignore[arg-type]  # an item of four parts
    return concerned


async def _assign(connection: asyncpg.Connection, found: Sequence[ReviewDecided]) -> set[int]:
    """Let touchpoints belong to the account that was chosen, or again to those they name."""
    touched = [(one.item[0], one.item[1]) for one in found]
    before = await store.accounts_of_touchpoints(connection, touched)
    await review_store.assign(
        connection, [(*key, one.account if one.verdict is Verdict.ACCEPT else None)
                     for key, one in zip(touched, found, strict=True)],
    )  # fmt: skip
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


async def _replace(connection: asyncpg.Connection, one: ReviewDecided) -> set[int]:
    """Apply the other content of a conflict, or go back to the first."""
    of, source, name, version, print_ = one.item
    bodies = await review_store.conflicting(connection, [(of, source, name, int(version), bytes.fromhex(print_))])
    body = next(iter(bodies.values()), None)
    if of == "touchpoint":
        before = await store.accounts_of_touchpoints(connection, [(source, name)])
        if one.verdict is Verdict.REJECT:
            await review_store.restore_touchpoint(connection, (source, name))
        elif body is not None:
            await review_store.replace_touchpoint(connection, parse.touchpoint(body))
        return {*before, *await store.accounts_of_touchpoints(connection, [(source, name)])}
    if of == "deal":
        accepted = one.verdict is Verdict.ACCEPT
        if not accepted:
            body = await review_store.original_deal(connection, source, name, int(version))
        if body is None:
            return set()
        row = parse.deal(body)
        await review_store.replace_deal(connection, row, keep=accepted)
        return set(await deals.point(connection, {row: None}))
    return set()
