"""What each partner was for a deal: sourced, influenced or delivered; exactly one of them.

So totals per class never count a partner's deal twice, and the class depends on the partner's own touchpoints alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from services.attribution.domain import eligibility, timeline
from services.attribution.domain.eligibility import Reason
from services.attribution.domain.facts import Deal, Touch
from services.attribution.domain.partners import Directory
from services.attribution.domain.policy import Policy
from shared.events.credit import Influence
from shared.models.base import LEAD_CREATED, OPPORTUNITY_CREATED, Role


def classes(policy: Policy, deal: Deal, touches: Iterable[Touch], directory: Directory) -> dict[str, Influence]:
    """The class of every partner that took part in a won deal, by partner id."""
    until = _sourced_until(policy, deal)
    roles, sourcing = policy.roles, policy.rules.sourced_when.roles
    found: dict[str, Influence] = {}
    for touch in touches:
        if not _takes_part(policy, deal, touch, directory):
            continue
        role = roles[touch.activity]
        if role in sourcing and touch.occurred_at <= until:
            found[touch.partner] = Influence.SOURCED
        elif role is Role.IMPLEMENTER:
            found.setdefault(touch.partner, Influence.DELIVERED)
        elif found.get(touch.partner) is not Influence.SOURCED:
            found[touch.partner] = Influence.INFLUENCED
    return dict(sorted(found.items()))


def _takes_part(policy: Policy, deal: Deal, touch: Touch, directory: Directory) -> bool:
    """Whether a touchpoint shows that its partner worked on the deal, be it credited or not."""
    why = eligibility.reason(policy, deal, touch, directory)
    if why is Reason.AFTER_CLOSE and policy.roles.get(touch.activity) is Role.IMPLEMENTER:
        in_time = deal.closed_at is not None and touch.occurred_at <= deal.closed_at + policy.delivery
        return in_time and eligibility.left_out(policy, deal, touch, directory) is None
    return why is None or why is Reason.ZERO_WEIGHT


def _sourced_until(policy: Policy, deal: Deal) -> datetime:
    reached = timeline.milestones(deal)
    match policy.rules.sourced_when.before:
        case "lead_created":
            return reached[LEAD_CREATED]
        case "opportunity_created":
            return reached[OPPORTUNITY_CREATED]
        case _:
            return deal.closed_at or reached[OPPORTUNITY_CREATED]
