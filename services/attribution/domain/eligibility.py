"""Which touchpoints of an account may take part in a deal, and why the others may not.

A touchpoint takes part when it happened within the lookback and not after the close, was reported within the grace,
and its activity has a weight in the version that governs the deal. Both ends of each period are included.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from services.attribution.domain.facts import Touch
from services.attribution.domain.policy import Policy


class Reason(StrEnum):
    """Stable codes of why a touchpoint has no credit on a deal."""

    AFTER_CLOSE = "after_close"
    OUTSIDE_LOOKBACK = "outside_lookback"
    TOO_LATE = "too_late"
    UNKNOWN_ACTIVITY = "unknown_activity"
    ZERO_WEIGHT = "zero_weight"
    AMBIGUOUS_ACCOUNT = "ambiguous_account"
    NO_SHARE_AT_POSITION = "no_share_at_position"
    NO_PROGRAM = "no_program"
    NOT_WON = "not_won"


def eligible(policy: Policy, closed_at: datetime, touches: Iterable[Touch]) -> list[Touch]:
    """The touchpoints that take part, in input order. `reason` says the same of one touchpoint, with its words."""
    since, deadline = closed_at - policy.lookback, closed_at + policy.grace
    weight = policy.weights.get
    return [
        touch
        for touch in touches
        if since <= touch.occurred_at <= closed_at and touch.received_at <= deadline and weight(touch.activity)
    ]


def reason(policy: Policy, closed_at: datetime, touch: Touch) -> Reason | None:
    """The first rule a touchpoint fails, or None when it takes part."""
    if touch.occurred_at > closed_at:
        return Reason.AFTER_CLOSE
    if touch.occurred_at < closed_at - policy.lookback:
        return Reason.OUTSIDE_LOOKBACK
    if touch.received_at > closed_at + policy.grace:
        return Reason.TOO_LATE
    if touch.activity not in policy.weights:
        return Reason.UNKNOWN_ACTIVITY
    return None if policy.weights[touch.activity] else Reason.ZERO_WEIGHT
