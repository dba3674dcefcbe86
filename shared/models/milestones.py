"""Models with a part for each milestone of a deal: U and W by milestones, the full path, and own stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from shared.events.base import Id
from shared.models.base import LEAD_CREATED, OPPORTUNITY_CREATED, Journey
from shared.models.staged import CLOSED, FIRST_TOUCH, Holder, Staged
from shared.rules import Percent

MAX_STAGES: Final = 20
"""More stages than any sales process has."""


class _WithMiddle(Staged):
    """`no_middle: renormalise` drops the part of the others where there are none, `spread` gives it to the milestones.

    It is spread evenly over the milestones that somebody holds, and so too where these have no part of their own.
    """

    no_middle: Literal["renormalise", "spread"] = "renormalise"

    @property
    def spreads(self) -> bool:
        return self.no_middle == "spread"


class ULead(_WithMiddle):
    """40% to the first touchpoint, 40% to the one that created the lead, 20% to the others together.

    `others` are all that hold neither (`every_other`), or only those in time between the two (`between`).
    """

    begins: ClassVar[str] = "U by lead"
    source: ClassVar[str] = "HubSpot"
    example: ClassVar[str] = "A > B > C(lead_created) > D: A 40%, B 10%, C 40%, D 10%"

    kind: Literal["u_lead"]
    others: Literal["every_other", "between"] = "every_other"

    @property
    def stages(self) -> tuple[tuple[str, Fraction], ...]:
        return (FIRST_TOUCH, Fraction(2, 5)), (LEAD_CREATED, Fraction(2, 5))

    @property
    def remainder(self) -> tuple[str, Fraction]:
        return ("every other touch" if self.others == "every_other" else "touches between"), Fraction(1, 5)

    def span(self, journey: Journey, holders: Sequence[Holder]) -> range:
        return range(len(journey)) if self.others == "every_other" else super().span(journey, holders)


class ULeadOnly(Staged):
    """Half to the first touchpoint and half to the one that created the lead; nothing to any other."""

    begins: ClassVar[str] = "U by lead alone"
    source: ClassVar[str] = "Marketo Measure"
    example: ClassVar[str] = "A > B > C(lead_created) > D: A 50%, B 0%, C 50%, D 0%"

    kind: Literal["u_lead_only"]

    @property
    def stages(self) -> tuple[tuple[str, Fraction], ...]:
        return (FIRST_TOUCH, Fraction(1, 2)), (LEAD_CREATED, Fraction(1, 2))


class W(_WithMiddle):
    """30% each to the first touchpoint, the one that created the lead and the one that created the opportunity.

    The other touchpoints up to the opportunity share 10%. `after_opportunity`: those after it get nothing, or share
    the 10% with them (`shares_middle`).
    """

    begins: ClassVar[str] = "W"
    source: ClassVar[str] = "Marketo Measure, HubSpot"
    example: ClassVar[str] = (
        "A > B > C(lead_created) > D > E(opportunity_created) > F: A 30%, B 5%, C 30%, D 5%, E 30%, F 0%"
    )

    kind: Literal["w"]
    after_opportunity: Literal["nothing", "shares_middle"] = "nothing"

    @property
    def stages(self) -> tuple[tuple[str, Fraction], ...]:
        part = Fraction(3, 10)
        return (FIRST_TOUCH, part), (LEAD_CREATED, part), (OPPORTUNITY_CREATED, part)

    @property
    def remainder(self) -> tuple[str, Fraction]:
        return ("touches between" if self.after_opportunity == "nothing" else "every other touch"), Fraction(1, 10)

    def span(self, journey: Journey, holders: Sequence[Holder]) -> range:
        return range(len(journey)) if self.after_opportunity == "shares_middle" else super().span(journey, holders)


class FullPath(_WithMiddle):
    """22.5% each to the first touchpoint, those that created lead and opportunity, and the latest before the close.

    All others share 10%. Also called Z.
    """

    begins: ClassVar[str] = "full path"
    source: ClassVar[str] = "Marketo Measure, HubSpot"
    example: ClassVar[str] = (
        "A > B > C(lead_created) > D(opportunity_created) > E > F: A 22.5%, B 5%, C 22.5%, D 22.5%, E 5%, F 22.5%"
    )

    kind: Literal["full_path"]

    @property
    def stages(self) -> tuple[tuple[str, Fraction], ...]:
        part = Fraction(9, 40)
        return (FIRST_TOUCH, part), (LEAD_CREATED, part), (OPPORTUNITY_CREATED, part), (CLOSED, part)

    @property
    def remainder(self) -> tuple[str, Fraction]:
        return "touches between", Fraction(1, 10)


def _ordered(value: object) -> object:
    """Stages are written as a list, for the order of a mapping is lost where documents are kept as JSON."""
    if not isinstance(value, list | tuple):
        raise ValueError("write the milestones as a list in their order, such as [{first_touch: 40%}, {demo: 60%}]")  # noqa: TRY004  pydantic reports ValueErrors
    if not all(isinstance(stage, Mapping) and len(stage) == 1 for stage in value):
        raise ValueError("each milestone is a name with its percentage, such as demo: 40%")
    return tuple(pair for stage in value for pair in stage.items())


Stages = Annotated[
    tuple[tuple[Id, Percent], ...], BeforeValidator(_ordered), Field(min_length=1, max_length=MAX_STAGES)
]


class Milestones(_WithMiddle):
    """Own milestones, in their order, each with a part; `between` is for the other touchpoints from first to last.

    `first_touch` is the first touchpoint and `closed` the latest before the close; every other name is a milestone of
    the deal. One that the deal does not have happens with the next of the list that it has, else with the close. All
    parts add up to 100%. Where no touchpoint led to a milestone with a part, nobody qualifies.
    """

    begins: ClassVar[str] = "milestones"
    source: ClassVar[str] = "Marketo Measure, custom model"
    example: ClassVar[str] = (
        "A > B(lead_created) > C(demo) > D > E(opportunity_created): A 20%, B 20%, C 30%, D 10%, E 20%"
    )
    example_of: ClassVar[Mapping[str, object]] = {
        "milestones": [
            {"first_touch": "20%"}, {"lead_created": "20%"}, {"demo": "30%"}, {"opportunity_created": "20%"},
        ],
        "between": "10%",
    }  # fmt: skip

    kind: Literal["milestones"]
    milestones: Stages
    between: Percent = Fraction(0)

    @property
    def stages(self) -> tuple[tuple[str, Fraction], ...]:
        return self.milestones

    @property
    def remainder(self) -> tuple[str, Fraction]:
        return ("touches between" if self.between else ""), self.between

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [name for name, _ in self.milestones]
        if len(set(names)) < len(names):
            raise ValueError("name each milestone once")
        if FIRST_TOUCH in names[1:] or CLOSED in names[:-1]:
            raise ValueError(f"{FIRST_TOUCH} can only be the first milestone and {CLOSED} the last")
        if self.between and len(names) == 1:
            raise ValueError("between needs two milestones to lie between")
        if self.between + sum(part for _, part in self.milestones) != 1:
            raise ValueError("milestones and between must add up to 100%")
        return self
