"""The attribution API: whose work led to a deal, why each share is what it is, and what waits for a decision.

A key bound to a partner sees that partner's shares and touchpoints and one anonymous remainder; what it has no part in
does not exist for it (404), and what concerns the whole program needs an unbound key (403).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.attribution import credit_store, queries, views
from services.attribution.loading import Loader
from services.attribution.queries import Kind
from shared import http
from shared.access import Caller
from shared.database import Database
from shared.errors import Fault
from shared.events.base import Id
from shared.events.credit import Status
from shared.service import Parts

Json = dict[str, Any]
Reader = Annotated[Caller, Depends(http.require("attribution:read"))]
Reviewer = Annotated[Caller, Depends(http.require("attribution:review"))]
Paged = Annotated[http.Page, Depends(http.page)]
PathId = Annotated[Id, Path()]

_key: Final[TypeAdapter[tuple[str, str]]] = TypeAdapter(tuple[Id, Id])


router = APIRouter(prefix="/attribution/v1")


@dataclass(frozen=True, slots=True)
class State:
    """What the endpoints share."""

    database: Database
    loader: Loader


def create_app(parts: Parts, programs: credit_store.Programs) -> FastAPI:
    """The HTTP application of the attribution service."""
    app = http.create_app(
        service="attribution", title="Tributary attribution", key_pool=parts.database.pool, ready=parts.ready,
        metrics=parts.metrics,
        description="Who is credited with which part of a won deal, and why; what could not be credited, and why.",
    )  # fmt: skip
    app.state.attribution = State(parts.database, Loader(parts.database.pool, programs))
    app.include_router(router)
    return app


def _state(request: Request) -> State:
    state: State = request.app.state.attribution
    return state


async def _reading(state: Annotated[State, Depends(_state)]) -> AsyncIterator[AsyncConnection]:
    """A connection on which all selects of a request see the same snapshot."""
    async with state.database.engine.connect() as plain:
        yield await plain.execution_options(isolation_level="REPEATABLE READ")


Shared = Annotated[State, Depends(_state)]
Reading = Annotated[AsyncConnection, Depends(_reading)]


def _unbound(caller: Caller) -> None:
    if caller.partner is not None:
        raise http.Problem(403, "Forbidden", "This needs an API key that is not bound to a partner.")


def _after(page: http.Page) -> tuple[str, str] | None:
    """The natural key behind which the page begins; a cursor of another list is refused."""
    return None if page.after is None else _natural_key(page.after)


def _natural_key(values: Sequence[str]) -> tuple[str, str]:
    try:
        return _key.validate_python(values)
    except ValidationError:
        raise _bad_cursor() from None


def _bad_cursor() -> http.Problem:
    return http.Problem(422, "Invalid request", errors=[Fault("cursor", "use `next` of the page before, unchanged")])


def _next(page: http.Page, shown: int, *place: str) -> str | None:
    return http.encode_cursor(*place) if shown == page.limit else None


@router.get("/deals", tags=["deals"])
async def list_deals(
    caller: Reader, connection: Reading, page: Paged,
    status: Annotated[Status | None, Query(description="Default: credited and unattributed")] = None,
) -> Json:  # fmt: skip
    """Deals with standing credit, by natural key: amount, unattributed part, how many touchpoints and partners."""
    _unbound(caller)
    rows = await queries.credited_deals(connection, after=_after(page), limit=page.limit, status=status)
    following = _next(page, len(rows), rows[-1].source, rows[-1].deal_id) if rows else None
    return {"items": [views.credited_deal(row) for row in rows], "next": following}


@router.get("/deals/{source}/{deal:path}", tags=["deals"])
async def show_deal(source: PathId, deal: PathId, caller: Reader, state: Shared, page: Paged) -> Json:
    """A deal's published credit and the explanation of every share and of every touchpoint without one.

    `current` is false while newer facts are being worked in. `touchpoints` is one page in chronological order, `next`
    the cursor of the following one. An account of more than 20,000 touchpoints is not explained one by one
    (`explained` is false, `text` says so); its published credit lists the first touchpoints of each share.
    """
    found = await state.loader.deal(source, deal)
    if found is None or (caller.partner is not None and not views.visible(found, caller.partner)):
        raise http.Problem(404, "No such deal", f"There is no deal {deal!r} of {source!r}.")
    lines = views.lines(found, caller.partner)
    after = _after(page)
    places = {(line.touch.source, line.touch.id): number for number, line in enumerate(lines, 1)}
    if after is not None and after not in places:
        raise _bad_cursor()
    begin = places[after] if after is not None else 0
    shown = lines[begin : begin + page.limit]
    more = begin + len(shown) < len(lines)
    last = shown[-1].touch if shown and more else None
    following = http.encode_cursor(last.source, last.id) if last is not None else None
    return views.deal(found, only_for=caller.partner, lines=shown) | {"next": following}


@router.get("/touchpoints/{source}/{touchpoint:path}", tags=["touchpoints"])
async def show_touchpoint(source: PathId, touchpoint: PathId, caller: Reader, state: Shared) -> Json:
    """What became of a touchpoint: its credit on each won deal of its account, or why it has none; its conflicts.

    At most the 50 latest won deals are shown.
    """
    found = await state.loader.touchpoint(source, touchpoint)
    if found is None or not caller.may_act_for(found.row["partner"]):
        raise http.Problem(404, "No such touchpoint", f"There is no touchpoint {touchpoint!r} of {source!r}.")
    return views.touchpoint(found, only_for=caller.partner)


@router.get("/partners/{partner:path}/credits", tags=["partners"])
async def list_credits(partner: PathId, caller: Reader, connection: Reading, page: Paged) -> Json:
    """A partner's own share of each deal it has credit on, by the deals' natural keys."""
    if not caller.may_act_for(partner):
        raise http.Problem(404, "No such partner", f"There is no partner {partner!r}.")
    rows = await queries.credits_of(connection, partner, after=_after(page), limit=page.limit)
    following = _next(page, len(rows), rows[-1].source, rows[-1].deal_id) if rows else None
    return {"items": [views.own_credit(row, partner) for row in rows], "next": following}


@router.get("/summary", tags=["summary"])
async def summary(caller: Reader, connection: Reading) -> Json:
    """What was won per currency, how much of it is credited and unattributed (they sum exactly), and counts of facts.

    `marks_waiting` is 0 when every stored fact is worked in.
    """
    _unbound(caller)
    return {
        "totals": views.totals(await queries.totals(connection)),
        "counts": await queries.counts(connection),
    }


@router.get("/review", tags=["review"])
async def review(
    caller: Reviewer, connection: Reading, page: Paged,
    kind: Annotated[Kind | None, Query(description="One kind alone; default: all, kind after kind")] = None,
) -> Json:  # fmt: skip
    """What needs a person: ambiguous accounts, contradicting repeats, facts that name no account by a strong key."""
    _unbound(caller)
    kinds = [kind] if kind else list(Kind)
    after: Sequence[Any] | None = None
    if page.after is not None:
        begin, after = _review_place(page.after, kinds)
        kinds = kinds[begin:]
    items: list[Json] = []
    for one in kinds:
        rows = await queries.review(connection, one, after=after, limit=page.limit - len(items))
        items += [views.review_item(one, row) for row in rows]
        if len(items) == page.limit:
            return {"items": items, "next": http.encode_cursor(one, *_review_key(one, rows[-1]))}
        after = None
    return {"items": items, "next": None}


def _review_key(kind: Kind, row: queries.Row) -> tuple[str, ...]:
    match kind:
        case Kind.CONFLICT:
            return row.kind, row.source, row.id, str(row.version), row.fingerprint.hex()
        case Kind.UNMATCHED_DEAL:
            return row.source, row.deal_id
        case _:
            return row.source, row.id


def _review_place(cursor: tuple[str, ...], kinds: Sequence[Kind]) -> tuple[int, Sequence[Any]]:
    """The kind and the key a cursor of `review` stands at."""
    name, *key = cursor or ("",)
    if name not in kinds:
        raise _bad_cursor()
    kind = Kind(name)
    if kind is not Kind.CONFLICT:
        return kinds.index(kind), _natural_key(key)
    try:
        of, source, found, version, fingerprint = key
        place = (of, source, found, int(version), bytes.fromhex(fingerprint))
    except ValueError:
        raise _bad_cursor() from None
    if "\x00" in of + source + found or not 0 <= place[3] < 2**63:  # beyond what the columns hold
        raise _bad_cursor()
    return kinds.index(kind), place
