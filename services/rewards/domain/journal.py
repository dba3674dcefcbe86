"""Target minus posted: what must be booked so that the books say what the facts say.

One journal per (deal, partner, plan, currency) and difference. Nothing posted is ever changed: a new amount, a deal
reopened or lost, a hold that ended, each becomes a further journal that names the one before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, NamedTuple

import orjson

from services.rewards.domain import telling
from services.rewards.domain.accounts import Account, Role
from services.rewards.domain.inputs import Credit
from services.rewards.domain.outcomes import Earning, Target
from services.rewards.domain.telling import Reason
from shared import keys


class Kind(StrEnum):
    """What a journal did. ACCRUAL, PAYMENT, MANUAL and RECOVERY stand alone; the others adjust one before."""

    ACCRUAL = "accrual"
    MATURITY = "maturity"
    ADJUSTMENT = "adjustment"
    REVERSAL = "reversal"
    PAYMENT = "payment"
    MANUAL = "manual"
    RECOVERY = "recovery"


class Leg(NamedTuple):
    """One line of a journal: debit positive, in minor units of the account's currency."""

    account: Account
    amount_minor: int


class Journal(NamedTuple):  # made by the thousand: a dataclass takes three times as long
    """A balanced posting before it is booked. `reason` explains it to the partner and to finance.

    `period` asks for a month of accounting by name (its first day), which must be open; None leaves it to the ledger.
    `reverses` is a journal whose every leg this one takes back, once. `scope` is the span, or the budget, whose deals
    together it is about, under the plan; then it has no deal.
    """

    key: str
    kind: Kind
    effective_on: date
    partner: str
    legs: tuple[Leg, ...]
    source_event: str
    reason: Reason
    deal_source: str | None = None
    deal_id: str | None = None
    plan: str | None = None
    adjusts: int | None = None
    program: str | None = None
    program_version: int | None = None
    period: date | None = None
    reverses: int | None = None
    scope: str | None = None

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 of all that is booked: the same key with another fingerprint is a conflict."""
        legs = [(leg.account.code, leg.account.currency, leg.amount_minor) for leg in self.legs]
        content: tuple[object, ...] = (
            self.kind, self.effective_on, self.partner, self.deal_source, self.deal_id, self.plan, self.adjusts,
            self.program, self.program_version, self.source_event, legs, self.reason,
        )  # fmt: skip
        if self.period is not None or self.reverses is not None:  # else as releases before had it: keys are for ever
            content += (self.period, self.reverses)
        if self.scope is not None:
            content += (self.scope,)
        return hashlib.sha256(orjson.dumps(content)).digest()


@dataclass(frozen=True, slots=True)
class Owed:
    """What stands on a partner's two accounts, as the partner sees it: positive is owed to the partner."""

    pending_minor: int = 0
    payable_minor: int = 0

    @property
    def total_minor(self) -> int:
        return self.pending_minor + self.payable_minor


NOTHING = Owed()


@dataclass(frozen=True, slots=True)
class Posted:
    """What the ledger holds of one (deal, partner, plan): sums per currency, and the latest journal with its reason."""

    journals: int
    last_journal_id: int
    last_effective_on: date
    last_reason: Reason
    owed: Mapping[str, Owed] = field(default_factory=dict)


def differences(
    credit: Credit, target: Target, posted: Mapping[tuple[str, str], Posted]
) -> tuple[Journal, ...]:  # fmt: skip
    """The journals that bring what is posted of a deal, per (partner, plan), to its target; none when it stands there.

    What is not known yet, the deal as a whole or one earning of it, leaves what is posted as it is.

    Formula per account: booked = target - posted. The key counts the journals of (deal, partner, plan), so a second
    computation from the same books makes the same key and is refused.
    """
    if target.waits_for is not None:
        return ()
    wanted = {(e.share.partner, e.plan): e for e in target.earnings if e.plan is not None}
    journals: list[Journal] = []
    event = f"credit.decided {keys.pack(credit.source, credit.id, str(credit.revision))}"
    for partner, plan in sorted(wanted.keys() | posted.keys()):
        earning, before = wanted.get((partner, plan)), posted.get((partner, plan))
        if earning is not None and earning.waits_for is not None:
            continue
        now_owed = _owed(earning)
        booked = before.owed if before else {}
        sequence = before.journals if before else 0
        for currency in sorted(now_owed.keys() | booked.keys()):
            new, old = now_owed.get(currency, NOTHING), booked.get(currency, NOTHING)
            if new != old:
                sequence += 1
                key = keys.pack("deal", credit.source, credit.id, partner, plan, str(sequence))
                journals.append(_journal(credit, event, key, partner, plan, currency, new, old, earning, before))
    return tuple(journals)


