"""Who is credited with what on a deal: a pure function of the deal, its account's touchpoints and the program.

A touchpoint's weight is the model's weight times its activity's weight; a partner's share is its touchpoints' part of
the sum. The amount goes to partners first (the paid figure), then each partner's amount to its touchpoints, both by
the largest remainders, so both levels sum exactly.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from math import gcd
from typing import NamedTuple

from services.attribution.domain import eligibility, models
from services.attribution.domain.facts import Deal, Touch, chronological
from services.attribution.domain.policy import Policy, Rules
from shared import money
from shared.events.credit import Status
from shared.events.deal import Stage


class Share(NamedTuple):
    """A partner's part of a deal: `weight / scale` of it, exactly. Its touchpoints stand in chronological order."""

    partner: str
    weight: int
    scale: int
    amount_minor: int
    touches: tuple[Touch, ...]
    weights: tuple[int, ...]

    def touch_amounts(self) -> list[int]:
        """The partner's amount over its touchpoints, in their order; ties by natural key."""
        names = [f"{touch.source}\x00{touch.id}" for touch in self.touches]  # NUL is in no id, so the key is unique
        parts = money.allocate(self.amount_minor, dict(zip(names, self.weights, strict=True)))
        return [parts[name] for name in names]


@dataclass(frozen=True, slots=True)
class Decision:
    """The credit of a deal. Shares (sorted by partner) plus `unattributed_minor` are `amount_minor`."""

    status: Status
    reason: str | None = None
    policy: Policy | None = None
    governed_on: date | None = None
    amount_minor: int | None = None
    unattributed_minor: int | None = None
    currency: str | None = None
    shares: tuple[Share, ...] = ()

    @property
    def touchpoints(self) -> int:
        return sum(len(share.touches) for share in self.shares)


def fraction(weight: int, scale: int) -> str:
    """`weight / scale` in lowest terms: `2/15`, or `1` for the whole."""
    divisor = gcd(weight, scale) or 1
    weight, scale = weight // divisor, scale // divisor
    return str(weight) if scale == 1 else f"{weight}/{scale}"


def decide(deal: Deal, touches: Iterable[Touch], rules: Rules) -> Decision:
    """The credit of a deal from all touchpoints of its account, in any order.

    Raises ValueError on a won deal without amount, currency or close; such a fact is refused before it is stored.
    """
    if deal.stage is not Stage.WON:
        return Decision(Status.NOT_WON, f"the deal is {deal.stage}, not won")
    if deal.closed_at is None or deal.amount_minor is None or deal.currency is None:
        raise ValueError(f"the won deal {deal.source}/{deal.id} lacks its amount or close")
    policy = rules.governing(deal.closed_at)
    if policy is None:
        return _unattributed(deal, None, f"no program version was in force at the close on {deal.closed_at:%Y-%m-%d}")
    if not deal.keyed:
        return _unattributed(deal, policy, "the deal names no account by CRM id or a domain of its own")
    taking_part = eligibility.eligible(policy, deal.closed_at, touches)
    if not taking_part:
        return _unattributed(
            deal, policy, f"no eligible touchpoint in the {policy.lookback.days} days before the close"
        )
    shares = _shares(policy, deal.closed_at, taking_part, deal.amount_minor)
    return Decision(
        Status.CREDITED, None, policy, policy.day(deal.closed_at), deal.amount_minor, 0, deal.currency, shares
    )


def touch_weights(policy: Policy, closed_at: datetime, touches: list[Touch]) -> tuple[list[int], list[int]]:
    """The weights of eligible touchpoints by the model alone, and multiplied with their activities'."""
    by_model = models.weights(policy.model, [touch.occurred_at for touch in touches], closed_at)
    of = policy.weights
    return by_model, [weight * of[touch.activity] for weight, touch in zip(by_model, touches, strict=True)]


def _shares(policy: Policy, closed_at: datetime, touches: list[Touch], amount_minor: int) -> tuple[Share, ...]:
    _, weights = touch_weights(policy, closed_at, touches)
    lines: dict[str, list[tuple[Touch, int]]] = {}
    for touch, weight in zip(touches, weights, strict=True):
        if weight:
            lines.setdefault(touch.partner, []).append((touch, weight))
    totals = {partner: sum(weight for _, weight in own) for partner, own in lines.items()}
    scale = sum(totals.values())
    amounts = money.allocate(amount_minor, totals)
    shares = []
    for partner in sorted(lines):
        own = lines[partner]
        if len(own) > 1:
            own.sort(key=_line_order)
        behind, their_weights = zip(*own, strict=True)
        shares.append(Share(partner, totals[partner], scale, amounts[partner], behind, their_weights))
    return tuple(shares)


def _line_order(line: tuple[Touch, int]) -> tuple[datetime, str, str]:
    return chronological(line[0])


def _unattributed(deal: Deal, policy: Policy | None, reason: str) -> Decision:
    governed_on = policy.day(deal.closed_at) if policy and deal.closed_at else None
    return Decision(
        Status.UNATTRIBUTED, reason, policy, governed_on, deal.amount_minor, deal.amount_minor, deal.currency
    )
