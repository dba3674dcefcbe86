"""Models that look at what a touchpoint does for a deal, or at the phase it falls into."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cached_property
from math import lcm
from typing import ClassVar, Final, Literal, Self

from pydantic import model_validator

from shared.models.base import Journey, ModelRule, Phase, Role, whole
from shared.models.partners import divide
from shared.rules import Percent, Weight, percent

_STRENGTH: Final = {role: strength for strength, role in enumerate(Role)}


class RoleWeight(ModelRule):
    """A part of the deal for each role: by default 40% to sourcers, 20% each to influencers, implementers and closers.

    A partner counts once, at its strongest role (in that order). A role's part is divided evenly among its partners,
    and among a partner's touchpoints of that role by their activities' weights. The parts of roles that nobody has are
    dropped and the rest renormalised; where only roles with a part of 0% are present, nobody qualifies.
    """

    source: ClassVar[str] = "Covant (dylan3796/partner-attribution-ai)"
    example: ClassVar[str] = "A(sourcer) > A(influencer) > B(influencer) > C(influencer): A 2/3, B 1/6, C 1/6"
    by_partner: ClassVar[bool] = True

    kind: Literal["role_weight"]
    sourcer: Percent = Fraction(2, 5)
    influencer: Percent = Fraction(1, 5)
    implementer: Percent = Fraction(1, 5)
    closer: Percent = Fraction(1, 5)

    @property
    def parts(self) -> tuple[Fraction, ...]:
        """The part of each role, the strongest first."""
        return self.sourcer, self.influencer, self.implementer, self.closer

    @cached_property
    def pools(self) -> Mapping[Role, int]:
        """`parts` in whole proportions."""
        return dict(zip(Role, whole(self.parts), strict=True))

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if sum(self.parts) != 1:
            raise ValueError("sourcer, influencer, implementer and closer must add up to 100%")
        return self

    @property
    def label(self) -> str:
        return "role: " + ", ".join(f"{role} {percent(part)}" for role, part in zip(Role, self.parts, strict=True))

    def weights(self, journey: Journey) -> Sequence[int]:
        partners = journey.partners
        size = len(partners)
        roles = journey.roles or [Role.INFLUENCER] * size  # as an activity that names no role
        strongest: dict[str, Role] = {}
        for partner, role in zip(partners, roles, strict=True):
            if _STRENGTH[role] <= _STRENGTH[strongest.setdefault(partner, role)]:
                strongest[partner] = role
        members = Counter(strongest.values())
        scale = lcm(*members.values())
        totals = {partner: self.pools[role] * (scale // members[role]) for partner, role in strongest.items()}
        weights = journey.activity_weights or [1] * size
        counted = [
            weight if role is strongest[partner] else 0
            for partner, role, weight in zip(partners, roles, weights, strict=True)
        ]
        return divide(totals, partners, counted)


class StageWeight(ModelRule):
    """Every touchpoint alike, times the weight of the phase it happened in (1 by default).

    The phases are before the lead was created, from then until the opportunity was, and from then until the close. A
    touchpoint at the instant of a milestone led to it. With only phases of weight 0 nobody qualifies.
    """

    source: ClassVar[str] = "Tributary"
    example: ClassVar[str] = "A > B(lead_created) > C(opportunity_created) > D: A 1/7, B 1/7, C 2/7, D 3/7"
    example_of: ClassVar[Mapping[str, object]] = {"lead": 2, "opportunity": 3}

    kind: Literal["stage_weight"]
    before_lead: Weight = Fraction(1)
    lead: Weight = Fraction(1)
    opportunity: Weight = Fraction(1)

    @cached_property
    def factors(self) -> Mapping[Phase, int]:
        """The weight of each phase, in whole proportions."""
        return dict(zip(Phase, whole((self.before_lead, self.lead, self.opportunity)), strict=True))

    @model_validator(mode="after")
    def _weighs(self) -> Self:
        if not (self.before_lead or self.lead or self.opportunity):
            raise ValueError("one of before_lead, lead and opportunity must weigh more than 0")
        return self

    @property
    def label(self) -> str:
        words = (_plain(weight) for weight in (self.before_lead, self.lead, self.opportunity))
        return "linear by stage: before the lead times {}, lead times {}, opportunity times {}".format(*words)

    def weights(self, journey: Journey) -> Sequence[int]:
        factors = self.factors
        return [factors[phase] for phase in journey.phases]


def _plain(weight: Fraction) -> str:
    """A weight as its owner wrote it, with at most three decimals."""
    units, rest = divmod(int(weight * 1000), 1000)
    return f"{units}.{rest:03d}".rstrip("0").rstrip(".")
