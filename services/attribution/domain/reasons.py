"""The rules that leave a touchpoint out, in one line each that a partner understands."""

from __future__ import annotations

from typing import Final

from services.attribution.domain import timeline
from services.attribution.domain.eligibility import Reason
from services.attribution.domain.facts import Deal, Touch
from services.attribution.domain.policy import Policy
from shared.rules import percent

AMBIGUOUS: Final = (
    "Its CRM id and its domain belong to two different accounts; it counts for neither until that is settled."
)


def sentence(text: str | None) -> str:
    """Words as the beginning of a sentence."""
    return text[:1].upper() + text[1:] if text else ""


def describe(reason: Reason, policy: Policy, deal: Deal, touch: Touch) -> str:  # noqa: C901, PLR0911  one line per rule
    """One line for the rule of a won deal's policy that a touchpoint failed."""
    if deal.closed_at is None:
        raise ValueError("only a won deal's policy leaves touchpoints out")
    close, happened = policy.day(deal.closed_at), policy.day(touch.occurred_at)
    version = policy.called
    match reason:
        case Reason.WITHDRAWN:
            return "Its sender took it back."
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
        case Reason.EXCLUDED_PARTNER:
            return f"{version} excludes the partner."
        case Reason.OTHER_ACTIVITY:
            return f"{version} does not consider the activity {touch.activity!r}."
        case Reason.OTHER_STAGE:
            return f"{version} does not consider the stage {timeline.phase_of(deal, touch.occurred_at)}."
        case Reason.OTHER_PARTNER_TYPE:
            return f"{version} does not consider partners of this one's kind."
        case Reason.ZERO_WEIGHT:
            return f"The activity {touch.activity!r} has weight 0 in {version}."
        case _:
            return _among_others(reason, policy, touch)


def _among_others(reason: Reason, policy: Policy, touch: Touch) -> str:
    """Rules that look at a partner's touchpoints together."""
    match reason:
        case Reason.REPEATED:
            rule = policy.rules.repeats if policy.activities[touch.activity].counts == "every" else "its activity's own"
            return f"The partner's earlier or weightier touchpoint counts in its place (rule on repeats: {rule})."
        case Reason.ABOVE_CAP:
            return "The partner has as many touchpoints on this deal as may count; the earliest are taken."
        case Reason.NOTHING_LEFT:
            return "Nothing of the deal is left for touchpoints: others keep all that is divided."
        case Reason.BELOW_MINIMUM:
            return f"The partner's share is below the minimum of {percent(policy.rules.minimum_share)}."
        case _:
            return f"The model ({policy.model_label}) gives nothing to its position."
