"""The journals of true-ups: what a plan adds to, or cuts from, the deals of a span together, minus what is posted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Final

from services.rewards.domain import spans
from services.rewards.domain.accounts import Account, Role
from services.rewards.domain.journal import NOTHING, Journal, Kind, Leg, Owed, Posted
from services.rewards.domain.outcomes import Bracketed, TrueUp
from services.rewards.domain.trueup import amount
from shared import keys, money

PERCENT_DIGITS: Final = 4
"""Decimals of a percentage in a reason, as many as a program may write; a blended rate is shown to as many."""


def differences(true_up: TrueUp, posted: Posted | None, event: str) -> tuple[Journal, ...]:
    """The journal that brings what is posted of a scope, in the true-up's currency, to it; none when it stands there.

    The key counts the journals of the scope and names the currency: where versions of a program are in two, each has
    a true-up of its own.
    """
    new = Owed(true_up.pending_minor, true_up.payable_minor)
    old = posted.owed.get(true_up.currency, NOTHING) if posted else NOTHING
    if new == old:
        return ()
    kind = _kind(new, old, posted)
    scope = true_up.scope
    sequence = posted.journals + 1 if posted else 1
    changes = (
        (Account(Role.COMMISSION, true_up.currency), new.total_minor - old.total_minor),
        (Account(Role.PENDING, true_up.currency, true_up.partner), old.pending_minor - new.pending_minor),
        (Account(Role.PAYABLE, true_up.currency, true_up.partner), old.payable_minor - new.payable_minor),
    )
    return (
        Journal(
            key=keys.pack(
                "scope", scope.program, scope.plan, true_up.partner, scope.span, true_up.currency, str(sequence)
            ),
            kind=kind, effective_on=_effective_on(true_up, kind), partner=true_up.partner,
            legs=tuple(Leg(account, minor) for account, minor in changes if minor),
            source_event=event, reason=_reason(true_up, kind), plan=scope.plan, scope=scope.span,
            adjusts=posted.last_journal_id if posted else None,
            program=scope.program, program_version=true_up.program_version,
        ),
    )  # fmt: skip


def _kind(new: Owed, old: Owed, posted: Posted | None) -> Kind:
    if posted is None:
        return Kind.ACCRUAL
    if new == NOTHING:
        return Kind.REVERSAL
    matured = new.total_minor == old.total_minor and abs(new.payable_minor) > abs(old.payable_minor)
    return Kind.MATURITY if matured else Kind.ADJUSTMENT


def _effective_on(true_up: TrueUp, kind: Kind) -> date:
    """The end of the span's hold for what it made payable, else the day the true-up names."""
    if kind is Kind.MATURITY and true_up.due_on is not None:
        return true_up.due_on
    if true_up.effective_on is None:
        raise ValueError(f"the true-up of {true_up.scope} names no day")
    return true_up.effective_on


def _reason(true_up: TrueUp, kind: Kind) -> dict[str, str | int | None]:
    """A true-up is about the partner's own deals alone, so it and finance are told the same."""
    currency = true_up.currency
    cause = _cause(true_up, kind)
    return {
        "cause": cause, "own_cause": cause,
        "span": true_up.scope.span, "deals": true_up.deals, "currency": currency,
        "base": money.to_decimal(true_up.base_minor, currency),
        "plain": money.to_decimal(true_up.plain_minor, currency),
        "earned": money.to_decimal(true_up.earned_minor, currency),
        "brackets": "; ".join(_bracket(item, currency) for item in true_up.brackets) or None,
        "cuts": "; ".join(_cuts(true_up)) or None,
        "due_on": true_up.due_on.isoformat() if true_up.due_on else None,
        "program_version": true_up.program_version,
    }  # fmt: skip


def _cause(true_up: TrueUp, kind: Kind) -> str:
    """Such as `12 deals of 2026 together: 60,000.00 of base; brackets add 1,200.00`."""
    span = true_up.scope.span
    of = {spans.EVER: "", spans.BUDGET: " under the plan's budget"}.get(span, f" of {span}")
    if not true_up.deals:
        return f"no deals{of} are left"
    if kind is Kind.MATURITY:
        return f"the hold of {span} ended on {true_up.due_on}" if true_up.due_on else f"the holds of deals{of} ended"
    deals = "1 deal" if true_up.deals == 1 else f"{true_up.deals} deals"
    told = [f"{deals}{of} together: {amount(true_up.base_minor, true_up.currency)} of base"]
    added = (true_up.cuts[0].before_minor if true_up.cuts else true_up.earned_minor) - true_up.plain_minor
    if added:
        told.append(f"brackets {'add' if added > 0 else 'take'} {amount(abs(added), true_up.currency)}")
    told += _cuts(true_up)
    return "; ".join(told if len(told) > 1 else [*told, "nothing is added or cut"])


def _cuts(true_up: TrueUp) -> Iterator[str]:
    for cut in true_up.cuts:
        before, after = (amount(minor, true_up.currency) for minor in (cut.before_minor, cut.after_minor))
        yield f"{cut.why}: {before} -> {after}"


def _bracket(item: Bracketed, currency: str) -> str:
    """Such as `40,000.00 from 10,000 to 50,000 at 8%: 3,200.00`."""
    shown = Decimal(round(item.rate * 100 * 10**PERCENT_DIGITS)).scaleb(-PERCENT_DIGITS)
    rate = f"{'' if Fraction(shown) == item.rate * 100 else 'about '}{shown.normalize():f}%"
    base, paid = (amount(money.rounded(value), currency) for value in (item.base, item.amount))
    return f"{base} {item.bracket} at {rate}: {paid}"
