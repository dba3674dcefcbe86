"""`POST /rewards/v1/journals/{id}/reverse`: what people recorded is taken back whole, and at most once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date
from typing import Annotated, Final

import asyncpg
from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, Field

from services.rewards import adjustment_store, doors, queries, trail
from services.rewards.domain import adjustment, reversal
from services.rewards.domain.accounts import Account, Role
from services.rewards.domain.journal import Journal, Kind, Leg
from services.rewards.doors import Json, Said, Shared, State
from services.rewards.ledger import post
from services.rewards.ledger.post import Outcome
from services.rewards.queries import Row
from services.rewards.trail import Action
from shared import http, keys
from shared.access import Caller
from shared.errors import Fault

APPROVE: Final = "rewards:approve"

Adjuster = Annotated[Caller, Depends(http.require("rewards:adjust"))]

router = APIRouter()


class Wanted(BaseModel):
    """Why, and on which day it counts: today, if no other is named."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reason: Said = Field(description="Why; the partner reads it on its statement")
    effective_on: date | None = Field(default=None, ge=date(1970, 1, 1), le=date(2200, 12, 31))


@router.post("/journals/{journal_id}/reverse", status_code=201, tags=["adjustments"])
async def reverse(
    journal_id: Annotated[int, Path(ge=1, le=2**63 - 1)], wanted: Wanted, caller: Adjuster, state: Shared
) -> Json:
    """Take back a payment or an adjustment by hand: 409 when it was taken back before, or follows a deal.

    Above the limit of one person it takes the scope rewards:approve, and a key that had no hand in the journal.
    """
    doors.refuse_bound(caller)
    day = wanted.effective_on or state.clock().astimezone(UTC).date()
    doors.refuse_future("effective_on", day, state.clock())
    async with state.database.engine.connect() as reading:
        row = await queries.journal(reading, journal_id)
        legs = await queries.entries(reading, [journal_id])
    if row is None:
        raise http.Problem(404, "No such journal", f"There is no journal {journal_id}.")
    if day < row.effective_on:
        said = f"must not be before {row.effective_on}, the day of the journal"
        raise http.Problem(422, "Invalid request", errors=[Fault("effective_on", said)])
    journal = _reversal(row, legs, wanted.reason, day)
    async with state.database.transaction() as connection:
        await _refuse_alone(connection, state, caller, journal_id, journal)
        made = await _post(connection, journal, journal_id)
        request = {"journal": journal_id} | wanted.model_dump(mode="json")
        await trail.note(connection, caller, Action.REVERSE, request, made, made)
    return await doors.booked(state, made, caller)


def _reversal(row: Row, legs: Sequence[Row], reason: str, day: date) -> Journal:
    of = Journal(
        key="", kind=Kind(row.kind), effective_on=row.effective_on, partner=row.partner, deal_source=row.deal_source,
        deal_id=row.deal_id, plan=row.plan, scope=row.scope, source_event=row.source_event, reason=row.reason,
        legs=tuple(
            # a vendor's account has no partner
            Leg(Account(Role(leg.role), leg.currency, leg.partner), leg.amount_minor) for leg in legs
        ),
    )  # fmt: skip
    try:
        return reversal.journal(
            of, row.journal_id, key=keys.pack("reversal", str(row.journal_id)), effective_on=day,
            source_event=f"reversal of journal {row.journal_id}", cause=reason,
        )  # fmt: skip
    except ValueError as error:
        raise http.Problem(409, "Not to be taken back", f"{error}.") from None


async def _refuse_alone(
    connection: asyncpg.Connection, state: State, caller: Caller, journal_id: int, journal: Journal
) -> None:
    leg = journal.legs[0]
    if not adjustment.needs_approval(leg.amount_minor, leg.account.currency, state.approval_above):
        return
    if not caller.holds(APPROVE):
        raise http.Problem(403, "Forbidden", f"Taking back this much needs an API key with the scope {APPROVE}.")
    if caller.key_id in await adjustment_store.hands(connection, journal_id):
        raise http.Problem(403, "Forbidden", "Taking back this much needs another API key than those that booked it.")


async def _post(connection: asyncpg.Connection, journal: Journal, journal_id: int) -> int:
    """Its key is the journal's that it takes back: of two at once the second waits, and finds the first."""
    try:
        (result,) = await post.post(connection, [journal])
    except asyncpg.UniqueViolationError:
        raise _again(journal_id) from None
    if result.outcome is not Outcome.POSTED:
        raise _again(journal_id, f" by journal {result.journal_id}")
    return result.journal_id


def _again(journal_id: int, by: str = "") -> http.Problem:
    return http.Problem(409, "Taken back before", f"Journal {journal_id} is taken back already{by}.")
