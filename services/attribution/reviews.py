"""The review list and its decisions: what the rules alone could not settle, and what a person said about it.

A decision is a fact: it is stored, published and takes effect in one transaction, and is never changed. Another
decision on the same item takes its place; both stay readable.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import asyncpg
from fastapi import APIRouter, Header, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from services.attribution import doors, review, review_queries, review_store, review_views, store, tables
from services.attribution.domain import statements
from services.attribution.doors import Decider, Json, Paged, Reading, Reviewer, Shared
from services.attribution.queries import Row
from shared import http, keys, outbox, telemetry
from shared.errors import Fault, Invalid
from shared.events import review as contract
from shared.events.base import AccountKey, Id, Instant, Text
from shared.events.envelope import Event
from shared.events.review import Kind, ReviewDecided, Verdict

router = APIRouter(tags=["review"])
EVENT_SOURCE: Final = "tributary/attribution"
NEEDS_ACCOUNT: Final = frozenset({Kind.AMBIGUOUS_ACCOUNT, Kind.UNMATCHED_DEAL, Kind.UNMATCHED_TOUCHPOINT})
Part = Annotated[str, StringConstraints(max_length=statements.MAX_ITEM_BYTES)]
"""A part of an item of the review list."""
_decision_key: Final[TypeAdapter[tuple[datetime, str]]] = TypeAdapter(tuple[Instant, Id])
_place_key: Final[TypeAdapter[tuple[str, ...]]] = TypeAdapter(tuple[Part, ...])
REPLACEABLE: Final = frozenset({"touchpoint", "deal"})
"""Conflicts whose other content can be applied. Programs and statements have versions: state a new one instead."""


class Decision(BaseModel):
    """What a reviewer decides about one item of the list."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    item: tuple[Part, ...] = Field(min_length=1, max_length=8, description="`item` as the review list shows it")
    verdict: Verdict = Field(description="`accept` does what the item asks for, `reject` leaves things as they are")
    account: AccountKey | None = Field(
        default=None, description="A key of the account, such as domain:acme.example; to accept a match, it is needed"
    )
    why: Text = Field(min_length=1, description="The reason; whoever asks later reads it")
    by: Id | None = Field(default=None, description="The person who decided; by default the source of the API key")


@router.get("/review")
async def list_review(
    caller: Reviewer, connection: Reading, page: Paged,
    kind: Annotated[Kind | None, Query(description="One kind alone; default: all, kind after kind")] = None,
) -> Json:  # fmt: skip
    """What needs a person and is not decided yet. `item` identifies it in POST /attribution/v1/review/decisions.

    Ambiguous accounts, contradicting repeats, touchpoints reported too late, names that look like an account's, and
    facts that name no account by a strong key.
    """
    doors.unbound(caller)
    kinds = [kind] if kind else list(Kind)
    after: Sequence[Any] | None = None
    if page.after is not None:
        begin, after = _place(page.after, kinds)
        kinds = kinds[begin:]
    items: list[Json] = []
    for one in kinds:
        rows = await review_queries.review(connection, one, after=after, limit=page.limit - len(items))
        items += [review_views.item(one, row) for row in rows]
        if len(items) == page.limit:
            return {"items": items, "next": http.encode_cursor(one, *review_views.place(one, rows[-1]))}
        after = None
    return {"items": items, "next": None}


@router.get("/review/decisions")
async def list_decisions(caller: Reviewer, connection: Reading, page: Paged) -> Json:
    """Every decision with who, when and why, the latest first."""
    doors.unbound(caller)
    rows = await review_queries.decisions(connection, after=_decision_place(page), limit=page.limit)
    following = None
    if rows:
        following = doors.following(page, len(rows), rows[-1].decided_at.isoformat(), rows[-1].id)
    return {"items": [review_views.decision(_decision(row)) for row in rows], "next": following}


