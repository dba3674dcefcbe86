"""How much of an amount lies in which bracket, exactly."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from shared.program.compensation import Brackets, Step
from shared.rules import Bound, percent


class Part(NamedTuple):
    """What lies in one bracket, in minor units, with the bracket in words such as `from 10,000 to 50,000`."""

    step: Step
    words: str
    amount: Fraction


def parts(amount: Fraction, brackets: Brackets, unit: Fraction, quota: Fraction | None) -> list[Part]:
    """The parts of an amount of minor units by bracket; they add up to it, and there is always one.

    `marginal` leaves in each bracket what lies between its bounds, `whole` puts everything into the bracket the amount
    falls in. A bound belongs to the bracket above it; an amount below zero mirrors its opposite. `unit` is how many of
    these minor units are one whole unit of the program's currency, `quota` is in whole units and what percentages are
    of. Raises ValueError for brackets of a quota without one.
    """
    sign, size = (-1 if amount < 0 else 1), abs(amount)
    lowers = [_minor(step.begin, unit, quota) for step in brackets.steps]
    within = max(index for index, lower in enumerate(lowers) if lower <= size)
    if brackets.apply == "whole" or not size:
        step = brackets.steps[within]
        return [Part(step, named(step, quota), amount)]
    reached = [*lowers[: within + 1], size]
    return [
        Part(step, named(step, quota), sign * (upper - lower))
        for step, (lower, upper) in zip(brackets.steps, pairwise(reached), strict=False)
        if upper > lower
    ]


def named(step: Step, quota: Fraction | None) -> str:
    """A bracket as a person reads it: `from 10,000 to 50,000`, `from 100% of the quota of 50,000`."""
    if quota is None:
        ends = (_number(bound.value) for bound in (step.begin, step.end) if bound is not None)
        return "from " + " to ".join(ends)
    ends = (percent(bound.value) for bound in (step.begin, step.end) if bound is not None)
    return f"from {' to '.join(ends)} of the quota of {_number(quota)}"


def _minor(bound: Bound, unit: Fraction, quota: Fraction | None) -> Fraction:
    if not bound.of_quota:
        return bound.value * unit
    if quota is None:
        raise ValueError("brackets in percent of a quota need the quota")
    return bound.value * quota * unit


def _number(value: Fraction) -> str:
    """An amount as its owner wrote it, which is with at most four decimals: `249.50`, `50,000`."""
    if value.denominator == 1:
        return f"{value.numerator:,}"
    whole, rest = divmod(value * 10_000, 10_000)
    return f"{whole:,}." + f"{int(rest):04d}".rstrip("0").ljust(2, "0")
