"""`POST /rewards/v1/recoveries`: what a partner was paid too much is claimed, and what it pays back is booked."""

from __future__ import annotations

from datetime import date, datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from services.rewards import booking, doors
from services.rewards.booking import Payer
from services.rewards.domain import recovery
from services.rewards.domain.journal import Journal
from services.rewards.domain.recovery import Step
from services.rewards.doors import Json, Key, Shared
from services.rewards.ledger import pay, post
from services.rewards.trail import Action
from shared import http, money
from shared.access import Caller
from shared.events.base import Id, Money, Text

router = APIRouter()


class Recovery(BaseModel):
    """A step of a recovery; an unknown field is refused, for it might have mattered."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    partner: Id
    step: Step = Field(description="`claimed`: what is negative of payable is owed; `repaid`: the partner paid it back")
    amount: Money
    on: date = Field(ge=date(1970, 1, 1), le=date(2200, 12, 31))
    reference: Text = Field(min_length=1, description="The claim's letter, or your bank's reference")


@router.post("/recoveries", status_code=201, tags=["payments"])
async def record_recovery(wanted: Recovery, caller: Payer, state: Shared, idempotency_key: Key = None) -> Json:
    """Book a step: 409 when it is more than there is to claim or to repay, 422 when the key was used for another one.

    A repeat with the same `Idempotency-Key` answers what was booked the first time.
    """
    doors.refuse_bound(caller)
    journal = _journal(wanted, caller, idempotency_key, state.clock())
    try:
        return await booking.use_up(state, caller, journal, Action.RECOVER, wanted, idempotency_key)
    except pay.KeyReused:
        raise doors.key_reused("recovery") from None
    except post.BeyondBalance as error:
        raise _more_than_there_is(wanted, max(error.held_minor, 0)) from None


def _more_than_there_is(wanted: Recovery, held_minor: int) -> http.Problem:
    currency = wanted.amount.currency
    held = f"{money.to_decimal(held_minor, currency)} {currency}"
    what = "has been paid too much and can be claimed" if wanted.step is Step.CLAIMED else "is claimed and not repaid"
    return http.Problem(409, "More than there is", f"{held} {what}; {wanted.amount.amount} was asked for.")


def _journal(wanted: Recovery, caller: Caller, key: str | None, now: datetime) -> Journal:
    key = doors.required_key(key, "recovery")
    booking.refuse_nothing(wanted.amount)
    doors.refuse_future("on", wanted.on, now)
    return recovery.journal(
        wanted.step, source=caller.source, key=key, partner=wanted.partner, amount_minor=wanted.amount.minor,
        currency=wanted.amount.currency, on=wanted.on, reference=wanted.reference,
    )  # fmt: skip
