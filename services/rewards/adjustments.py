"""`/rewards/v1/adjustments`: what somebody decided that no rule pays, booked once, and by two keys when it is much."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Literal

import asyncpg
from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from services.rewards import adjustment_store, doors, record_queries, record_views, trail
from services.rewards.adjustment_store import OnFile
from services.rewards.domain import adjustment
from services.rewards.domain.accounts import Role
from services.rewards.domain.adjustment import Adjustment
from services.rewards.doors import Json, Key, Paged, Reading, Said, Shared, State
from services.rewards.ledger import post
from services.rewards.trail import Action
from shared import http, keys
from shared.access import Caller
from shared.errors import Fault
from shared.events.base import Id, Money

Adjuster = Annotated[Caller, Depends(http.require("rewards:adjust"))]
Approver = Annotated[Caller, Depends(http.require("rewards:approve"))]
AdjustmentId = Annotated[int, Path(ge=1, le=2**63 - 1)]

router = APIRouter(tags=["adjustments"])


class Decision(StrEnum):
    """What became of an adjustment."""

    PROPOSED = "proposed"
    BOOKED = "booked"
    DECLINED = "declined"


class Deal(BaseModel):
    """The deal an adjustment is about. What the deal earns by its program stays as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Id
    id: Id


class Wanted(BaseModel):
    """An adjustment; an unknown field is refused, for it might have mattered."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    partner: Id
    amount: Money = Field(description="Positive is in the partner's favour, negative takes back")
    account: Literal[Role.PENDING, Role.PAYABLE, Role.RECOVERABLE]
    against: Literal[Role.COMMISSION, Role.ROUNDING, Role.FX_DIFFERENCE] = Field(
        default=Role.COMMISSION, description="The vendor's account on the other side"
    )
    effective_on: date = Field(ge=date(1970, 1, 1), le=date(2200, 12, 31))
    reason: Said = Field(description="Why; the partner reads it on its statement")
    reference: Said = Field(description="Where it can be looked up: a ticket, an agreement, a mail")
    deal: Deal | None = None


class Refusal(BaseModel):
    """Why an adjustment is declined."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reason: Said


@router.post("/adjustments", status_code=201)
async def propose(wanted: Wanted, caller: Adjuster, state: Shared, idempotency_key: Key = None) -> Json:
    """Book an adjustment at once, or, above the limit of one person, keep it for another key to approve.

    A repeat with the same `Idempotency-Key` answers what became of the first; 422 when the key was used for another.
    """
    doors.refuse_bound(caller)
    key = keys.pack(caller.source, doors.required_key(idempotency_key, "adjustment"))
    doors.refuse_future("effective_on", wanted.effective_on, state.clock())
    asked = _asked(wanted)
    async with state.database.engine.connect() as reading:
        await doors.known(reading, caller, wanted.partner)
    two = adjustment.needs_approval(asked.amount_minor, asked.currency, state.approval_above)
    async with state.database.transaction() as connection:
        filed = await adjustment_store.file(connection, asked, key, caller, needs_approval=two)
        if not filed.same:
            raise doors.key_reused("adjustment")
        if filed.fresh:
            journal_id = None if two else await _book(connection, filed.adjustment_id, asked, caller)
            request = wanted.model_dump(mode="json") | {"idempotency_key": idempotency_key}
            action = Action.PROPOSE if two else Action.ADJUST
            await trail.note(connection, caller, action, request, filed.adjustment_id, journal_id)
    return await _show(state, filed.adjustment_id)


