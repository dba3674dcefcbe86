"""From an amount in the deal's currency to what is pending and payable in the one that is paid."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from typing import NamedTuple

from services.rewards.domain import collected, exchange, spans
from services.rewards.domain.case import Case, Draft
from services.rewards.domain.outcomes import Conversion, Earning, Line, Scope
from services.rewards.domain.unknown import Unknown
from shared import money
from shared.program.compensation import Settled


class _Hold(NamedTuple):
    """The part that is payable, in the deal's currency, since when, and from when (the next part of) it is."""

    payable_minor: int
    due_on: date | None
    payable_on: date | None = None


def earning(case: Case, draft: Draft) -> Earning:
    """The earning a draft becomes: converted with the pinned rate, split by the plan's hold."""
    terms = case.terms
    currency = exchange.paid_in(case.program, terms.currency, draft.standing)
    made = Earning(
        terms, draft.share, draft.plan, draft.standing.tier if draft.standing is not None else None, currency,
        case.program.version, money.rounded(draft.base), draft.components, tuple(draft.cuts), draft.amount_minor,
        reason=draft.reason, waits_for=draft.waits_for, rerate=case.rerate, measured=_measured(case, draft),
        by_activity=draft.rules.by_activity,
    )  # fmt: skip
    per, counted = draft.rules.settled_per, draft.counted
    settles = per is not None and counted is not None
    if draft.waits_for is not None or not (draft.amount_minor or settles):
        return made
    try:
        conversion = exchange.conversion(case.known, case.program, terms.currency, currency, terms.governed_on)
    except Unknown as missing:
        return made._replace(reason=None, waits_for=str(missing))
    if per is not None and counted is not None:
        made = made._replace(line=_line(case, draft, per, counted, conversion))
    return _held(case, draft, made, conversion) if draft.amount_minor else made


def _measured(case: Case, draft: Draft) -> Conversion | None:
    """Told where the program's amounts had to be brought into another currency, and could be."""
    needed = draft.rules.has_amounts_per_deal and case.program.currency != case.terms.currency
    told = draft.waits_for is None and (draft.amount_minor or draft.cuts)
    return case.measured if needed and told else None


def _held(case: Case, draft: Draft, made: Earning, conversion: Conversion) -> Earning:
    own, paid = case.terms.currency, made.currency
    hold = _booked(case, draft) if draft.due_minor is None else _collected(case, draft, draft.due_minor)
    total = exchange.converted(draft.amount_minor, conversion, own, paid)
    payable = exchange.converted(hold.payable_minor, conversion, own, paid)
    made = made._replace(conversion=conversion if own != paid else None)
    if not total:
        return made._replace(reason="the amount is below half a minor unit")
    return made._replace(
        pending_minor=total - payable, payable_minor=payable, due_on=hold.due_on, payable_on=hold.payable_on,
        due_at=case.instant(hold.due_on) if hold.due_on is not None else None,
    )  # fmt: skip


def _booked(case: Case, draft: Draft) -> _Hold:
    due_on = case.terms.governed_on + timedelta(days=draft.rules.hold)
    return _Hold(draft.amount_minor if due_on <= case.today else 0, due_on)


def _collected(case: Case, draft: Draft, due_minor: int) -> _Hold:
    """Each payment has a hold of its own."""
    days = [receipt.on + timedelta(days=draft.rules.hold) for receipt in collected.payments(case)]
    over = max((day for day in days if day <= case.today), default=None)
    return _Hold(due_minor, min((day for day in days if day > case.today), default=over), over)


def _line(case: Case, draft: Draft, per: Settled, counted: Fraction, conversion: Conversion) -> Line:
    """What the deal counts for in what its plan adds up; such plans pay in the program's currency."""
    terms = case.terms
    base = money.rounded(counted * conversion.factor * exchange.scale(terms.currency, case.program.currency))
    if per == "budget":
        scope = Scope(terms.program, draft.plan, "", spans.BUDGET)
    else:
        scope = Scope(terms.program, draft.plan, draft.share.partner, spans.label(terms.governed_on, per))
    return Line(scope, case.program.version, base)
