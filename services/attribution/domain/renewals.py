"""What the partners that sourced an account's first deal keep of its later ones.

The first deal is the account's earliest won deal of kind `new` (ties by natural key). Each later deal of a kind that
the policy names leaves them a part that decays with the years, divided like their shares of the first deal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from services.attribution.domain.facts import Deal
from services.attribution.domain.policy import Policy
from shared.events.deal import Kind


@dataclass(frozen=True, slots=True)
class Origin:
    """An account's first deal: when it closed, and the weights of the partners that sourced it."""

    deal: Deal
    closed_on: date
    weights: Mapping[str, int]


def first_deal(deals: Iterable[Deal]) -> Deal | None:
    """The account's first won deal of kind `new`, or None."""
    won = [deal for deal in deals if deal.counts and deal.closed_at is not None and deal.kind is Kind.NEW]
    return min(won, key=lambda deal: (deal.closed_at, deal.source, deal.id), default=None)


def kept(policy: Policy, deal: Deal, origin: Origin | None) -> Fraction:
    """The part of what is divided that the origin's partners keep of a deal; 0 when none."""
    rule = policy.rules.renewals
    if rule is None or origin is None or not origin.weights or deal.closed_at is None:
        return Fraction(0)
    if deal.kind not in rule.deal_kinds or deal.key == origin.deal.key:
        return Fraction(0)
    closed_on = policy.day(deal.closed_at)
    if closed_on < origin.closed_on:
        return Fraction(0)
    place = max(1, anniversary(origin.closed_on, closed_on)) - 1
    keeps = rule.originating_partner_keeps
    return keeps[place] if place < len(keeps) else Fraction(0)


def anniversary(first: date, day: date) -> int:
    """How many years lie between two days, by the nearest anniversary: after half a year it is the next one."""
    return (2 * _months(first, day) + 12) // 24


def _months(first: date, day: date) -> int:
    """Whole months between two days."""
    return (day.year - first.year) * 12 + day.month - first.month - (day.day < first.day)