@router.post("/adjustments/{adjustment_id}/approve")
async def approve(adjustment_id: AdjustmentId, caller: Approver, state: Shared) -> Json:
    """Book a proposed adjustment: 403 for the key that proposed it, 409 when it was decided before."""
    doors.refuse_bound(caller)
    async with state.database.transaction() as connection:
        on_file = await _undecided(connection, adjustment_id)
        if on_file.proposed_by == caller.key_id:
            raise http.Problem(403, "Forbidden", "Another API key than the one that proposed it must approve it.")
        journal_id = await _book(connection, adjustment_id, on_file.adjustment, caller)
        request = {"adjustment": adjustment_id}
        await trail.note(connection, caller, Action.APPROVE, request, adjustment_id, journal_id)
    return await _show(state, adjustment_id)


@router.post("/adjustments/{adjustment_id}/decline")
async def decline(adjustment_id: AdjustmentId, refusal: Refusal, caller: Approver, state: Shared) -> Json:
    """Refuse a proposed adjustment for good, with a reason: 409 when it was decided before.

    The key that proposed it may do so too: that withdraws it.
    """
    doors.refuse_bound(caller)
    async with state.database.transaction() as connection:
        await _undecided(connection, adjustment_id)
        if not await adjustment_store.decline(connection, adjustment_id, refusal.reason, caller):
            raise _decided(adjustment_id)
        request = {"adjustment": adjustment_id, "reason": refusal.reason}
        await trail.note(connection, caller, Action.DECLINE, request, adjustment_id)
    return await _show(state, adjustment_id)


@router.get("/adjustments", dependencies=[Depends(doors.unbound)])
async def list_adjustments(
    connection: Reading, page: Paged, partner: Annotated[Id | None, Query()] = None,
    state: Annotated[Decision | None, Query()] = None,
) -> Json:  # fmt: skip
    """Adjustments with who asked, who decided, why, and what became of them, in the order they came."""
    rows = await record_queries.adjustments(
        connection, partner=partner, outcome=state, after=doors.after(page), limit=page.limit
    )
    items = [record_views.adjustment(row) for row in rows]
    return doors.page(items, page, rows[-1].adjustment_id if rows else None)


@router.get("/adjustments/{adjustment_id}", dependencies=[Depends(doors.unbound)])
async def show_adjustment(adjustment_id: AdjustmentId, state: Shared) -> Json:
    """One adjustment."""
    return await _show(state, adjustment_id)


def _asked(wanted: Wanted) -> Adjustment:
    if wanted.amount.minor == 0:
        raise http.Problem(422, "Invalid request", errors=[Fault("amount.amount", "must not be zero")])
    deal = wanted.deal
    return Adjustment(
        wanted.partner, wanted.account, wanted.amount.minor, wanted.amount.currency, wanted.effective_on,
        wanted.reason, wanted.reference, deal.source if deal else None, deal.id if deal else None, wanted.against,
    )  # fmt: skip


async def _book(connection: asyncpg.Connection, adjustment_id: int, wanted: Adjustment, caller: Caller) -> int:
    """Post the journal and the decision. Whoever comes second waits for the first and finds it decided."""
    (result,) = await post.post(connection, [adjustment.journal(wanted, adjustment_id)])
    if not await adjustment_store.book(connection, adjustment_id, result.journal_id, caller):
        raise _decided(adjustment_id)
    return result.journal_id


async def _undecided(connection: asyncpg.Connection, adjustment_id: int) -> OnFile:
    on_file = await adjustment_store.load(connection, adjustment_id)
    if on_file is None:
        raise _unknown(adjustment_id)
    if on_file.outcome is not None:
        raise _decided(adjustment_id)
    return on_file


def _unknown(adjustment_id: int) -> http.Problem:
    return http.Problem(404, "No such adjustment", f"There is no adjustment {adjustment_id}.")


def _decided(adjustment_id: int) -> http.Problem:
    return http.Problem(409, "Decided before", f"Adjustment {adjustment_id} is booked or declined already.")


async def _show(state: State, adjustment_id: int) -> Json:
    async with state.database.engine.connect() as connection:
        row = await record_queries.adjustment(connection, adjustment_id)
    if row is None:
        raise _unknown(adjustment_id)
    return record_views.adjustment(row)
