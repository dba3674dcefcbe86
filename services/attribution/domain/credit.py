"""Who is credited with what on a deal: a pure function of the deal, its account's touchpoints and the program.

A touchpoint's weight is the model's weight times its activity's; a partner's share is its touchpoints' part of the sum,
within the part of the deal that the policy divides. The amount goes to all recipients at once by the largest
remainders (the paid figure), then each partner's amount to its touchpoints: both levels sum exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from math import gcd
from typing import Final, NamedTuple

from services.attribution.domain import eligibility, influence, renewals, split, timeline
from services.attribution.domain.division import Division, Rest, divide
from services.attribution.domain.facts import Deal, Touch
from services.attribution.domain.partners import NOBODY, Directory
from services.attribution.domain.policy import Policy, Rules
from services.attribution.domain.renewals import First, Origin
from shared import money
from shared.events.base import MAX_ID
from shared.events.credit import Influence, Status
from shared.models.base import Journey

ORIGINATING: Final = "\U0010ffff" * (MAX_ID + 1)
VENDOR: Final = ORIGINATING
"""Both are longer than any id and sort behind all: on equal remainders a touchpoint gets the leftover unit, a partner
before the vendor."""


Lines = dict[str, list[tuple[Touch, int]]]
"""The touchpoints with a weight, by partner."""


class Share(NamedTuple):
    """A partner's part of a deal: `weight / scale` of it, exactly. Its touchpoints stand in chronological order.

    `originating` of `weight` is kept from the account's first deal and has no touchpoint here.
    """

    partner: str
    weight: int
    scale: int
    amount_minor: int
    touches: tuple[Touch, ...]
    weights: tuple[int, ...]
    originating: int = 0
    influence: Influence = Influence.INFLUENCED

    def line_amounts(self) -> tuple[list[int], int]:
        """The partner's amount over its touchpoints, in their order, and over what it keeps; ties by natural key."""
        names = [f"{touch.source}\x00{touch.id}" for touch in self.touches]  # NUL is in no id, so the key is unique
        weights = dict(zip(names, self.weights, strict=True))
        if self.originating:
            weights[ORIGINATING] = self.originating
        parts = money.allocate(self.amount_minor, weights)
        return [parts[name] for name in names], parts.get(ORIGINATING, 0)


class Unattributed(NamedTuple):
    """A part of a deal without a partner: `weight / scale` of it, and why."""

    reason: Rest
    text: str
    weight: int
    scale: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Decision:
    """The credit of a deal. Shares (sorted by partner) plus `rest` are `amount_minor`; their weights are the scale.

    `participants` is the class of every partner that took part; `below_minimum` names those whose share was too small.
    `first_closed_on` is the day the account's first deal closed, where a plan asks for it.
    """

    status: Status
    reason: str | None = None
    policy: Policy | None = None
    governed_on: date | None = None
    amount_minor: int | None = None
    currency: str | None = None
    shares: tuple[Share, ...] = ()
    rest: tuple[Unattributed, ...] = ()
    participants: Mapping[str, Influence] | None = None
    first_closed_on: date | None = None
    below_minimum: frozenset[str] = frozenset()

    @property
    def touchpoints(self) -> int:
        return sum(len(share.touches) for share in self.shares)

    @property
    def unattributed_minor(self) -> int | None:
        return sum(part.amount_minor for part in self.rest) if self.amount_minor is not None else None


def fraction(weight: int, scale: int) -> str:
    """`weight / scale` in lowest terms: `2/15`, or `1` for the whole."""
    divisor = gcd(weight, scale) or 1
    weight, scale = weight // divisor, scale // divisor
    return str(weight) if scale == 1 else f"{weight}/{scale}"


