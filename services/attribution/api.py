"""The attribution API: whose work led to a deal, why each share is what it is, and what waits for a decision.

A key bound to a partner sees that partner's share and touchpoints and one anonymous remainder; what it has no part in
does not exist for it (404), and what concerns the whole program needs an unbound key (403).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, FastAPI, Path, Query
from fastapi.responses import PlainTextResponse, Response

from services.attribution import account_store, credit_store, doors, own_loading, own_views, queries, reviews, views
from services.attribution.domain import explain
from services.attribution.doors import Json, Paged, PathId, Reader, Reading, Shared, State
from services.attribution.loading import Loader
from shared import http
from shared.events.base import AccountKey
from shared.events.credit import Status
from shared.service import Parts

Line = TypeVar("Line")

PREFIX = "/attribution/v1"
router = APIRouter(prefix=PREFIX)
Format = Annotated[
    Literal["json", "text"], Query(alias="format", description="`text`: the explanation as a text to read")
]
RevisionNumber = Annotated[int | None, Query(ge=1, le=2**31 - 1, description="A past revision as it was published")]


def create_app(parts: Parts, reference: credit_store.Reference) -> FastAPI:
    """The HTTP application of the attribution service."""
    app = http.create_app(
        service="attribution", title="Tributary attribution", key_pool=parts.database.pool, ready=parts.ready,
        metrics=parts.metrics,
        description="Who is credited with which part of a won deal, and why; what could not be credited, and why.",
    )  # fmt: skip
    loader = Loader(parts.database.pool, reference)
    app.state.attribution = State(parts.database, loader, parts.clock, parts.wake)
    app.include_router(router)
    app.include_router(reviews.router, prefix=PREFIX)
    return app


@router.get("/deals", tags=["deals"])
async def list_deals(
    caller: Reader, connection: Reading, page: Paged,
    status: Annotated[Status | None, Query(description="Default: credited and unattributed")] = None,
) -> Json:  # fmt: skip
    """Deals with standing credit, by natural key: amount, unattributed part, how many touchpoints and partners."""
    doors.unbound(caller)
    rows = await queries.credited_deals(connection, after=doors.after(page), limit=page.limit, status=status)
    following = doors.following(page, len(rows), rows[-1].source, rows[-1].deal_id) if rows else None
    return {"items": [views.credited_deal(row) for row in rows], "next": following}


@router.get("/deals/{source}/{deal:path}", tags=["deals"])
async def show_deal(
    source: PathId,
    deal: PathId,
    caller: Reader,
    state: Shared,
    page: Paged,
    form: Format = "json",
    revision: RevisionNumber = None,
) -> Any:  # noqa: ANN401  JSON or a text
    """A deal's published credit and the explanation of every share and of every touchpoint without one.

    `current` is false while newer facts are being worked in. `touchpoints` is one page in chronological order, `next`
    the cursor of the following one. An account of more than 20,000 touchpoints is not explained one by one
    (`explained` is false, `text` says so); its published credit lists the first touchpoints of each share.
    `revision` reads a past revision back. With a partner's key: its own part alone, revisions counted by its own.
    """
    if caller.partner is not None:
        return await _own_deal(caller.partner, source, deal, state, page, form, revision)
    if revision is not None:
        past = await state.loader.snapshot(source, deal, revision)
        if past is None:
            raise http.Problem(404, "No such revision", f"The deal {deal!r} of {source!r} has no revision {revision}.")
        return views.past(*past)
    found = await state.loader.deal(source, deal)
    if found is None:
        raise _no_deal(source, deal)
    if form == "text":
        explained = found.explanation
        said = explain.text(found.candidate.deal, explained) if explained else views.TOO_LARGE
        return PlainTextResponse(said)
    lines = views.lines(found)
    shown, following = _page_of(lines, [(line.touch.source, line.touch.id) for line in lines], page)
    return views.deal(found, lines=shown) | {"next": following}


async def _own_deal(
    partner: str, source: str, deal: str, state: State, page: http.Page, form: str, revision: int | None
) -> Json | Response:
    found = await own_loading.deal(state.loader, source, deal, partner)
    if found is None or not found.visible:
        raise _no_deal(source, deal)
    if revision is not None:
        if revision > len(found.revisions):
            raise http.Problem(404, "No such revision", f"The deal {deal!r} of {source!r} has no revision {revision}.")
        return own_views.past(found, found.revisions[revision - 1])
    if form == "text":
        return PlainTextResponse(own_views.text(found))
    lines = found.lines
    shown, following = _page_of(lines, [(line.touch.source, line.touch.id) for line in lines], page)
    return own_views.deal(found, shown) | {"next": following}


def _no_deal(source: str, deal: str) -> http.Problem:
    return http.Problem(404, "No such deal", f"There is no deal {deal!r} of {source!r}.")


def _page_of(
    lines: Sequence[Line], keys: Sequence[tuple[str, str]], page: http.Page
) -> tuple[Sequence[Line], str | None]:
    """One page of explained touchpoints, and the cursor of the following one."""
    after = doors.after(page)
    places = {key: number for number, key in enumerate(keys, 1)}
    if after is not None and after not in places:
        raise doors.bad_cursor()
    begin = places[after] if after is not None else 0
    shown = lines[begin : begin + page.limit]
    more = begin + len(shown) < len(lines)
    return shown, http.encode_cursor(*keys[begin + len(shown) - 1]) if shown and more else None


@router.get("/touchpoints/{source}/{touchpoint:path}", tags=["touchpoints"])
async def show_touchpoint(source: PathId, touchpoint: PathId, caller: Reader, state: Shared) -> Json:
    """What became of a touchpoint: its credit on each won deal of its account, or why it has none; its conflicts.

    At most the 50 latest won deals are shown.
    """
    missing = http.Problem(404, "No such touchpoint", f"There is no touchpoint {touchpoint!r} of {source!r}.")
    if caller.partner is not None:
        own = await own_loading.touchpoint(state.loader, source, touchpoint, caller.partner)
        if own is None or not own_views.may_see(own, caller.partner):
            raise missing
        return own_views.touchpoint(own, caller.partner)
    found = await state.loader.touchpoint(source, touchpoint)
    if found is None:
        raise missing
    return views.touchpoint(found)


@router.get("/partners/{partner:path}/credits", tags=["partners"])
async def list_credits(partner: PathId, caller: Reader, connection: Reading, page: Paged) -> Json:
    """A partner's own share of each deal it has credit on, by the deals' natural keys."""
    if not caller.may_act_for(partner):
        raise http.Problem(404, "No such partner", f"There is no partner {partner!r}.")
    rows = await queries.credits_of(connection, partner, after=doors.after(page), limit=page.limit)
    following = doors.following(page, len(rows), rows[-1].source, rows[-1].deal_id) if rows else None
    show = views.own_credit if caller.partner is None else own_views.own_credit
    return {"items": [show(row, partner) for row in rows], "next": following}


@router.get("/summary", tags=["summary"])
async def summary(caller: Reader, connection: Reading) -> Json:
    """What was won per currency, how much of it is credited and unattributed (they sum exactly), and counts of facts.

    `marks_waiting` is 0 when every stored fact is worked in.
    """
    doors.unbound(caller)
    return {
        "totals": views.totals(await queries.totals(connection)),
        "counts": await queries.counts(connection),
    }


@router.get("/influence", tags=["summary"])
async def influence(
    caller: Reader, connection: Reading,
    first: Annotated[date | None, Query(alias="from", description="First close date of deals")] = None,
    last: Annotated[date | None, Query(alias="to", description="Last close date of deals")] = None,
) -> Json:  # fmt: skip
    """What was sourced, influenced and delivered: deals and their amounts, by class and by partner and class.

    By class, each deal counts once, in the strongest class that any partner has on it. By partner, a deal counts whole
    for every partner that took part (participation): these figures overlap between partners, and are never pay.
    """
    doors.unbound(caller)
    rows = await queries.influence(connection, first, last)
    return views.influence(rows, await queries.influence_by_class(connection, first, last))


@router.get("/accounts/{key:path}", tags=["accounts"])
async def show_account(
    key: Annotated[AccountKey, Path()], caller: Reader, state: Shared,
    on: Annotated[date | None, Query(description="As deals closing on this day see it; default: today")] = None,
) -> Json:  # fmt: skip
    """The company a key such as `domain:acme.example` belongs to: its keys, names and what was stated about them."""
    doors.unbound(caller)
    async with state.loader.reading() as connection:
        found = await account_store.account(connection, key)
    if found is None:
        detail = f"No account has the key {key!r}; keys look like domain:acme.example or crm:crm:A-1."
        raise http.Problem(404, "No such account", detail)
    return views.account(key, found, on or state.clock().date())
