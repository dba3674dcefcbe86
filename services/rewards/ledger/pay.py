"""Recording a payment: never twice, and never more than is payable, however many ask at once.

The partner's balances are locked first; only then is the key looked up and the payable amount read. So of two equal
requests the second waits and finds the first one's journal, and of two different ones the second sees what is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import asyncpg

from services.rewards.domain import payment
from services.rewards.domain.journal import Journal
from services.rewards.ledger import post
from services.rewards.ledger.post import Outcome
from shared.errors import TributaryError

_KEY: Final = "SELECT fingerprint, journal_id FROM rewards.posting_key WHERE idempotency_key = $1"


@dataclass(frozen=True, slots=True)
class Receipt:
    """A payment in the books. `repeated` when the same request was booked before."""

    journal_id: int
    repeated: bool


class KeyReused(TributaryError):
    """The idempotency key belongs to another payment."""


class NotPayable(TributaryError):
    """More than what is payable was asked for."""

    def __init__(self, payable_minor: int) -> None:
        super().__init__(f"only {payable_minor} minor units are payable")
        self.payable_minor = payable_minor


async def pay(connection: asyncpg.Connection, wanted: Journal) -> Receipt:
    """Book a payment made by `payment.journal`; raises `KeyReused` or `NotPayable`. Never commits."""
    leg = wanted.legs[0]
    ids = await post.ensure_accounts(connection, payment.accounts(wanted.partner, leg.account.currency))
    balances = await post.lock_balances(connection, ids.values())
    known = await connection.fetchrow(_KEY, wanted.key)
    if known is not None:
        if known["fingerprint"] != wanted.fingerprint:
            raise KeyReused(wanted.key)
        return Receipt(known["journal_id"], repeated=True)
    payable_minor = -balances[ids[leg.account]].posted_minor
    if leg.amount_minor > payable_minor:
        raise NotPayable(payable_minor)
    (result,) = await post.post(connection, [wanted])
    if result.outcome is Outcome.CONFLICT:  # the key was used for another partner in this very moment
        raise KeyReused(wanted.key)
    return Receipt(result.journal_id, repeated=result.outcome is Outcome.DUPLICATE)
