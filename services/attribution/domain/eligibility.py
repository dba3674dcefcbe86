"""Which touchpoints of an account take part in a deal, and why the others do not.

First each touchpoint is looked at alone (`reason`); then what a partner repeated is thinned out (`thin`), always
keeping the earliest of equals, so that what was excluded changes nothing for what remains.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any, Final

from services.attribution.domain import words
from services.attribution.domain.facts import Deal, Touch, chronological
from services.attribution.domain.partners import Directory
from services.attribution.domain.policy import Policy
from services.attribution.domain.timeline import phase_of
from shared.program import Repeats

NAMED: Final = 3
"""Kinds, regions or products named in a reason; the others are counted, for a program may list thousands."""


class Reason(StrEnum):
    """Stable codes of why a touchpoint has no credit on a deal."""

    WITHDRAWN = "withdrawn"
    AFTER_CLOSE = "after_close"
    OUTSIDE_LOOKBACK = "outside_lookback"
    TOO_LATE = "too_late"
    UNKNOWN_ACTIVITY = "unknown_activity"
    EXCLUDED_PARTNER = "excluded_partner"
    OTHER_ACTIVITY = "other_activity"
    OTHER_STAGE = "other_stage"
    OTHER_PARTNER_TYPE = "other_partner_type"
    ZERO_WEIGHT = "zero_weight"
    REPEATED = "repeated"
    ABOVE_CAP = "above_cap"
    AMBIGUOUS_ACCOUNT = "ambiguous_account"
    NO_SHARE_AT_POSITION = "no_share_at_position"
    BELOW_MINIMUM = "below_minimum"
    NOTHING_LEFT = "nothing_left"
    DEAL_NOT_CONSIDERED = "deal_not_considered"
    NO_PROGRAM = "no_program"
    NOT_WON = "not_won"


def deal_reason(policy: Policy, deal: Deal, *, of_any_kind: bool = False) -> str | None:
    """Why no touchpoint can count on a deal, in words; None when they can.

    With `of_any_kind`, whatever kind of deal it is: what partners keep of renewals has a list of kinds of its own.
    """
    considers, rules = policy.rules.considers, policy.rules
    banned = sorted(rules.excluded.accounts.intersection(deal.account))
    if banned:
        return f"{policy.called} excludes the account {banned[0]}"
    for name, wanted, found in (
        ("kind", None if of_any_kind else considers.deal_kinds, deal.kind),
        ("region", considers.regions, deal.region),
        ("product", considers.products, deal.product),
    ):
        if wanted is not None and found not in wanted:
            listed = words.some(sorted(wanted), NAMED) or "none"
            return f"{policy.called} considers deals of {name} {listed}; this one's is {found or 'not stated'}"
    return None


def eligible(policy: Policy, deal: Deal, touches: Iterable[Touch], directory: Directory) -> list[Touch]:
    """The touchpoints that may take part, each looked at alone, in chronological order.

    `reason` says the same of one touchpoint; this is its fast form for very many.
    """
    closed_at = deal.closed_at
    if closed_at is None:
        return []
    since, deadline = closed_at - policy.lookback, closed_at + policy.grace
    weight, admitted = policy.weights.get, deal.admitted
    found = [
        touch
        for touch in touches
        if since <= touch.occurred_at <= closed_at
        and weight(touch.activity)
        and (touch.received_at <= deadline or (touch.source, touch.id) in admitted)
        and not touch.withdrawn
    ]
    if policy.narrows:
        found = [touch for touch in found if left_out(policy, deal, touch, directory) is None]
    found.sort(key=chronological)
    return found


def reason(policy: Policy, deal: Deal, touch: Touch, directory: Directory) -> Reason | None:  # noqa: PLR0911  one a rule
    """The first rule that a touchpoint fails by itself on a won deal, or None when it may take part."""
    if deal.closed_at is None:
        return Reason.NOT_WON
    if touch.withdrawn:
        return Reason.WITHDRAWN
    if touch.occurred_at > deal.closed_at:
        return Reason.AFTER_CLOSE
    if touch.occurred_at < deal.closed_at - policy.lookback:
        return Reason.OUTSIDE_LOOKBACK
    if touch.received_at > deal.closed_at + policy.grace and (touch.source, touch.id) not in deal.admitted:
        return Reason.TOO_LATE
    if touch.activity not in policy.weights:
        return Reason.UNKNOWN_ACTIVITY
    narrowed = left_out(policy, deal, touch, directory) if policy.narrows else None
    return narrowed or (None if policy.weights[touch.activity] else Reason.ZERO_WEIGHT)


def left_out(policy: Policy, deal: Deal, touch: Touch, directory: Directory) -> Reason | None:
    """The first of the program's own lists that leaves a touchpoint out."""
    considers = policy.rules.considers
    if touch.partner in policy.rules.excluded.partners or touch.reported_as in policy.rules.excluded.partners:
        return Reason.EXCLUDED_PARTNER
    if considers.activities is not None and touch.activity not in considers.activities:
        return Reason.OTHER_ACTIVITY
    if considers.stages is not None and phase_of(deal, touch.occurred_at) not in considers.stages:
        return Reason.OTHER_STAGE
    if considers.partner_types is not None and deal.closed_at is not None:
        kind = directory.kind_on(touch.partner, policy.day(deal.closed_at))
        if kind not in considers.partner_types:
            return Reason.OTHER_PARTNER_TYPE
    return None


