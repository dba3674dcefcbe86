"""Models to which every touchpoint, or every partner, is alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from shared.models.base import Journey, ModelRule
from shared.models.partners import divide


class Linear(ModelRule):
    """Every touchpoint gets the same. A partner with three of them gets three parts."""

    source: ClassVar[str] = "Adobe Analytics, HubSpot, Marketo Measure, Snowplow"
    example: ClassVar[str] = "A > A > A > B: A 75%, B 25%"

    kind: Literal["linear"]

    @property
    def label(self) -> str:
        return "linear, every touch alike"

    def weights(self, journey: Journey) -> Sequence[int]:
        return [1] * len(journey.instants)


class _EvenByPartner(ModelRule):
    by_partner: ClassVar[bool] = True

    def weights(self, journey: Journey) -> Sequence[int]:
        partners = journey.partners
        return divide(dict.fromkeys(partners, 1), partners, journey.activity_weights or [1] * len(partners))


class LinearPartner(_EvenByPartner):
    """Every partner gets the same, however many touchpoints it has; they divide it by their activities' weights."""

    source: ClassVar[str] = "mta (its default), Covant; equal to the Shapley value of Zhao et al. 2018"
    example: ClassVar[str] = "A > A > A > B: A 50%, B 50%"

    kind: Literal["linear_partner"]

    @property
    def label(self) -> str:
        return "linear, every partner alike"


class Participation(_EvenByPartner):
    """Every partner gets the whole deal, so the shares add up to more than 100%: influenced revenue, never pay.

    The weights give every partner the same total; a report reads each total as the whole deal.
    """

    source: ClassVar[str] = "Adobe Analytics"
    example: ClassVar[str] = "A > B > A: A 100%, B 100%"
    pays: ClassVar[bool] = False

    kind: Literal["participation"]

    @property
    def label(self) -> str:
        return "participation, the whole deal to every partner"
