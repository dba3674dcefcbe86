"""Recording a payment or a recovery: never twice, and never more than there is, however many ask at once.

The posting function takes the key first and reads what there is under the lock of the partner's balance. So of two
equal requests the second waits and finds the first one's journal, and of two different ones the second sees what is
left.
"""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg

from services.rewards.domain.journal import Journal
from services.rewards.ledger import post
from services.rewards.ledger.post import Outcome
from shared.errors import TributaryError


@dataclass(frozen=True, slots=True)
class Receipt:
    """It is in the books. `repeated` when the same request was booked before."""

    journal_id: int
    repeated: bool


class KeyReused(TributaryError):
    """The idempotency key belongs to another one."""


async def pay(connection: asyncpg.Connection, wanted: Journal) -> Receipt:
    """Book what uses up its first leg's account; raises `KeyReused` or `post.BeyondBalance`. Never commits."""
    (result,) = await post.post(connection, [wanted], within_balance=True)
    if result.outcome is Outcome.CONFLICT:
        raise KeyReused(wanted.key)
    return Receipt(result.journal_id, repeated=result.outcome is Outcome.DUPLICATE)