def thin(policy: Policy, touches: Sequence[Touch]) -> list[Touch]:
    """What is left of a partner's repeated touchpoints, given in chronological order: `thinned` says why not."""
    if not policy.thins:
        return list(touches)
    return [touch for touch, why in thinned(policy, touches) if why is None]


def thinned(policy: Policy, touches: Sequence[Touch]) -> list[tuple[Touch, Reason | None]]:
    """Each touchpoint, and the rule against repeats or the cap that it falls to.

    In this order: the activity's own rule, the program's rule, the caps per activity and per partner. Each keeps the
    earliest, so a later touchpoint never takes the place of an earlier one.
    """
    left: list[Touch] = []
    dropped: dict[tuple[str, str], Reason] = {}
    seen: set[tuple[Any, ...]] = set()
    best = _best_of_partners(policy, touches) if _one_per_partner(policy) else None
    for touch in touches:
        names = _repeat_names(policy, touch)
        if any(name in seen for name in names) or (best is not None and best[touch.partner] is not touch):
            dropped[touch.source, touch.id] = Reason.REPEATED
        else:
            seen.update(names)
            left.append(touch)
    counts: Counter[tuple[str, ...]] = Counter()
    for touch in left:
        caps = _caps(policy, touch)
        if any(counts[name] >= limit for name, limit in caps):
            dropped[touch.source, touch.id] = Reason.ABOVE_CAP
        else:
            counts.update(name for name, _ in caps)
    return [(touch, dropped.get((touch.source, touch.id))) for touch in touches]


def _one_per_partner(policy: Policy) -> bool:
    return policy.rules.repeats is Repeats.HIGHEST_WEIGHT_PER_PARTNER


def _best_of_partners(policy: Policy, touches: Iterable[Touch]) -> dict[str, Touch]:
    """Of each partner the touchpoint whose activity weighs most; of equals the earliest."""
    best: dict[str, Touch] = {}
    for touch in touches:
        held = best.get(touch.partner)
        if held is None or policy.weights[touch.activity] > policy.weights[held.activity]:
            best[touch.partner] = touch
    return best


def _repeat_names(policy: Policy, touch: Touch) -> list[tuple[Any, ...]]:
    """Under which names a touchpoint may be there only once."""
    by_day = (touch.partner, touch.activity, policy.day(touch.occurred_at))
    by_activity = (touch.partner, touch.activity)
    names: list[tuple[Any, ...]] = []
    own = policy.activities[touch.activity].counts
    if own == "once_per_day" or policy.rules.repeats is Repeats.ONCE_PER_DAY:
        names.append(by_day)
    if own == "once" or policy.rules.repeats is Repeats.ONCE_PER_ACTIVITY:
        names.append(by_activity)
    return names


def _caps(policy: Policy, touch: Touch) -> list[tuple[tuple[str, ...], int]]:
    """The counters a touchpoint counts in, each with its limit."""
    at_most, own = policy.rules.at_most, policy.activities[touch.activity].at_most
    limits = [limit for limit in (own, at_most.per_activity) if limit is not None]
    caps: list[tuple[tuple[str, ...], int]] = []
    if limits:
        caps.append(((touch.partner, touch.activity), min(limits)))
    if at_most.per_partner is not None:
        caps.append(((touch.partner,), at_most.per_partner))
    return caps
