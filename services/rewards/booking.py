"""What a payment and a recovery have in common: booked once, never more than there is, and left on the trail."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from pydantic import BaseModel

from services.rewards import doors, trail
from services.rewards.domain.journal import Journal
from services.rewards.doors import Json, State
from services.rewards.ledger import pay
from services.rewards.trail import Action
from shared import http
from shared.access import Caller
from shared.errors import Fault
from shared.events.base import Money

Payer = Annotated[Caller, Depends(http.require("rewards:pay"))]


def refuse_nothing(amount: Money) -> None:
    """422 for an amount that is not above zero."""
    if amount.minor <= 0:
        raise http.Problem(422, "Invalid request", errors=[Fault("amount.amount", "must be more than zero")])


async def use_up(
    state: State, caller: Caller, journal: Journal, action: Action, wanted: BaseModel, key: str | None
) -> Json:
    """Book what uses up the account of its first leg; a repeat with the same key answers what was booked before.

    404 for an unknown partner. Raises `pay.KeyReused` and `post.BeyondBalance`; then nothing is booked.
    """
    async with state.database.engine.connect() as connection:
        await doors.known(connection, caller, journal.partner)
    async with state.database.transaction() as posting:
        receipt = await pay.pay(posting, journal)
        if not receipt.repeated:
            request = wanted.model_dump(mode="json") | {"idempotency_key": key}
            await trail.note(posting, caller, action, request, receipt.journal_id, receipt.journal_id)
    return await doors.booked(state, receipt.journal_id, caller)
