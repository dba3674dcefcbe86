"""The journals of true-ups: what a plan adds to, or cuts from, the deals of a span together, minus what is posted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from services.rewards.domain import spans, telling, words
from services.rewards.domain.journal import NOTHING, Journal, Kind, Owed, Posted, owed_legs
from services.rewards.domain.outcomes import Bracketed, TrueUp
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
    return (
        Journal(
            key=keys.pack(
                "scope", scope.program, scope.plan, true_up.partner, scope.span, true_up.currency, str(sequence)
            ),
            kind=kind, effective_on=_effective_on(true_up, kind), partner=true_up.partner,
            legs=owed_legs(true_up.partner, true_up.currency, new, old),
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
    moved = new.total_minor == old.total_minor and abs(new.payable_minor) > abs(old.payable_minor)
    matured = moved and abs(new.pending_minor) < abs(old.pending_minor)
    return Kind.MATURITY if matured else Kind.ADJUSTMENT


def _effective_on(true_up: TrueUp, kind: Kind) -> date:
    """The end of the span's hold for what it made payable, else the day the true-up names."""
    released = _released_on(true_up)
    if kind is Kind.MATURITY and released is not None:
        return released
    if true_up.effective_on is None:
        raise ValueError(f"the true-up of {true_up.scope} names no day")
    return true_up.effective_on


def _released_on(true_up: TrueUp) -> date | None:
    """The day on which the span's hold ended, if it has: until then `due_at` is still to come."""
    return true_up.due_on if true_up.due_at is None else None


def way(true_up: TrueUp) -> dict[str, Any]:
    """How the amount was reached: deals, base, what they earned by themselves, brackets and cuts, in `currency`.

    It is about the partner's own deals alone. Only where the plan rates activities, `own` leaves out which deals count
    and for how much, and with it the brackets: how shares divide is moved by other partners' touchpoints too.
    """
    currency = true_up.currency
    return {
        "span": true_up.scope.span, "deals": true_up.deals, "currency": currency,
        "base": money.to_decimal(true_up.base_minor, currency),
        "plain": money.to_decimal(true_up.plain_minor, currency),
        "brackets": [_bracket(item, currency) for item in true_up.brackets],
        "cuts": telling.cuts(true_up.cuts, currency),
        "earned": money.to_decimal(true_up.earned_minor, currency),
        "due_on": true_up.due_on.isoformat() if true_up.due_on else None,
        "program_version": true_up.program_version,
        **({"own": {"deals": None, "base": None, "brackets": []}} if true_up.by_activity else {}),
    }  # fmt: skip


def _reason(true_up: TrueUp, kind: Kind) -> dict[str, Any]:
    cause, own_cause = (_cause(true_up, kind, counted=told) for told in (True, not true_up.by_activity))
    return {"cause": cause, "own_cause": own_cause, **way(true_up)}


def _cause(true_up: TrueUp, kind: Kind, *, counted: bool) -> str:
    """Such as `12 deals of 2026 together: 60,000.00 of base; brackets add 1,200.00`."""
    span = true_up.scope.span
    of = {spans.EVER: "", spans.BUDGET: " under the plan's budget"}.get(span, f" of {span}")
    if not true_up.deals and counted:
        return f"no deals{of} are left"
    if kind is Kind.MATURITY:
        released = _released_on(true_up)
        return f"the hold of {span} ended on {released}" if released else f"the holds of deals{of} ended"
    deals = "1 deal" if true_up.deals == 1 else f"{true_up.deals} deals"
    base = f"{words.figure(true_up.base_minor, true_up.currency)} of base"
    told = [f"{deals}{of} together: {base}" if counted else f"your deals{of} together"]
    added = (true_up.cuts[0].before_minor if true_up.cuts else true_up.earned_minor) - true_up.plain_minor
    if added:
        told.append(f"brackets {'add' if added > 0 else 'take'} {words.figure(abs(added), true_up.currency)}")
    told += _cuts(true_up)
    return "; ".join(told if len(told) > 1 else [*told, "nothing is added or cut"])


def _cuts(true_up: TrueUp) -> Iterator[str]:
    for cut in true_up.cuts:
        before, after = (words.figure(minor, true_up.currency) for minor in (cut.before_minor, cut.after_minor))
        yield f"{cut.why}: {before} -> {after}"


def _bracket(item: Bracketed, currency: str) -> dict[str, Any]:
    """One bracket: what lies in it, at which rate, and what that pays; amounts rounded."""
    base, paid = (money.to_decimal(money.rounded(value), currency) for value in (item.base, item.amount))
    return {
        "bracket": item.bracket, "base": base, "rate": _rate(item.rate), "amount": paid,
        "program_version": item.program_version,
    }  # fmt: skip


def _rate(rate: Fraction) -> str:
    """`8%`, or `about 2.3333%` for a blended one that a program could not write."""
    shown = Decimal(round(rate * 100 * 10**PERCENT_DIGITS)).scaleb(-PERCENT_DIGITS)
    return f"{'' if Fraction(shown) == rate * 100 else 'about '}{shown.normalize():f}%"
