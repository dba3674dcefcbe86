"""A payment to a partner as a journal: what was payable is paid, through the partner's cash clearing account."""

from __future__ import annotations

from datetime import date

from services.rewards.domain.accounts import Account, Role
from services.rewards.domain.journal import Journal, Kind, Leg
from shared import keys, money


def journal(
    *, source: str, key: str, partner: str, amount_minor: int, currency: str, paid_on: date, reference: str,
    sent: tuple[int, str] | None = None,
) -> Journal:  # fmt: skip
    """Dr partner payable / Cr cash clearing. `source` and `key` (the request's idempotency key) make it unique.

    What was `sent` in another currency (minor units, currency) leaves cash in that one; the vendor's FX difference
    takes the other side of both, so that each currency balances, and holds what the exchange cost or brought.
    """
    payable, paid = Account(Role.PAYABLE, currency, partner), Account(Role.PAID, currency, partner)
    legs: tuple[Leg, ...] = (Leg(payable, amount_minor), Leg(paid, -amount_minor))
    told: dict[str, str] = {}
    if sent is not None:
        sent_minor, foreign = sent
        legs = (
            Leg(payable, amount_minor), Leg(Account(Role.FX_DIFFERENCE, currency), -amount_minor),
            Leg(Account(Role.FX_DIFFERENCE, foreign), sent_minor),
            Leg(Account(Role.PAID, foreign, partner), -sent_minor),
        )  # fmt: skip
        told = {"sent": f"{money.to_decimal(sent_minor, foreign)} {foreign}"}
    return Journal(
        key=keys.pack("payment", source, key), kind=Kind.PAYMENT, effective_on=paid_on, partner=partner,
        legs=legs,
        source_event=f"payment {keys.pack(source, key)}",
        reason={"cause": "payment", "reference": reference, "paid": money.to_decimal(amount_minor, currency), **told},
    )  # fmt: skip
