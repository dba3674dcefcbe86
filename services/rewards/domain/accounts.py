"""The chart of accounts: who is owed what is told by an account's role, never by a status column.

Sign rule of the whole ledger: debit positive, credit negative.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple


class Role(StrEnum):
    """What an account is for. All but COMMISSION exist once per partner; every account has one currency."""

    COMMISSION = "commission"  # the vendor's expense for what partners earned
    PENDING = "pending"  # earned, inside the plan's hold
    PAYABLE = "payable"  # earned and due; negative when more was taken back than was left to pay
    PAID = "paid"  # cash clearing per partner, so that "paid so far" is a balance and not a sum over history

    __hash__ = str.__hash__  # accounts are dictionary keys on the hot path; Enum's own hash is a call in Python


KINDS: Final = {
    Role.COMMISSION: "expense",
    Role.PENDING: "liability",
    Role.PAYABLE: "liability",
    Role.PAID: "asset",
}


class Account(NamedTuple):
    """An account by its meaning; the ledger knows it by `code` and currency."""

    role: Role
    currency: str
    partner: str | None = None

    @property
    def code(self) -> str:
        """The readable name. The last part is the role, so a colon in a partner's id cannot make two names equal."""
        if self.role is Role.COMMISSION:
            return "expense:commission"
        return f"cash:clearing:{self.partner}" if self.role is Role.PAID else f"partner:{self.partner}:{self.role}"

    @property
    def kind(self) -> str:
        return KINDS[self.role]
