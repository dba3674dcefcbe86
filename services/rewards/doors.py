"""What the rewards endpoints share: who may ask for whom, which days, which page, and one snapshot per request."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import Depends, Header, Query, Request
from pydantic import AfterValidator, AwareDatetime
from sqlalchemy.ext.asyncio import AsyncConnection

from services.rewards import queries, views
from services.rewards.queries import Period
from shared import http
from shared.access import Caller
from shared.database import Database
from shared.errors import Fault
from shared.events.base import Text

MAX_KEY: Final = 200
"""Longest Idempotency-Key: UUIDs and invoice numbers are far below."""
AHEAD: Final = timedelta(days=1)
"""How far in the future something may be dated: it is already tomorrow elsewhere."""

Json = dict[str, Any]
Day = Annotated[date, Query(ge=date(1970, 1, 1), le=date(2200, 12, 31))]
First = Annotated[Day | None, Query(alias="from", description="First day of booking (UTC)")]
Last = Annotated[Day | None, Query(alias="to", description="Last day of booking (UTC)")]
AsOf = Annotated[Day | None, Query(description="Only what counts (`effective_on`) up to this day")]
KnownAt = Annotated[
    AwareDatetime | None, Query(description="Only what was booked up to this moment, with its offset from UTC")
]
Reader = Annotated[Caller, Depends(http.require("rewards:read"))]
Paged = Annotated[http.Page, Depends(http.page)]
Key = Annotated[str | None, Header(alias="Idempotency-Key", max_length=MAX_KEY)]


def _said(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value


Said = Annotated[Text, AfterValidator(_said)]
"""A text that somebody must give."""


@dataclass(frozen=True, slots=True)
class State:
    """What the endpoints share: the database, the clock, and one verification and one export at a time.

    Both read whole tables for seconds or minutes; more of them at once would take the connections of everybody else.
    """

    database: Database
    clock: Callable[[], datetime]
    verifying: asyncio.Lock
    exporting: asyncio.Lock
    approval_above: int
    """Whole units of any currency that one person may book or take back alone."""


async def shared_state(request: Request) -> State:
    state: State = request.app.state.rewards
    return state


def refuse_if_busy(lock: asyncio.Lock, what: str) -> None:
    """503 while another such request runs."""
    if lock.locked():
        headers = {"Retry-After": str(http.RETRY_AFTER_S)}
        raise http.Problem(503, "Busy", f"{what} is running; repeat the request when it has ended.", headers=headers)


async def reading(state: Annotated[State, Depends(shared_state)]) -> AsyncIterator[AsyncConnection]:
    """A connection on which all selects of a request see the same snapshot."""
    async with state.database.engine.connect() as plain:
        connection = await plain.execution_options(isolation_level="REPEATABLE READ")
        yield connection


Shared = Annotated[State, Depends(shared_state)]
Reading = Annotated[AsyncConnection, Depends(reading)]


async def unbound(caller: Reader) -> None:
    """403 for a key bound to a partner."""
    refuse_bound(caller)


def refuse_bound(caller: Caller) -> None:
    """403 for a key bound to a partner."""
    if caller.partner is not None:
        raise http.Problem(403, "Forbidden", "This needs an API key that is not bound to a partner.")


def required_key(key: str | None, what: str) -> str:
    """The idempotency key of a request to book something; 400 without one."""
    if not key or not key.strip():
        raise http.Problem(400, "Idempotency-Key missing", f"Send a new Idempotency-Key header with each {what}.")
    return key


def key_reused(what: str) -> http.Problem:
    """422 for an idempotency key that belongs to another request."""
    detail = f"This Idempotency-Key was used for another {what}; take a new key for each."
    return http.Problem(422, "Idempotency-Key reused", detail)


def refuse_future(field: str, day: date, now: datetime) -> None:
    """422 for a day that has not begun anywhere."""
    if day > (now.astimezone(UTC) + AHEAD).date():
        raise http.Problem(422, "Invalid request", errors=[Fault(field, "must not lie in the future")])


async def known(connection: AsyncConnection, caller: Caller, partner: str) -> str:
    """The partner's name; 404 when it is unknown or none of the caller's business."""
    name = await queries.partner_name(connection, partner) if caller.may_act_for(partner) else None
    if name is None:
        raise http.Problem(404, "No such partner", f"There is no partner {partner!r}.")
    return name


def period(first: date | None, last: date | None) -> Period:
    """The days from `first` to `last`; 422 when they are the wrong way round."""
    if first and last and first > last:
        raise http.Problem(422, "Invalid request", errors=[Fault("from", "must not be after `to`")])
    return Period(first, last)


async def booked(state: State, journal_id: int, caller: Caller) -> Json:
    """What a request booked, as `/journals` shows it."""
    async with state.database.engine.connect() as connection:
        row = await queries.journal(connection, journal_id)
        legs = await queries.entries(connection, [journal_id])
    if row is None:
        raise AssertionError(f"journal {journal_id} was booked and is gone")
    return views.journal(row, legs, only_for=caller.partner)


def deal(source: str | None, deal_id: str | None) -> tuple[str, str] | None:
    """A deal named by both halves of its key, or none; 422 for one half."""
    if source is not None and deal_id is not None:
        return source, deal_id
    if source is None and deal_id is None:
        return None
    missing = "deal" if deal_id is None else "deal_source"
    raise http.Problem(422, "Invalid request", errors=[Fault(missing, "`deal_source` and `deal` go together")])


def after(page: http.Page) -> int:
    """The id behind which the page begins; a cursor of another list is refused."""
    if page.after is None:
        return 0
    if len(page.after) != 1 or not re.fullmatch(r"[0-9]{1,18}", page.after[0]):
        raise foreign_cursor()
    return int(page.after[0])


def foreign_cursor() -> http.Problem:
    """422 for a cursor that this list did not give."""
    return http.Problem(422, "Invalid request", errors=[Fault("cursor", "use `next` of the page before, unchanged")])


def page(items: list[Json], page: http.Page, last_id: int | None) -> Json:
    """A page of a list whose last item has this id; `next` leads to the one behind it, if there may be one."""
    more = last_id is not None and len(items) == page.limit
    return {"items": items, "next": http.encode_cursor(str(last_id)) if more else None}