def decide(
    deal: Deal, touches: Iterable[Touch], rules: Rules, directory: Directory = NOBODY, origin: Origin | None = None
) -> Decision:
    """The credit of a deal from all touchpoints of its account, in any order.

    `origin` tells the account's first deal, where there is one. Raises ValueError on a won deal without amount,
    currency or close; such a fact is refused before it is stored.
    """
    if not deal.counts:
        return Decision(Status.NOT_WON, not_won(deal))
    if deal.closed_at is None or deal.amount_minor is None or deal.currency is None:
        raise ValueError(f"the won deal {deal.source}/{deal.id} lacks its amount or close")
    policy = rules.governing(deal.closed_at)
    if policy is None:
        reason = f"no program version was in force at the close on {deal.closed_at:%Y-%m-%d}"
        return _nothing(deal, None, Rest.NO_PROGRAM, reason)
    decision = _governed(deal, policy, touches, directory, origin.of(deal) if origin is not None else None)
    began = origin.began.get(deal.account) if origin is not None else None
    return decision if began is None else replace(decision, first_closed_on=policy.day(began))


def _governed(
    deal: Deal, policy: Policy, touches: Iterable[Touch], directory: Directory, first: First | None
) -> Decision:
    """The credit of a won deal that a program governs; `first` is its account's first deal."""
    if deal.closed_at is None:
        raise ValueError(f"the won deal {deal.source}/{deal.id} lacks its close")
    if not deal.keyed:
        reason = "the deal names no account by CRM id, DUNS or VAT number, or a domain of its own"
        return _nothing(deal, policy, Rest.NO_ACCOUNT, reason)
    touches = counted_as(touches, directory, policy.day(deal.closed_at))
    taking_part, barred = taking_part_in(policy, deal, touches, directory)
    participants = influence.classes(policy, deal, touches, directory) if barred is None else {}
    if barred is not None and eligibility.deal_reason(policy, deal, of_any_kind=True) is not None:
        first = None
    originators = renewals.originators(policy, deal, first, directory)
    kept = renewals.kept(policy, deal, first) if originators else Fraction(0)
    weights = _weights(policy, deal, taking_part)
    if barred is None and taking_part and not any(weights):
        barred = (Rest.NO_WEIGHT, f"the model ({policy.model_label}) gives nothing to any touchpoint")
    if barred is None and not taking_part:
        days = policy.lookback.days
        barred = (Rest.NO_TOUCHPOINT, f"no eligible touchpoint in the {days} days before the close")
    if barred is not None and not kept:
        return _nothing(deal, policy, *barred, participants=participants)
    lines, below = _lines(policy, taking_part, weights)
    division = divide(policy.rules, kept) if kept else policy.division
    if not division.by_model:  # nothing is left for touchpoints, so none is credited with it
        lines = {}
    decision = _divided(deal, policy, lines, participants, division, originators if kept else {}, barred)
    return replace(decision, below_minimum=below) if below else decision


def counted_as(touches: Iterable[Touch], directory: Directory, day: date) -> list[Touch]:
    """The touchpoints, each with the partner it counts for on a day."""
    if not directory.has_merges:
        return list(touches)
    found = []
    for touch in touches:
        partner = directory.counts_as(touch.partner, day)
        same = partner == touch.partner
        found.append(touch if same else touch._replace(partner=partner, reported_as=touch.partner))
    return found


def taking_part_in(
    policy: Policy, deal: Deal, touches: Iterable[Touch], directory: Directory
) -> tuple[list[Touch], tuple[Rest, str] | None]:
    """The touchpoints a model sees, in chronological order; or why the policy considers none for such a deal."""
    refused = eligibility.deal_reason(policy, deal)
    if refused is not None:
        return [], (Rest.DEAL_NOT_CONSIDERED, refused)
    return eligibility.thin(policy, eligibility.eligible(policy, deal, touches, directory)), None


def journey(policy: Policy, deal: Deal, touches: Sequence[Touch]) -> Journey:
    """The touchpoints of a deal as a model sees them."""
    if deal.closed_at is None:
        raise ValueError(f"the deal {deal.source}/{deal.id} has no close")
    activities = [touch.activity for touch in touches]
    weights, roles = policy.weights, policy.roles
    return Journey(
        instants=[touch.occurred_at for touch in touches],
        closed_at=deal.closed_at,
        partners=[touch.partner for touch in touches],
        activities=activities,
        roles=[roles[activity] for activity in activities],
        activity_weights=[weights[activity] for activity in activities],
        milestones=timeline.milestones(deal),
        ties_share=policy.rules.same_instant == "share",
    )


