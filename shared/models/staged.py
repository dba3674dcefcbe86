"""How a deal's milestones divide it: each has a part, held by the touchpoint that led to it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property
from math import lcm
from typing import ClassVar, Final, Literal

from shared.models.base import LEAD_CREATED, Journey, ModelRule, Role, whole
from shared.rules import percent

FIRST_TOUCH: Final = "first_touch"
CLOSED: Final = "closed"
Holder = Sequence[int]
"""The touchpoints that hold a milestone, by index; several where they share an instant, none where none precedes it."""


class Staged(ModelRule):
    """What the milestone models share.

    `several_milestones`: a touchpoint that led to several gets all their parts (`add`) or the largest alone
    (`highest`, the rest is renormalised). `lead_touch`: the lead was created by the latest touchpoint at or before it
    (HubSpot), or by the earliest one of an activity whose role is sourcer (as Marketo's earliest form or campaign
    touch). A milestone that no touchpoint led to is held by nobody: its part is dropped and the rest renormalised.
    `one_touch`: the only touchpoint gets all that there is for anybody.
    """

    begins: ClassVar[str]
    """How the label begins."""

    one_touch: Literal["all"] = "all"
    several_milestones: Literal["add", "highest"] = "add"
    lead_touch: Literal["latest_before", "earliest_sourcing"] = "latest_before"

    @property
    def stages(self) -> tuple[tuple[str, Fraction], ...]:
        """The milestones in their order, with their parts."""
        raise NotImplementedError

    @property
    def remainder(self) -> tuple[str, Fraction]:
        """Who shares what the milestones leave, in words, and how much."""
        return "", Fraction(0)

    @property
    def spreads(self) -> bool:
        """Whether the part of others goes to the milestones where there are none."""
        return False

    @cached_property
    def pools(self) -> tuple[int, ...]:
        """The parts of the milestones and, last, of the others, in whole proportions."""
        return whole([*(part for _, part in self.stages), self.remainder[1]])

    @property
    def label(self) -> str:
        who, part = self.remainder
        parts = [f"{name.replace('_', ' ')} {percent(share)}" for name, share in self.stages]
        words = ", ".join([*parts, f"{who} {percent(part)}"] if who else parts)
        return "; ".join([f"{self.begins}: {words}", *self._exceptions()])

    def _exceptions(self) -> list[str]:
        found = []
        if self.spreads:
            found.append("no middle: spread over the milestones")
        if self.several_milestones == "highest":
            found.append("several milestones: the highest counts")
        if self.lead_touch == "earliest_sourcing":
            found.append("lead created by the earliest sourcing touch")
        return found

    def span(self, journey: Journey, holders: Sequence[Holder]) -> range:
        """The touchpoints among which the others are found: after the first milestone, up to the last one."""
        return range(_after(journey, holders[0]), _after(journey, holders[-1]))

    def weights(self, journey: Journey) -> Sequence[int]:
        if not journey.instants:
            return []
        holders = self._holders(journey)
        *pools, rest = self.pools
        held = [(pool, holder) for pool, holder in zip(pools, holders, strict=True) if holder]
        taken = {index for _, holder in held for index in holder}
        middle = [index for index in self.span(journey, holders) if index not in taken] if rest else []
        if rest and not middle and (self.spreads or not any(pool for pool, _ in held)):
            held = [(pool * len(held) + rest, holder) for pool, holder in held]
        return self._shared(len(journey), held, rest, middle)

    def holds(self, journey: Journey) -> dict[str, Holder]:
        """The touchpoints that led to each milestone, in the order of the milestones."""
        names = [name for name, _ in self.stages]
        return {name: holder for name, holder in zip(names, self._holders(journey), strict=True) if holder}

    def _shared(self, size: int, held: Sequence[tuple[int, Holder]], rest: int, middle: Holder) -> list[int]:
        scale = lcm(len(middle) or 1, *(len(holder) for _, holder in held))
        found = [0] * size
        adds = self.several_milestones == "add"
        for pool, holder in held:
            each = pool * (scale // len(holder))
            for index in holder:
                found[index] = found[index] + each if adds else max(found[index], each)
        for index in middle:
            found[index] = rest * (scale // len(middle))
        return found

    def _holders(self, journey: Journey) -> list[Holder]:
        """Who holds each milestone. One that the deal does not have happens with the next that it has, or the close."""
        found: list[Holder] = []
        instant = journey.closed_at
        for name, _ in reversed(self.stages):
            instant = journey.closed_at if name == CLOSED else journey.milestones.get(name, instant)
            if name == FIRST_TOUCH:
                found.append(journey.place_of(0))
            elif name == LEAD_CREATED and self.lead_touch == "earliest_sourcing":
                found.append(_earliest_sourcing(journey))
            else:
                found.append(journey.leading_to(instant))
        return found[::-1]


def _earliest_sourcing(journey: Journey) -> Holder:
    roles = journey.roles
    for index, role in enumerate(roles):
        if role is Role.SOURCER:  # those of its instant that source too share with it
            return [i for i in journey.place_of(index) if roles[i] is Role.SOURCER]
    return ()


def _after(journey: Journey, holder: Holder) -> int:
    """The index after a holder's instant; 0 where nobody holds it, for then every touchpoint is later."""
    if not holder:
        return 0
    last = holder[-1]
    return bisect_right(journey.instants, journey.instants[last]) if journey.ties_share else last + 1
