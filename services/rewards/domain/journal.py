"""Target minus posted: what must be booked so that the books say what the facts say.

One journal per (deal, partner, plan, currency) and difference. Nothing posted is ever changed: a new amount, a deal
reopened or lost, a hold that ended, each becomes a further journal that names the one before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

import orjson

from services.rewards.domain.accounts import Account, Role
from services.rewards.domain.inputs import Credit
from services.rewards.domain.outcomes import Earning, Target
from shared import keys, money, program

Reason = Mapping[str, str | int | None]
"""Why a journal was booked. `cause` tells finance everything, `own_cause` tells the partner what is its own."""

_TOLD: Final = {"tier": "your tier at the close", "rate": "your rate", "due_on": "the end of your hold"}
"""What else of a reason may have changed for the partner, in words."""


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


@dataclass(frozen=True, slots=True)
class Journal:
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


def _owed(earning: Earning | None) -> dict[str, Owed]:
    if earning is None or not earning.amount_minor:
        return {}
    return {earning.currency: Owed(earning.pending_minor, earning.payable_minor)}


def _journal(
    credit: Credit, event: str, key: str, partner: str, plan: str, currency: str, new: Owed, old: Owed,
    earning: Earning | None, before: Posted | None,
) -> Journal:  # fmt: skip
    kind = _kind(new, old, before)
    changes = (
        (Account(Role.COMMISSION, currency), new.total_minor - old.total_minor),
        (Account(Role.PENDING, currency, partner), old.pending_minor - new.pending_minor),
        (Account(Role.PAYABLE, currency, partner), old.payable_minor - new.payable_minor),
    )
    return Journal(
        key=key, kind=kind, effective_on=_effective_on(credit, kind, earning, before), partner=partner,
        deal_source=credit.source, deal_id=credit.id, plan=plan, adjusts=before.last_journal_id if before else None,
        legs=tuple(Leg(account, amount) for account, amount in changes if amount),
        program=credit.terms.program if credit.terms else None,
        program_version=credit.terms.program_version if credit.terms else None,
        source_event=event,
        reason=_reason(credit, kind, currency, earning, before),
    )  # fmt: skip


def _effective_on(credit: Credit, kind: Kind, earning: Earning | None, before: Posted | None) -> date:
    """The day it counts: the end of the hold, else the close; a deal no longer won keeps the day it counted before."""
    if kind is Kind.MATURITY and earning is not None and earning.due_on is not None:
        return earning.due_on
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
) -> dict[str, str | int | None]:
    told = {} if earning is None else _told(earning)
    reason: dict[str, str | int | None] = {
        "cause": _cause(credit, kind, earning, before),
        "own_cause": _own_cause(credit, kind, told, before),
        "revision": credit.revision,
    }
    return reason | told if told.get("currency") == currency else reason


def _told(earning: Earning) -> dict[str, str | int | None]:
    """What an earning came from: the partner's own facts, the deal's and the program's."""
    currency = earning.terms.currency
    return {
        "share": earning.share.share,
        "credited": money.to_decimal(earning.share.amount_minor, currency),
        "currency": currency,
        "tier": earning.tier,
        "rate": program.percent(earning.rate) if earning.rate is not None else None,
        "earned": money.to_decimal(earning.amount_minor, currency),
        "due_on": earning.due_on.isoformat() if earning.due_on else None,
        "nothing_earned": earning.reason,
    }


def _cause(credit: Credit, kind: Kind, earning: Earning | None, before: Posted | None) -> str:
    """What changed, in a sentence: the credit (its own cause), the end of the hold, or the partner's tier."""
    if kind is Kind.MATURITY and earning is not None:
        return f"the hold ended on {earning.due_on}"
    if before is not None and earning is not None and before.last_reason.get("revision") == credit.revision:
        if earning.tier != before.last_reason.get("tier"):
            return f"the partner's tier at the close is {earning.tier}, before: {before.last_reason.get('tier')}"
        return earning.reason or "the facts of this deal changed"
    return credit.cause


def _own_cause(credit: Credit, kind: Kind, told: Reason, before: Posted | None) -> str:
    """What changed for the partner itself: the credit's cause and revision tell of other partners' facts too.

    So it is told from this earning and the partner's own journal before it; of the credit, whether the deal counts.
    """
    if kind is Kind.MATURITY:
        return f"the hold ended on {told['due_on']}"
    if before is None:
        return "credited"
    if credit.terms is None:
        return "the deal no longer counts: it is not won, or no program governs its close date"
    if not told:
        return "your credit was taken back"
    last = before.last_reason
    changes = [_own_credit(told, last)]
    changes += [_change(words, last.get(name), told[name]) for name, words in _TOLD.items()]
    changes += [str(told["nothing_earned"])] if told["nothing_earned"] else []
    return "; ".join(filter(None, changes)) or "your earning changed"


def _own_credit(told: Reason, last: Reason) -> str | None:
    if "currency" in last:
        return _change("your credit", _amount(last), _amount(told))
    same = last.get("credited") == told["credited"]  # journals of older releases do not name the currency
    return None if same else f"your credit is {_amount(told)}"


def _amount(told: Reason) -> str:
    return f"{Decimal(str(told['credited'])):,} {told['currency']}"


def _change(what: str, old: str | int | None, new: str | int | None) -> str | None:
    return f"{what} changed: {old} -> {new}" if None not in {old, new} and old != new else None