def _weights(policy: Policy, deal: Deal, touches: Sequence[Touch]) -> Sequence[int]:
    return split.weighed(policy.model, journey(policy, deal, touches)) if touches else ()


def _divided(
    deal: Deal, policy: Policy, lines: Lines, participants: Mapping[str, Influence], division: Division,
    originators: Mapping[str, int], barred: tuple[Rest, str] | None,
) -> Decision:  # fmt: skip
    """Divide the deal between the model's partners, the first deal's, and the parts that no partner gets."""
    amount, currency, closed_at = deal.amount_minor, deal.currency, deal.closed_at
    if amount is None or currency is None or closed_at is None:
        raise ValueError(f"the won deal {deal.source}/{deal.id} lacks its amount or close")
    models = {partner: sum(weight for _, weight in own) for partner, own in lines.items()}
    models_sum, origins_sum = sum(models.values()) or 1, sum(originators.values()) or 1
    # Partner by partner: by_model x own/models_sum + by_origin x own/origins_sum, over the common scale.
    per_touch, per_origin, per_unit = (
        division.by_model * origins_sum, division.by_origin * models_sum, models_sum * origins_sum
    )  # fmt: skip
    scale = division.units * per_unit
    owed = {
        partner: weight
        for partner in sorted(models.keys() | originators.keys())
        if (weight := per_touch * models.get(partner, 0) + per_origin * originators.get(partner, 0))
    }
    rest = [(reason, text, part * per_unit) for reason, text, part in division.rest]
    if barred is not None and division.by_model:
        rest.append((*barred, division.by_model * per_unit))
    amounts = money.allocate(amount, owed | {VENDOR + reason: weight for reason, _, weight in rest})
    shares = []
    for partner, weight in owed.items():
        own = lines.get(partner, ())
        shares.append(
            Share(
                partner, weight, scale, amounts[partner], tuple([touch for touch, _ in own]),
                tuple([per_touch * part for _, part in own]), per_origin * originators.get(partner, 0),
                participants.get(partner, Influence.SOURCED),
            )
        )  # fmt: skip
    status, reason = (Status.CREDITED, None) if shares else (Status.UNATTRIBUTED, rest[0][1])
    return Decision(
        status, reason, policy, policy.day(closed_at), amount, currency, tuple(shares),
        tuple(Unattributed(reason, text, weight, scale, amounts[VENDOR + reason]) for reason, text, weight in rest),
        participants,
    )  # fmt: skip


def _lines(policy: Policy, touches: Sequence[Touch], weights: Sequence[int]) -> tuple[Lines, frozenset[str]]:
    """The touchpoints with a weight by partner, and the partners left out because their share is below the minimum."""
    lines: Lines = {}
    for touch, weight in zip(touches, weights, strict=True):
        if weight:
            lines.setdefault(touch.partner, []).append((touch, weight))
    minimum = policy.rules.minimum_share
    if not minimum:
        return lines, frozenset()
    whole = sum(weights)
    small = {
        partner for partner, own in lines.items() if sum(weight for _, weight in own) * minimum.denominator
        < minimum.numerator * whole
    }  # fmt: skip
    if len(small) == len(lines):
        return lines, frozenset()
    return {partner: own for partner, own in lines.items() if partner not in small}, frozenset(small)


def not_won(deal: Deal) -> str:
    """Why a deal is not one that counts as won."""
    if deal.merged_into is not None:
        return f"the deal was merged into {deal.merged_into}"
    return "the deal was removed from the CRM" if deal.removed else f"the deal is {deal.stage}, not won"


def _nothing(
    deal: Deal, policy: Policy | None, code: Rest, reason: str, *, participants: Mapping[str, Influence] | None = None
) -> Decision:
    governed_on = policy.day(deal.closed_at) if policy and deal.closed_at else None
    rest = (Unattributed(code, reason, 1, 1, deal.amount_minor or 0),)
    return Decision(
        Status.UNATTRIBUTED, reason, policy, governed_on, deal.amount_minor, deal.currency, (), rest, participants or {}
    )