@router.post("/review/decisions", status_code=201)
async def decide(
    body: Decision, caller: Decider, state: Shared,
    idempotency_key: Annotated[str | None, Header(max_length=200, description="Repeating it decides once")] = None,
) -> JSONResponse:  # fmt: skip
    """Decide one item. The credit of exactly the accounts it concerns is decided anew at once.

    A repeat with the same Idempotency-Key answers 200 with the first decision; with another content it is a 409.
    """
    doors.unbound(caller)
    statements.refuse_item(body.kind, body.item)
    name = str(_named(caller.key_id, idempotency_key) if idempotency_key else uuid.uuid4())
    now = state.clock()
    found = ReviewDecided(
        id=name, kind=body.kind, item=body.item, verdict=body.verdict, account=body.account, why=body.why,
        by=body.by or caller.source, key=caller.key_id, decided_at=now,
    )  # fmt: skip
    async with state.database.transaction() as connection:
        await store.alone(connection)
        known = await review_store.one(connection, name)
        if known is not None:
            return _repeated(known, found)
        await _refuse(connection, found)
        found = found.model_copy(update={"decided_at": await _after_others(connection, found)})
        trace = telemetry.traceparent()
        await store.mark(connection, dict.fromkeys(await review.decide(connection, [found]), trace))
        await outbox.append(connection, tables.SCHEMA, [_event(found, trace)])
    state.wake.set()
    return JSONResponse(review_views.decision(found), 201)


def _repeated(known: tuple[ReviewDecided, bytes], found: ReviewDecided) -> JSONResponse:
    before, fingerprint = known
    if fingerprint != review_store.fingerprint(found):
        raise http.Problem(409, "Already used", "This Idempotency-Key was used for another decision.")
    return JSONResponse(review_views.decision(before), 200)


async def _refuse(connection: asyncpg.Connection, found: ReviewDecided) -> None:
    """404 when there is no such item, 422 when it cannot be decided so."""
    if not await review_store.exists(connection, found):
        raise http.Problem(404, "No such item", f"There is no {found.kind} {list(found.item)} to decide.")
    accepts = found.verdict is Verdict.ACCEPT
    if accepts and found.kind in NEEDS_ACCOUNT:
        if found.account is None:
            raise Invalid(Fault("account", "say which account, by one of its keys, such as domain:acme.example"))
        if not await store.resolve(connection, [found.account]):
            raise Invalid(Fault("account", f"no account has the key {found.account!r}"))
    elif found.account is not None:
        raise Invalid(Fault("account", f"is of no use for this decision on a {found.kind}; leave it out"))
    if accepts and found.kind is Kind.CONFLICT and found.item[0] not in REPLACEABLE:
        raise Invalid(
            Fault("verdict", f"a {found.item[0]} has versions; state a new version, and reject this conflict")
        )


def _named(key_id: str, idempotency_key: str) -> uuid.UUID:
    """The same id for the same header of the same API key, of bounded length whatever the header holds."""
    return uuid.uuid5(uuid.NAMESPACE_URL, keys.pack(key_id, idempotency_key.strip('"')))


async def _after_others(connection: asyncpg.Connection, found: ReviewDecided) -> datetime:
    """The decision's time, behind every other on its item: clocks of machines differ, and the last decision counts."""
    kinds = review.TOUCHPOINTS if found.kind in review.TOUCHPOINTS else (found.kind,)
    last = await review_store.last(connection, kinds, found.item)
    return max(found.decided_at, last + timedelta(microseconds=1)) if last else found.decided_at


def _event(found: ReviewDecided, trace: str | None) -> Event:
    data = found.model_dump_json().encode()
    key = keys.pack(found.kind, *found.item)
    return Event(contract.TOPIC, key, contract.DECIDED, EVENT_SOURCE, found.id, found.decided_at, data, trace)


def _decision(row: Row) -> ReviewDecided:
    return ReviewDecided(
        id=row.id, kind=Kind(row.kind), item=tuple(row.item), verdict=Verdict(row.verdict), account=row.account,
        why=row.why, by=row.by, key=row.key, decided_at=row.decided_at,
    )  # fmt: skip


def _decision_place(page: http.Page) -> tuple[datetime, str] | None:
    if page.after is None:
        return None
    try:
        return _decision_key.validate_python(page.after)
    except ValidationError:
        raise doors.bad_cursor() from None


def _place(cursor: tuple[str, ...], kinds: Sequence[Kind]) -> tuple[int, Sequence[Any]]:
    """The kind and the key a cursor of the review list stands at."""
    try:
        name, *key = _place_key.validate_python(cursor)
        kind = Kind(name)
        statements.refuse_item(kind, tuple(key))
        begin = kinds.index(kind)
    except (ValueError, Invalid):  # pydantic's is a ValueError too
        raise doors.bad_cursor() from None
    if kind is not Kind.CONFLICT:
        return begin, key
    of, source, found, version, fingerprint = key
    return begin, (of, source, found, int(version), bytes.fromhex(fingerprint))
