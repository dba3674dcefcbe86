"""An adjustment by hand: what somebody decided that no rule pays, with its reason and reference.

It names its deal, if there is one, but is no journal of that deal: what a deal owes follows its facts, and the next
computation would take the adjustment back.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from typing import Final

import orjson

from services.rewards.domain.accounts import Account, Role
from services.rewards.domain.journal import Journal, Kind, Leg
from services.rewards.domain.telling import Reason
from shared import keys, money

APPROVAL_ABOVE: Final = 1_000
"""The usual limit in whole units of any currency: what one key may book without another. A setting of the service."""


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What was asked for. A positive amount is in the partner's favour.

    `account` is PENDING, PAYABLE or RECOVERABLE (a write-off), `against` the vendor's account on the other side.
    """

    partner: str
    account: Role
    amount_minor: int
    currency: str
    effective_on: date
    reason: str
    reference: str
    deal_source: str | None = None
    deal_id: str | None = None
    against: Role = Role.COMMISSION

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 of all of it: the same request key with another fingerprint is another adjustment."""
        content: tuple[object, ...] = (
            self.partner, self.account, self.amount_minor, self.currency, self.effective_on, self.reason,
            self.reference, self.deal_source, self.deal_id,
        )  # fmt: skip
        if self.against is not Role.COMMISSION:  # else as releases before had it: request keys are for ever
            content += (self.against,)
        return hashlib.sha256(orjson.dumps(content)).digest()


def needs_approval(amount_minor: int, currency: str, above: int) -> bool:
    """Whether an amount, to or from the partner, is more than `above` whole units of its currency."""
    return abs(amount_minor) > money.to_minor(str(above), currency)


def journal(of: Adjustment, adjustment_id: int) -> Journal:
    """Dr the vendor's account / Cr the partner's, or the other way round for a negative amount. Booked once per id."""
    expense, owed = Account(of.against, of.currency), Account(of.account, of.currency, of.partner)
    deal: Reason = {"deal_source": of.deal_source, "deal_id": of.deal_id} if of.deal_id is not None else {}
    return Journal(
        key=keys.pack("manual", str(adjustment_id)), kind=Kind.MANUAL, effective_on=of.effective_on,
        partner=of.partner, legs=(Leg(expense, of.amount_minor), Leg(owed, -of.amount_minor)),
        source_event=f"adjustment {adjustment_id}",
        reason={
            "cause": of.reason, "reference": of.reference, "adjustment": adjustment_id,
            "adjusted": money.to_decimal(of.amount_minor, of.currency), **deal,
        },
    )  # fmt: skip
