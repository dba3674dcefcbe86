"""Models to which later touchpoints weigh more. Six definitions go by the name of time decay; each has its own kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import lcm
from typing import ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from shared.models.base import Journey, ModelRule
from shared.models.halving import halving
from shared.models.partners import divide
from shared.rules import Days, Hours

HALVINGS: Final = 60
"""After sixty halvings a weight is nothing: less than a thousandth of a cent of the largest amount. It keeps shares
numbers that a message can carry."""
_HOUR: Final = 3_600 * 10**6
_DAY: Final = 24 * _HOUR


def _halves(steps: Sequence[int], *, shared: bool, most: int = HALVINGS) -> list[int]:
    """1/2 to the number of steps, in whole numbers. `shared`: touchpoints with equal steps divide one weight evenly."""
    if not steps:
        return []
    latest = min(steps)
    depth = min(max(steps) - latest, most)
    members = Counter(steps) if shared else dict.fromkeys(steps, 1)
    scale = lcm(*members.values())
    weight = {
        step: scale // count << depth - step + latest if step - latest <= depth else 0
        for step, count in members.items()
    }
    return [weight[step] for step in steps]


def _from_the_end(journey: Journey) -> list[int]:
    return [-rank for rank in journey.ranks]


class TimeDecay(ModelRule):
    """A touchpoint weighs 2^(-t/h), t from the touchpoint to the close: it loses half its weight every `half_life`.

    Weights are rounded to twelve decimals, half to even. Where all of them round to nothing, they are counted from the
    latest touchpoint instead, which leaves the proportions what they are.
    """

    source: ClassVar[str] = "Adobe Analytics, Google Ads, marketing-attribution-models 2"
    example: ClassVar[str] = "A(28 days) > B(14 days) > C(7 days) > D(0 days): A 1/29, B 4/29, C 8/29, D 16/29"
    example_of: ClassVar[Mapping[str, object]] = {"half_life": "7 days"}

    kind: Literal["time_decay"]
    half_life: Days = Field(ge=1)

    @property
    def label(self) -> str:
        return f"time decay, half-life {self.half_life} days before the close"

    def weights(self, journey: Journey) -> Sequence[int]:
        table, instants = halving(self.half_life), journey.instants
        found = table.weights(instants, journey.closed_at)
        return found if not found or found[-1] else table.weights(instants, instants[-1])


class TimeDecayStep(ModelRule):
    """A touchpoint weighs 1/2 for every full `step` before the close (168 hours by default), and not less in between.

    Sixty halvings before the latest one a weight is nothing.
    """

    source: ClassVar[str] = "DP6 marketing-attribution-models 1"
    example: ClassVar[str] = "A(200 hours) > B(100 hours) > C(30 hours): A 20%, B 40%, C 40%"

    kind: Literal["time_decay_step"]
    step: Hours = Field(default=168, ge=1)

    @property
    def label(self) -> str:
        return f"time decay in steps, half for every full {self.step} hours before the close"

    def weights(self, journey: Journey) -> Sequence[int]:
        step = self.step * _HOUR
        return _halves([age // step for age in journey.ages], shared=False)


class TimeDecayOrdinalGeometric(ModelRule):
    """Each touchpoint weighs half of the next one, whenever they happened. Those at one instant share a place equally.

    Sixty places before the last one a weight is nothing.
    """

    source: ClassVar[str] = "shapley-attribution 2.1"
    example: ClassVar[str] = "A > B > C: A 1/7, B 2/7, C 4/7"

    kind: Literal["time_decay_ordinal_geometric"]

    @property
    def label(self) -> str:
        return "time decay by order, each touch half of the next"

    def weights(self, journey: Journey) -> Sequence[int]:
        return _halves(_from_the_end(journey), shared=True)


class TimeDecayOrdinalLinear(ModelRule):
    """Partners weigh 1, 2, 3 and so on in the order of their first touchpoints, which later ones do not change.

    Partners that appear at one instant share a place equally. A partner's touchpoints divide its part by their
    activities' weights.
    """

    source: ClassVar[str] = "mta 0.0.9"
    example: ClassVar[str] = "A > B > A > C: A 1/6, B 1/3, C 1/2"
    by_partner: ClassVar[bool] = True

    kind: Literal["time_decay_ordinal_linear"]

    @property
    def label(self) -> str:
        return "time decay by partner, 1, 2, 3 in order of first appearance"

    def weights(self, journey: Journey) -> Sequence[int]:
        partners = journey.partners
        appeared: dict[str, int] = {}
        for partner, rank in zip(partners, journey.ranks, strict=True):
            appeared.setdefault(partner, rank)
        members = Counter(appeared.values())
        scale = lcm(*members.values())
        weight = {rank: place * scale // members[rank] for place, rank in enumerate(sorted(members), 1)}
        totals = {partner: weight[rank] for partner, rank in appeared.items()}
        return divide(totals, partners, journey.activity_weights or [1] * len(partners))


class TimeDecayPerDay(ModelRule):
    """A day weighs half of the day after it, counted in full 24 hours before the close, and its touchpoints share it.

    Sixty days before the latest one a weight is nothing.
    """

    source: ClassVar[str] = "RA attribution"
    example: ClassVar[str] = "A(26 hours) > B(20 hours) > C(10 hours): A 1/3, B 1/3, C 1/3"

    kind: Literal["time_decay_per_day"]

    @property
    def label(self) -> str:
        return "time decay per day, each day half of the next, a day's touches share it"

    def weights(self, journey: Journey) -> Sequence[int]:
        return _halves([age // _DAY for age in journey.ages], shared=True)


class SixLatestHalving(ModelRule):
    """The six latest places weigh 32, 16, 8, 4, 2 and 1 from the last one backwards; earlier touchpoints get nothing.

    It is HubSpot's simple decay made to add up to 100%. Touchpoints at one instant share a place equally.
    """

    source: ClassVar[str] = "HubSpot's simple decay of 2016, normalised"
    example: ClassVar[str] = "A > B > C > D > E > F > G: A 0%, B 1/63, C 2/63, D 4/63, E 8/63, F 16/63, G 32/63"

    kind: Literal["six_latest_halving"]

    @property
    def label(self) -> str:
        return "the six latest touches, each half of the next"

    def weights(self, journey: Journey) -> Sequence[int]:
        return _halves(_from_the_end(journey), shared=True, most=5)


class HubspotSimpleDecay(ModelRule):
    """Refused: 50%, 25%, 12.5%, 6.25%, 3.125% and 1.563% of the six latest touchpoints do not add up to 100%."""

    source: ClassVar[str] = "HubSpot's simple decay of 2016"
    pays: ClassVar[bool] = False

    kind: Literal["hubspot_simple_decay"]

    @model_validator(mode="after")
    def _refused(self) -> Self:
        raise ValueError("hubspot_simple_decay sums to 98.438 %, not to 100 %; use six_latest_halving instead")
