"""What every attribution model has in common: it sees a journey and gives each touchpoint a whole-number weight.

Only proportions count, so no model ever rounds a share. A model knows no partner program, no policy and no money: which
touchpoints take part is decided before, what a weight is worth afterwards.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from functools import cached_property
from math import lcm
from operator import lt
from typing import ClassVar, Final

from shared.rules import Rule

MICROSECOND: Final = timedelta(microseconds=1)
LEAD_CREATED: Final = "lead_created"
OPPORTUNITY_CREATED: Final = "opportunity_created"


class Role(StrEnum):
    """What an activity does for a deal, the strongest first: a partner counts once, at its strongest role."""

    SOURCER = "sourcer"
    INFLUENCER = "influencer"
    IMPLEMENTER = "implementer"
    CLOSER = "closer"


class Phase(StrEnum):
    """When in the purchase a touchpoint happened. A touchpoint at the instant of a milestone led to it."""

    BEFORE_LEAD = "before_lead"
    LEAD = "lead"
    OPPORTUNITY = "opportunity"


class Journey:
    """A deal's eligible touchpoints as a model sees them. Every sequence is in chronological order.

    Chronological is by (occurred_at, source, id). `milestones` holds the instant of every milestone of the deal, those
    not reached already moved to the next one (`milestone` of the glossary). What a model does not ask for is not
    computed.
    """

    def __init__(
        self, *, instants: Sequence[datetime], closed_at: datetime, partners: Sequence[str] = (),
        activities: Sequence[str] = (), roles: Sequence[Role] = (), activity_weights: Sequence[int] = (),
        milestones: Mapping[str, datetime] | None = None, ties_share: bool = True,
    ) -> None:  # fmt: skip
        self.instants = instants
        self.closed_at = closed_at
        self.partners = partners
        self.activities = activities
        self.roles = roles
        self.activity_weights = activity_weights
        self.milestones = milestones or {}
        self.ties_share = ties_share

    def __len__(self) -> int:
        return len(self.instants)

    @cached_property
    def ranks(self) -> Sequence[int]:
        """The place of each touchpoint in time, from 0. Touchpoints of one instant share a place, unless told else."""
        instants = self.instants
        if not self.ties_share or all(map(lt, instants, instants[1:])):
            return range(len(instants))
        place, ranks, before = -1, [], None
        for instant in instants:
            if instant != before:
                place, before = place + 1, instant
            ranks.append(place)
        return ranks

    @cached_property
    def ages(self) -> list[int]:
        """Microseconds from each touchpoint to the close."""
        closed_at = self.closed_at
        return [(closed_at - instant) // MICROSECOND for instant in self.instants]

    def rank_at(self, instant: datetime) -> int | None:
        """The place of the touchpoints that led to what happened then, or None."""
        led = self.leading_to(instant)
        return self.ranks[led[0]] if led else None

    def leading_to(self, instant: datetime) -> range:
        """The touchpoints that led to what happened then: the latest place at or before it, or nobody."""
        after = bisect_right(self.instants, instant)
        return self.place_of(after - 1) if after else range(0)

    def place_of(self, index: int) -> range:
        """The touchpoints that share the place of this one."""
        if not self.ties_share:
            return range(index, index + 1)
        instant = self.instants[index]
        return range(bisect_left(self.instants, instant), bisect_right(self.instants, instant))

    @cached_property
    def phases(self) -> list[Phase]:
        """The phase each touchpoint happened in, by the deal's milestones."""
        lead = self.milestones.get(LEAD_CREATED, self.closed_at)
        opportunity = self.milestones.get(OPPORTUNITY_CREATED, self.closed_at)
        return [phase(instant, lead, opportunity) for instant in self.instants]


def phase(instant: datetime, lead: datetime, opportunity: datetime) -> Phase:
    """The phase of an instant between two milestones."""
    if instant <= lead:
        return Phase.BEFORE_LEAD
    return Phase.LEAD if instant <= opportunity else Phase.OPPORTUNITY


def whole(parts: Sequence[Fraction]) -> tuple[int, ...]:
    """Fractions as whole numbers in the same proportions."""
    scale = lcm(*(part.denominator for part in parts))
    return tuple(int(part * scale) for part in parts)


class ModelRule(Rule):
    """The base of every model: its parameters as the program names them, and one small pure function.

    The class docstring is the definition. `source` says who defines it so, `example` shows it on a path that a reader
    can check; a test computes each example. It reads `A > B(x) > C: A 40%, B 20%, C 40%`: the partners in order, in
    brackets what is special about a touchpoint (a milestone it led to, an activity, a role, an age), and their parts.
    `example_of` are the parameters it is computed with, where the defaults do not do.
    """

    source: ClassVar[str]
    example: ClassVar[str]
    example_of: ClassVar[Mapping[str, object]] = {}
    pays: ClassVar[bool] = True
    """False for models whose shares do not sum to one: for reports, refused as a basis of pay."""
    by_partner: ClassVar[bool] = False
    """Whether the model fixes each partner's total. Activity weights then only divide it among the partner's own
    touchpoints, and are already in `weights`; otherwise they multiply the model's weight afterwards."""

    kind: str

    @property
    def activities(self) -> frozenset[str]:
        """Activities the model names, which the program must know."""
        return frozenset()

    def holds(self, journey: Journey) -> Mapping[str, Sequence[int]]:  # noqa: ARG002  only milestone models look
        """The touchpoints, by index, that hold each milestone the model treats apart."""
        return {}

    @property
    def label(self) -> str:
        """The model in words, with its parameters: popular names mean different things to different vendors."""
        raise NotImplementedError

    def weights(self, journey: Journey) -> Sequence[int]:
        """One non-negative weight per touchpoint, in the journey's order; positive in sum unless nobody qualifies."""
        raise NotImplementedError