def owed_legs(partner: str, currency: str, new: Owed, old: Owed) -> tuple[Leg, ...]:
    """The legs that bring what is owed from `old` to `new`: the expense bears what the partner's accounts gain."""
    changes = (
        Leg(Account(Role.COMMISSION, currency), new.total_minor - old.total_minor),
        Leg(Account(Role.PENDING, currency, partner), old.pending_minor - new.pending_minor),
        Leg(Account(Role.PAYABLE, currency, partner), old.payable_minor - new.payable_minor),
    )
    return tuple(leg for leg in changes if leg.amount_minor)


def _owed(earning: Earning | None) -> dict[str, Owed]:
    if earning is None or not earning.amount_minor:
        return {}
    return {earning.currency: Owed(earning.pending_minor, earning.payable_minor)}


def _journal(
    credit: Credit, event: str, key: str, partner: str, plan: str, currency: str, new: Owed, old: Owed,
    earning: Earning | None, before: Posted | None,
) -> Journal:  # fmt: skip
    kind = _kind(new, old, before)
    return Journal(
        key=key, kind=kind, effective_on=_effective_on(credit, kind, earning, before), partner=partner,
        deal_source=credit.source, deal_id=credit.id, plan=plan, adjusts=before.last_journal_id if before else None,
        legs=owed_legs(partner, currency, new, old),
        program=credit.terms.program if credit.terms else None,
        program_version=_version(credit, earning),
        source_event=event,
        reason=_reason(credit, kind, currency, earning, before),
    )  # fmt: skip


def _version(credit: Credit, earning: Earning | None) -> int | None:
    if earning is not None:
        return earning.program_version
    return credit.terms.program_version if credit.terms is not None else None


def _effective_on(credit: Credit, kind: Kind, earning: Earning | None, before: Posted | None) -> date:
    """The day it counts: the end of the hold, else the close; a deal no longer won keeps the day it counted before."""
    matured_on = telling.matured_on(earning) if kind is Kind.MATURITY and earning is not None else None
    if matured_on is not None:
        return matured_on
    if credit.terms is not None:
        return credit.terms.governed_on
    if before is None:
        raise ValueError(f"deal {credit.source}/{credit.id} has something to book but was never won")
    return before.last_effective_on


def _kind(new: Owed, old: Owed, before: Posted | None) -> Kind:
    if before is None:
        return Kind.ACCRUAL
    if new == NOTHING:
        return Kind.REVERSAL
    matured = new.total_minor == old.total_minor and abs(new.payable_minor) > abs(old.payable_minor)
    return Kind.MATURITY if matured else Kind.ADJUSTMENT


def _reason(
    credit: Credit, kind: Kind, currency: str, earning: Earning | None, before: Posted | None
) -> dict[str, Any]:  # fmt: skip
    said = {} if earning is None else telling.told(earning)
    last = before.last_reason if before is not None else None
    if kind is Kind.MATURITY and earning is not None:
        cause = own_cause = f"the hold ended on {telling.matured_on(earning)}"
    else:
        cause, own_cause = telling.cause(credit, earning, last), telling.own_cause(credit, said, last)
    reason = {"cause": cause, "own_cause": own_cause, "revision": credit.revision}
    return reason | said if earning is not None and earning.currency == currency else reason
