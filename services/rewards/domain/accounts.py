"""The chart of accounts: who is owed what is told by an account's role, never by a status column.

Sign rule of the whole ledger: debit positive, credit negative.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple


class Role(StrEnum):
    """What an account is for: the vendor's exist once, all others once per partner; every account has one currency."""

    COMMISSION = "commission"  # the vendor's expense for what partners earned
    PENDING = "pending"  # earned, inside the plan's hold
    PAYABLE = "payable"  # earned and due; negative when more was taken back than was left to pay
    PAID = "paid"  # cash clearing per partner, so that "paid so far" is a balance and not a sum over history
    RECOVERABLE = "recoverable"  # what a partner was paid too much, and owes
    ROUNDING = "rounding"  # the vendor's: what is left when amounts are rounded
    FX_DIFFERENCE = "fx_difference"  # the vendor's: what exchange rates moved between booking and payment

    __hash__ = str.__hash__  # accounts are dictionary keys on the hot path; Enum's own hash is a call in Python


KINDS: Final = {
    Role.COMMISSION: "expense",
    Role.PENDING: "liability",
    Role.PAYABLE: "liability",
    Role.PAID: "asset",
    Role.RECOVERABLE: "asset",
    Role.ROUNDING: "expense",
    Role.FX_DIFFERENCE: "expense",
}
VENDORS: Final = {
    Role.COMMISSION: "expense:commission",
    Role.ROUNDING: "expense:rounding",
    Role.FX_DIFFERENCE: "expense:fx-difference",
}
"""The vendor's own accounts by their codes; no partner owns one."""


class Account(NamedTuple):
    """An account by its meaning; the ledger knows it by `code` and currency."""

    role: Role
    currency: str
    partner: str | None = None

    @property
    def code(self) -> str:
        """The readable name. The last part is the role, so a colon in a partner's id cannot make two names equal."""
        if self.role in VENDORS:
            return VENDORS[self.role]
        return f"cash:clearing:{self.partner}" if self.role is Role.PAID else f"partner:{self.partner}:{self.role}"

    @property
    def kind(self) -> str:
        return KINDS[self.role]
