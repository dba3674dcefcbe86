"""A payment to a partner as a journal: what was payable is paid, through the partner's cash clearing account."""

from __future__ import annotations

from datetime import date

from services.rewards.domain.accounts import Account, Role
from services.rewards.domain.journal import Journal, Kind, Leg
from shared import keys, money


def journal(
    *, source: str, key: str, partner: str, amount_minor: int, currency: str, paid_on: date, reference: str
) -> Journal:
    """Dr partner payable / Cr cash clearing. `source` and `key` (the request's idempotency key) make it unique."""
    payable, paid = Account(Role.PAYABLE, currency, partner), Account(Role.PAID, currency, partner)
    return Journal(
        key=keys.pack("payment", source, key), kind=Kind.PAYMENT, effective_on=paid_on, partner=partner,
        legs=(Leg(payable, amount_minor), Leg(paid, -amount_minor)),
        source_event=f"payment {keys.pack(source, key)}",
        reason={"cause": "payment", "reference": reference, "paid": money.to_decimal(amount_minor, currency)},
    )  # fmt: skip
