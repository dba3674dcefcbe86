"""`POST /rewards/v1/payments`: money sent to a partner enters the books, once, and never more than is payable."""

from __future__ import annotations

from datetime import date, datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from services.rewards import booking, doors
from services.rewards.booking import Payer
from services.rewards.domain import payment
from services.rewards.domain.journal import Journal
from services.rewards.doors import Json, Key, Shared
from services.rewards.ledger import pay, post
from services.rewards.trail import Action
from shared import http, money
from shared.access import Caller
from shared.errors import Fault
from shared.events.base import Id, Money, Text

router = APIRouter()


class Payment(BaseModel):
    """Money sent to a partner; an unknown field is refused, for it might have mattered."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    partner: Id
    amount: Money
    sent: Money | None = Field(default=None, description="What left your bank, when that was another currency")
    paid_on: date = Field(ge=date(1970, 1, 1), le=date(2200, 12, 31))
    reference: Text = Field(min_length=1, description="Your bank's or payment system's reference")


@router.post("/payments", status_code=201, tags=["payments"])
async def record_payment(wanted: Payment, caller: Payer, state: Shared, idempotency_key: Key = None) -> Json:
    """Book money sent to a partner: 409 when it is more than is payable, 422 when the key was used for another payment.

    A repeat with the same `Idempotency-Key` answers what was booked the first time.
    """
    journal = _payment_journal(wanted, caller, idempotency_key, state.clock())
    amount = wanted.amount
    try:
        return await booking.use_up(state, caller, journal, Action.PAY, wanted, idempotency_key)
    except pay.KeyReused:
        detail = "This Idempotency-Key was used for another payment; take a new key for each payment."
        raise http.Problem(422, "Idempotency-Key reused", detail) from None
    except post.BeyondBalance as error:
        payable = money.to_decimal(error.held_minor, amount.currency)
        detail = f"{payable} {amount.currency} is payable to {wanted.partner}; {amount.amount} was asked for."
        raise http.Problem(409, "More than is payable", detail) from None


def _payment_journal(wanted: Payment, caller: Caller, key: str | None, now: datetime) -> Journal:
    key = doors.required_key(key, "payment")
    booking.refuse_nothing(wanted.amount)
    doors.refuse_future("paid_on", wanted.paid_on, now)
    sent = wanted.sent
    if sent is not None and (sent.minor <= 0 or sent.currency == wanted.amount.currency):
        said = "must be more than zero, in another currency than `amount`; leave it out when it is the same"
        raise http.Problem(422, "Invalid request", errors=[Fault("sent", said)])
    return payment.journal(
        source=caller.source, key=key, partner=wanted.partner, amount_minor=wanted.amount.minor,
        currency=wanted.amount.currency, paid_on=wanted.paid_on, reference=wanted.reference,
        sent=(sent.minor, sent.currency) if sent is not None else None,
    )  # fmt: skip
