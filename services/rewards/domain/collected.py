"""Money that came from the customer or went back, and the customer that left: what is left of an earning.

A refund and a chargeback of one sale are one reversal told twice, so the larger counts, and all reversals together
never more than the sale. A deal of zero or less (a credit note) has nothing to come or go back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from fractions import Fraction
from typing import NamedTuple

from services.rewards.domain import words
from services.rewards.domain.case import Case, Draft
from services.rewards.domain.inputs import Receipt, Terms
from services.rewards.domain.unknown import Unknown
from shared import money
from shared.events.receipt import Movement
from shared.program import Plan

_BACK = {Movement.REFUND, Movement.CHARGEBACK}


class Left(NamedTuple):
    """Which part of a deal's amount counts, of how much, and the words for what is missing."""

    part: Fraction
    why: str


def follows_cash(plan: Plan, terms: Terms) -> bool:
    """Whether it pays as the customer does."""
    return plan.basis == "cash" and terms.amount_minor > 0


def reversed_minor(terms: Terms, receipts: Iterable[Receipt]) -> int:
    """What went back of a deal's amount, in minor units: at most all of it.

    Raises `Unknown` when it is told in another currency.
    """
    if terms.amount_minor <= 0:
        return 0
    sums: dict[str, dict[Movement, int]] = {}
    for receipt in receipts:
        if receipt.kind in _BACK:
            of_key = sums.setdefault(receipt.of or receipt.id, {})
            of_key[receipt.kind] = of_key.get(receipt.kind, 0) + _minor(terms, receipt)
    return min(terms.amount_minor, sum(max(told.values()) for told in sums.values()))


def settle(case: Case, draft: Draft) -> None:
    """Cut a draft to what the customer paid and left, and note what is due of it; raises `Unknown` as above."""
    terms, plan = case.terms, draft.rules
    if terms.amount_minor <= 0:
        return
    if follows_cash(plan, terms):
        full = draft.amount_minor
        left = _paid(terms, case.receipts, payments(case))
        due = _paid(terms, case.receipts, past_hold(case, plan.hold))
        _cut(draft, left)
        draft.due_minor = money.rounded(full * due.part)
    elif case.receipts:
        _cut(draft, _kept(terms, case.receipts))
    if plan.churn is not None:
        _churn(case, draft, plan)


def due_part(case: Case, hold: int) -> Fraction:
    """Which part of what the customer has paid, and not got back, came in payments that are past their hold."""
    left = _paid(case.terms, case.receipts, payments(case)).part
    return _paid(case.terms, case.receipts, past_hold(case, hold)).part / left if left else Fraction()


def payments(case: Case) -> Sequence[Receipt]:
    """What came, by day."""
    found = (receipt for receipt in case.receipts if receipt.kind is Movement.PAYMENT)
    return sorted(found, key=lambda receipt: (receipt.on, receipt.id))


def past_hold(case: Case, hold: int) -> Sequence[Receipt]:
    """The payments whose hold has ended."""
    return [receipt for receipt in payments(case) if receipt.on + timedelta(days=hold) <= case.today]


def _kept(terms: Terms, receipts: Sequence[Receipt]) -> Left:
    back = reversed_minor(terms, receipts)
    whole, currency = terms.amount_minor, terms.currency
    why = f"{words.figure(back, currency)} of {words.amount(whole, currency)} went back to the customer"
    return Left(Fraction(whole - back, whole), why)


def _paid(terms: Terms, receipts: Sequence[Receipt], paid: Sequence[Receipt]) -> Left:
    came = sum(_minor(terms, receipt) for receipt in paid)
    net = max(0, came - reversed_minor(terms, receipts))
    whole, currency = terms.amount_minor, terms.currency
    why = f"the customer has paid {words.figure(net, currency)} of {words.amount(whole, currency)}"
    return Left(Fraction(min(net, whole), whole), why)


def _cut(draft: Draft, left: Left) -> None:
    counted = None if draft.counted is None else draft.counted * left.part
    draft.cut(left.why, money.rounded(draft.amount_minor * left.part))
    draft.counted = counted  # exactly, where the amount is rounded


def _churn(case: Case, draft: Draft, plan: Plan) -> None:
    left_on = min((receipt.on for receipt in case.receipts if receipt.kind is Movement.CHURN), default=None)
    if left_on is None or plan.churn is None:
        return
    within = plan.churn.within
    if left_on >= case.terms.governed_on + timedelta(days=within):
        return
    days = max(0, (left_on - case.terms.governed_on).days)
    pro_rata = plan.churn.takes_back == "pro_rata" and within
    part = Fraction(days, within) if pro_rata else Fraction()
    _cut_due(draft, Left(part, _left_words(left_on, within, days if pro_rata else None)))


def _cut_due(draft: Draft, left: Left) -> None:
    due = draft.due_minor
    _cut(draft, left)
    if due is not None:
        draft.due_minor = money.rounded(due * left.part)


def _left_words(left_on: date, within: int, days: int | None) -> str:
    counts = "" if days is None else f": {days} days count"
    return f"the customer left on {left_on}, within {within} days of the close{counts}"


def _minor(terms: Terms, receipt: Receipt) -> int:
    if receipt.currency != terms.currency:
        raise Unknown(
            f"{receipt.kind} {receipt.id!r} is in {receipt.currency}, and the deal in {terms.currency}; "
            "nothing of the deal is booked while they differ"
        )
    return receipt.amount_minor
