"""Why: each share and each missing share, one line a person can check with a pocket calculator.

An explanation is computed from the facts by the functions that decide, never stored: it cannot differ from what was
paid without the difference showing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Final

from services.attribution.domain import eligibility, models, words
from services.attribution.domain.credit import Decision, decide, fraction, touch_weights
from services.attribution.domain.eligibility import Reason
from services.attribution.domain.facts import Deal, Touch, chronological
from services.attribution.domain.policy import Policy, Rules
from shared.events.base import Money


@dataclass(frozen=True, slots=True)
class Credited:
    """A touchpoint with credit. Its share by the model alone times its activity's weight, normalised, is its share."""

    touch: Touch
    position: str
    model_share: str
    activity_weight: str
    share: str
    amount: Money
    text: str


@dataclass(frozen=True, slots=True)
class Uncredited:
    """A touchpoint without credit on the deal, and why: a stable code, and one line."""

    touch: Touch
    reason: Reason
    text: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """The decision and the reason of every touchpoint of the account, both lists in chronological order."""

    decision: Decision
    credited: tuple[Credited, ...]
    uncredited: tuple[Uncredited, ...]


def explain(deal: Deal, touches: Sequence[Touch], ambiguous: Sequence[Touch], rules: Rules) -> Explanation:
    """Explain a deal by all touchpoints of its account; `ambiguous` are those that also name another account."""
    decision = decide(deal, touches, rules)
    credited = _credited(deal, decision, touches)
    with_credit = {(line.touch.source, line.touch.id) for line in credited}
    without = [
        _uncredited(deal, decision, touch) for touch in touches if (touch.source, touch.id) not in with_credit
    ] + [Uncredited(touch, Reason.AMBIGUOUS_ACCOUNT, AMBIGUOUS) for touch in ambiguous]
    return Explanation(decision, tuple(credited), tuple(sorted(without, key=lambda line: chronological(line.touch))))


AMBIGUOUS: Final = (
    "Its CRM id and its domain belong to two different accounts; it counts for neither until that is settled."
)


def _credited(deal: Deal, decision: Decision, touches: Sequence[Touch]) -> list[Credited]:
    policy, closed_at, currency = decision.policy, deal.closed_at, decision.currency
    if policy is None or closed_at is None or currency is None or not decision.shares:
        return []
    eligible = eligibility.eligible(policy, closed_at, touches)
    by_model, _ = touch_weights(policy, closed_at, eligible)
    positions = models.positions([touch.occurred_at for touch in eligible])
    facts = {
        (touch.source, touch.id): (position, weight)
        for touch, position, weight in zip(eligible, positions, by_model, strict=True)
    }
    whole = sum(by_model)
    lines = []
    for share in decision.shares:
        for touch, weight, minor in zip(share.touches, share.weights, share.touch_amounts(), strict=True):
            position, model_weight = facts[touch.source, touch.id]
            activity_weight = str(policy.activity_weights[touch.activity])
            model_share, exact = fraction(model_weight, whole), fraction(weight, share.scale)
            text = (
                f"{touch.activity} by {touch.partner} on {policy.day(touch.occurred_at)}: {position} touchpoint, "
                f"{model_share} by the model x weight {activity_weight} = {exact} of the deal, "
                f"{words.amount(minor, currency)}."
            )
            lines.append(
                Credited(touch, position, model_share, activity_weight, exact, Money.of(minor, currency), text)
            )
    return sorted(lines, key=lambda line: chronological(line.touch))


def _uncredited(deal: Deal, decision: Decision, touch: Touch) -> Uncredited:
    policy, closed_at = decision.policy, deal.closed_at
    if closed_at is None or decision.amount_minor is None:
        return Uncredited(touch, Reason.NOT_WON, f"The deal is {deal.stage}; credit is decided when it is won.")
    if policy is None:
        return Uncredited(touch, Reason.NO_PROGRAM, f"No program version was in force on {closed_at:%Y-%m-%d}.")
    reason = eligibility.reason(policy, closed_at, touch) or Reason.NO_SHARE_AT_POSITION
    return Uncredited(touch, reason, describe(reason, policy, closed_at, touch))


def describe(reason: Reason, policy: Policy, closed_at: datetime, touch: Touch) -> str:
    """One line for a rule of eligibility that a touchpoint failed."""
    close, happened = policy.day(closed_at), policy.day(touch.occurred_at)
    version = f"program {policy.program} version {policy.version}"
    match reason:
        case Reason.AFTER_CLOSE:
            return f"It happened on {happened}, after the close on {close}; it can count for the account's next deal."
        case Reason.OUTSIDE_LOOKBACK:
            return f"It happened on {happened}, more than {policy.lookback.days} days before the close on {close}."
        case Reason.TOO_LATE:
            return (
                f"It was reported on {policy.day(touch.received_at)}, more than {policy.grace.days} days after the "
                f"close on {close}."
            )
        case Reason.UNKNOWN_ACTIVITY:
            return f"{version} does not know the activity {touch.activity!r}."
        case Reason.ZERO_WEIGHT:
            return f"The activity {touch.activity!r} has weight 0 in {version}."
        case _:
            return f"The model ({policy.model_label}) gives nothing to its position."


def summary(deal: Deal, decision: Decision, partner: str | None = None) -> str:
    """The deal's credit in words. With `partner`, that partner's view: its own share, the others unnamed."""
    if decision.amount_minor is None or decision.currency is None:
        return f"{_called(deal)} is {deal.stage}; credit is decided when a deal is won."
    amount = words.amount(decision.amount_minor, decision.currency)
    closed = f"{_called(deal)} was won on {decision.governed_on or f'{deal.closed_at:%Y-%m-%d}'} with {amount}."
    if not decision.shares or decision.policy is None:
        return f"{closed} All of it is unattributed: {decision.reason}."
    policy = decision.policy
    rule = f"By program {policy.program} version {policy.version} ({policy.model_label})"
    parts = [
        f"{share.partner} has {fraction(share.weight, share.scale)} = "
        f"{words.amount(share.amount_minor, decision.currency)}"
        for share in sorted(decision.shares, key=lambda share: (-share.weight, share.partner))
        if partner is None or share.partner == partner
    ]
    if partner is not None:
        rest = others(decision, partner)
        parts.append(f"others have {rest[0]} = {words.amount(rest[1], decision.currency)}")
    return f"{closed} {rule}, {', '.join(parts)}."


def others(decision: Decision, partner: str) -> tuple[str, int]:
    """The exact share and the amount (minor units) of all partners but one: the anonymous remainder."""
    rest = [share for share in decision.shares if share.partner != partner]
    part = sum((Fraction(share.weight, share.scale) for share in rest), Fraction(0))
    return str(part), sum(share.amount_minor for share in rest)


def _called(deal: Deal) -> str:
    return f"{deal.name} ({deal.source}/{deal.id})" if deal.name else f"{deal.source}/{deal.id}"
