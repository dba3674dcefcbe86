"""Models with a share for the first, the middle and the last touchpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cached_property
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from shared.models.base import Journey, ModelRule, whole
from shared.rules import Percent, percent


class _FirstMiddleLast(ModelRule):
    """The definition that all of them share; they differ in their percentages.

    `no_middle` says what becomes of the middle's part when the journey has no middle: it is dropped and the rest
    renormalised (Adobe), or spread, half to each end (DP6). It is spread too when the ends have no part of their own,
    for somebody did the work. `one_touch`: the only touchpoint gets all.
    """

    name: ClassVar[str]

    one_touch: Literal["all"] = "all"
    no_middle: Literal["renormalise", "spread"] = "renormalise"

    @property
    def parts(self) -> tuple[Fraction, Fraction, Fraction]:
        """The parts of the first, the middle and the last touchpoint."""
        raise NotImplementedError

    @cached_property
    def pools(self) -> tuple[int, ...]:
        """`parts` in whole proportions."""
        return whole(self.parts)

    @cached_property
    def ends(self) -> tuple[int, int]:
        """The pools of the first and the last touchpoint where there is no middle."""
        first, middle, last = self.pools
        if self.no_middle == "spread" or not first + last:
            return 2 * first + middle, 2 * last + middle
        return first, last

    @property
    def label(self) -> str:
        words = "{}: first {}, middle {}, last {}".format(self.name, *map(percent, self.parts))
        return words if self.no_middle == "renormalise" else f"{words}; no middle: half of it to each end"

    def weights(self, journey: Journey) -> Sequence[int]:
        instants = journey.instants
        size = len(instants)
        if size < 2:  # noqa: PLR2004  one touchpoint is first and last
            return [1] * size
        if journey.ties_share and (instants[0] == instants[1] or instants[-1] == instants[-2]):
            return self._shared(len(journey.place_of(0)), len(journey.place_of(size - 1)), size)
        between = size - 2
        if not between:
            return self.ends
        first, middle, last = self.pools
        return [first * between, *[middle] * between, last * between]

    def _shared(self, at_first: int, at_last: int, size: int) -> list[int]:
        """Each pool divided by its members, times all member counts: what is left are whole numbers."""
        if at_first == size:
            return [1] * size
        between = size - at_first - at_last
        if not between:
            first, last = self.ends
            return [first * at_last] * at_first + [last * at_first] * at_last
        first, middle, last = self.pools
        of_first, of_last = first * between * at_last, last * between * at_first
        return [of_first] * at_first + [middle * at_first * at_last] * between + [of_last] * at_last


class Position(_FirstMiddleLast):
    """Own percentages for the first touchpoint, all in the middle together, and the last; they add up to 100%.

    Touchpoints at the first instant share the first position equally, so do those at the last. `no_middle:
    renormalise` drops the middle's part where nobody is in the middle, `spread` gives half of it to each end.
    """

    name: ClassVar[str] = "position"
    source: ClassVar[str] = "Adobe Analytics, custom"
    example: ClassVar[str] = "A > B > C > D: A 30%, B 10%, C 10%, D 50%"
    example_of: ClassVar[Mapping[str, object]] = {"first": "30%", "middle": "20%", "last": "50%"}

    kind: Literal["position"]
    first: Percent
    middle: Percent
    last: Percent

    @property
    def parts(self) -> tuple[Fraction, Fraction, Fraction]:
        return self.first, self.middle, self.last

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if sum(self.parts) != 1:
            raise ValueError("first, middle and last must add up to 100%")
        return self


class UFirstLast(_FirstMiddleLast):
    """40% to the first touchpoint, 40% to the last, 20% to all between them. Two touchpoints get a half each."""

    name: ClassVar[str] = "U"
    source: ClassVar[str] = "Adobe Analytics, Salesforce, Snowplow, dbt playbook, fractribution, Dreamdata"
    example: ClassVar[str] = "A > B > C > D: A 40%, B 10%, C 10%, D 40%"

    kind: Literal["u_first_last"]

    @property
    def parts(self) -> tuple[Fraction, Fraction, Fraction]:
        return Fraction(2, 5), Fraction(1, 5), Fraction(2, 5)


class J(_FirstMiddleLast):
    """60% to the last touchpoint, 20% to the first, 20% to all between them. Two touchpoints get 25% and 75%."""

    name: ClassVar[str] = "J"
    source: ClassVar[str] = "Adobe Analytics"
    example: ClassVar[str] = "A > B > C > D: A 20%, B 10%, C 10%, D 60%"

    kind: Literal["j"]

    @property
    def parts(self) -> tuple[Fraction, Fraction, Fraction]:
        return Fraction(1, 5), Fraction(1, 5), Fraction(3, 5)


class InverseJ(_FirstMiddleLast):
    """60% to the first touchpoint, 20% to the last, 20% to all between them. Two touchpoints get 75% and 25%."""

    name: ClassVar[str] = "inverse J"
    source: ClassVar[str] = "Adobe Analytics"
    example: ClassVar[str] = "A > B > C > D: A 60%, B 10%, C 10%, D 20%"

    kind: Literal["inverse_j"]

    @property
    def parts(self) -> tuple[Fraction, Fraction, Fraction]:
        return Fraction(3, 5), Fraction(1, 5), Fraction(1, 5)
