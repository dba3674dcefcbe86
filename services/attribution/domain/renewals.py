"""What the partners that sourced an account's first deal keep of its later ones.

The first deal is the account's earliest won deal of kind `new` (ties by natural key). Each later deal of a kind that
the policy names leaves them a part that decays with the years, divided like their shares of the first deal.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from fractions import Fraction

from services.attribution.domain.facts import Deal
from services.attribution.domain.partners import Directory
from services.attribution.domain.policy import Policy
from shared.events.deal import Kind


@dataclass(frozen=True, slots=True)
class First:
    """A company's first deal: when it closed, and the weights of the partners that sourced it."""

    deal: Deal
    closed_on: date
    weights: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Origin:
    """The first deal of each company (by its account keys) that a unit of linked accounts consists of.

    `firsts` are those that a program governed, with who sourced them. `began` is when each closed, governed or not, and
    is filled only where a plan asks for it.
    """

    firsts: Mapping[tuple[str, ...], First]
    began: Mapping[tuple[str, ...], datetime] = field(default_factory=dict)

    def of(self, deal: Deal) -> First | None:
        """The first deal of a deal's own company, as it was on the day that governs the deal."""
        return self.firsts.get(deal.account)


def first_deal(deals: Iterable[Deal]) -> Deal | None:
    """The account's first won deal of kind `new`, or None."""
    won = [deal for deal in deals if deal.counts and deal.closed_at is not None and deal.kind is Kind.NEW]
    return min(won, key=lambda deal: (deal.closed_at, deal.source, deal.id), default=None)


def belongs(deal: Deal, account: Collection[str]) -> bool:
    """Whether a deal is one of the company with these account keys: its strongest key says where it belongs."""
    return not account or not deal.keys or deal.keys[0] in account


def originators(policy: Policy, deal: Deal, first: First | None, directory: Directory) -> dict[str, int]:
    """The weights of those who keep a part of a deal: each counts as the partner it is on the day that governs it."""
    if policy.rules.renewals is None or first is None or deal.closed_at is None:
        return {}
    day, excluded = policy.day(deal.closed_at), policy.rules.excluded.partners
    found: dict[str, int] = {}
    for sourced_by, weight in first.weights.items():
        partner = directory.counts_as(sourced_by, day)
        if partner not in excluded and sourced_by not in excluded:
            found[partner] = found.get(partner, 0) + weight
    return found


def kept(policy: Policy, deal: Deal, first: First | None) -> Fraction:
    """The part of what is divided that the first deal's partners keep of a deal; 0 when none."""
    rule = policy.rules.renewals
    if rule is None or first is None or deal.closed_at is None or first.deal.closed_at is None:
        return Fraction(0)
    if deal.kind not in rule.deal_kinds or deal.key == first.deal.key or deal.closed_at < first.deal.closed_at:
        return Fraction(0)
    place = max(1, anniversary(first.closed_on, policy.day(deal.closed_at))) - 1
    keeps = rule.originating_partner_keeps
    return keeps[place] if place < len(keeps) else Fraction(0)


def anniversary(first: date, day: date) -> int:
    """How many years lie between two days, by the nearest anniversary: after half a year it is the next one."""
    return (2 * _months(first, day) + 12) // 24


def _months(first: date, day: date) -> int:
    """Whole months between two days."""
    return (day.year - first.year) * 12 + day.month - first.month - (day.day < first.day)
