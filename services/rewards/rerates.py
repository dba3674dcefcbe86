"""`/rewards/v1/re-rates`: orders that past deals pay by another version of their program; the books follow."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from services.rewards import doors, record_queries, record_views, rerate_store, trail
from services.rewards.doors import Json, Key, Paged, Reading, Said, Shared, State
from services.rewards.rerate_store import Order
from services.rewards.trail import Action
from shared import http, keys, program
from shared.access import Caller
from shared.errors import Fault, Invalid
from shared.events.base import Id

Adjuster = Annotated[Caller, Depends(http.require("rewards:adjust"))]

router = APIRouter(tags=["re-rates"])


class Wanted(BaseModel):
    """An order to re-rate; an unknown field is refused, for it might have mattered."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    program: Id
    version: int = Field(ge=1, le=1_000_000, description="The version whose compensation the deals pay by from now on")
    first: date = Field(ge=date(1970, 1, 1), le=date(2200, 12, 31), description="The first close date it concerns")
    last: date = Field(ge=date(1970, 1, 1), le=date(2200, 12, 31), description="The last close date it concerns")
    reason: Said = Field(description="Why; the journals it causes name the order")
    reference: Said = Field(description="Where it can be looked up: a ticket, an agreement, a mail")


@router.post("/re-rates", status_code=201)
async def order(wanted: Wanted, caller: Adjuster, state: Shared, idempotency_key: Key = None) -> Json:
    """Order that deals closed from `first` to `last` pay by another version; the differences are booked within moments.

    Nothing posted changes; each difference names the order. Of several orders on one deal the last counts.
    404 for an unknown version; 422 when its compensation cannot be used, the dates are the wrong way round, or the key
    was used for another order. A repeat with the same `Idempotency-Key` answers the first.
    """
    doors.refuse_bound(caller)
    key = keys.pack(caller.source, doors.required_key(idempotency_key, "order to re-rate"))
    if wanted.first > wanted.last:
        raise http.Problem(422, "Invalid request", errors=[Fault("first", "must not be after `last`")])
    asked = Order(wanted.program, wanted.version, wanted.first, wanted.last, wanted.reason, wanted.reference)
    async with state.database.transaction() as connection:
        _refuse_unusable(asked, await rerate_store.document(connection, asked.program, asked.version))
        filed = await rerate_store.file(connection, asked, key, caller)
        if not filed.same:
            raise doors.key_reused("order")
        if filed.fresh:
            request = wanted.model_dump(mode="json") | {"idempotency_key": idempotency_key}
            await trail.note(connection, caller, Action.RERATE, request, filed.rerate_id)
    return await _show(state, filed.rerate_id)


@router.get("/re-rates", dependencies=[Depends(doors.unbound)])
async def list_rerates(
    connection: Reading, page: Paged, program: Annotated[Id | None, Query()] = None
) -> Json:  # fmt: skip
    """Orders to re-rate with who gave them and why, in the order they came."""
    rows = await record_queries.rerates(connection, program=program, after=doors.after(page), limit=page.limit)
    return doors.page([record_views.rerate(row) for row in rows], page, rows[-1].rerate_id if rows else None)


def _refuse_unusable(asked: Order, document: str | None) -> None:
    if document is None:
        detail = f"There is no version {asked.version} of program {asked.program!r}."
        raise http.Problem(404, "No such program version", detail)
    try:
        program.parse(orjson.loads(document))
    except Invalid as error:
        faults = [Fault(f"version.{fault.field}", fault.message) for fault in error.faults]
        raise http.Problem(422, "Invalid request", errors=faults) from None


async def _show(state: State, rerate_id: int) -> Json:
    async with state.database.engine.connect() as connection:
        (row,) = await record_queries.rerates(connection, program=None, after=rerate_id - 1, limit=1)
    return record_views.rerate(row)
