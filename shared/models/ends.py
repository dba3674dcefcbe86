"""Models that credit one end of the journey sharing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from pydantic import Field

from shared.events.base import Id
from shared.models.base import Journey, ModelRule


def _only(members: Sequence[int], size: int) -> list[int]:
    found = [0] * size
    for index in members:
        found[index] = 1
    return found


class First(ModelRule):
    """Everything goes to the first touchpoint. Touchpoints at that very instant share it equally."""

    source: ClassVar[str] = "Adobe Analytics, HubSpot, Salesforce"
    example: ClassVar[str] = "A > B > C: A 100%, B 0%, C 0%"

    kind: Literal["first"]

    @property
    def label(self) -> str:
        return "first touch 100%"

    def weights(self, journey: Journey) -> Sequence[int]:
        size = len(journey)
        sharing = len(journey.place_of(0)) if size else 0
        return [1] * sharing + [0] * (size - sharing)


class Last(ModelRule):
    """Everything goes to the last touchpoint. Touchpoints at that very instant share it equally."""

    source: ClassVar[str] = "Adobe Analytics, HubSpot, Salesforce"
    example: ClassVar[str] = "A > B > C: A 0%, B 0%, C 100%"

    kind: Literal["last"]

    @property
    def label(self) -> str:
        return "last touch 100%"

    def weights(self, journey: Journey) -> Sequence[int]:
        size = len(journey)
        sharing = len(journey.place_of(size - 1)) if size else 0
        return [0] * (size - sharing) + [1] * sharing


class LastNonDirect(ModelRule):
    """Everything goes to the last touchpoint that is not direct; when all are direct, to the last one.

    `direct` names the activities that do not count as influence of their own. Touchpoints at one instant share the
    position equally, the direct ones among them only when all touchpoints are direct.
    """

    source: ClassVar[str] = "Google Analytics, RA attribution"
    example: ClassVar[str] = "A > B > C(direct): A 0%, B 100%, C 0%"
    example_of: ClassVar[Mapping[str, object]] = {"direct": ["direct"]}

    kind: Literal["last_non_direct"]
    direct: frozenset[Id] = Field(min_length=1)

    @property
    def activities(self) -> frozenset[str]:
        return self.direct

    @property
    def label(self) -> str:
        return f"last touch that is not direct ({', '.join(sorted(self.direct))}) 100%"

    def weights(self, journey: Journey) -> Sequence[int]:
        size, direct, activities = len(journey), self.direct, journey.activities
        for index in range(size - 1, -1, -1):
            if activities[index] not in direct:
                return _only([i for i in journey.place_of(index) if activities[i] not in direct], size)
        return _only(journey.place_of(size - 1), size) if size else []
