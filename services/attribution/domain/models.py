"""How a model weighs touchpoints by when they happened: integer weights, of which only the proportions count.

No model looks at the order of its input: touchpoints at one instant are alike, and those at the first or the last
instant share that position equally. Definitions: docs, "attribution models".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Context, Decimal
from math import lcm
from typing import Final, assert_never

from shared import program

_DECAY_DIGITS: Final = 28
"""Precision of 2^x. Far beyond `_DECAY_PLACES`, so that the rounded weight is the same on every machine."""
_DECAY_PLACES: Final = 12
"""A decayed weight is rounded to this many decimals and becomes an integer: a replay elsewhere gives the same cents."""
_LN2: Final = Decimal("0.6931471805599453094172321214581765680755")
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Positions:
    """Pools of the first, the middle and the last instant, in whole proportions."""

    first: int
    middle: int
    last: int


@dataclass(frozen=True, slots=True)
class Even:
    """Every touchpoint weighs the same."""


@dataclass(frozen=True, slots=True)
class Decay:
    """2^(-t/h), t from the touchpoint to the close."""

    half_life: timedelta


Model = Positions | Even | Decay


def compile_model(rule: program.Model) -> Model:
    """The integer form of a program's model. `first` and `last` are positions with one pool alone."""
    match rule:
        case program.FirstTouch():
            return Positions(1, 0, 0)
        case program.LastTouch():
            return Positions(0, 0, 1)
        case program.Linear():
            return Even()
        case program.Position(first=first, middle=middle, last=last):
            scale = lcm(first.denominator, middle.denominator, last.denominator)
            return Positions(int(first * scale), int(middle * scale), int(last * scale))
        case program.TimeDecay(half_life=days):
            return Decay(timedelta(days=days))
        case _:
            assert_never(rule)


def label(rule: program.Model) -> str:
    """The model in words, with its parameters: popular names mean different things to different vendors."""
    match rule:
        case program.FirstTouch():
            return "first touch 100%"
        case program.LastTouch():
            return "last touch 100%"
        case program.Linear():
            return "linear, every touch alike"
        case program.Position(first=first, middle=middle, last=last):
            words = [program.percent(part) for part in (first, middle, last)]
            return "position: first {}, middle {}, last {}".format(*words)
        case program.TimeDecay(half_life=days):
            return f"time decay, half-life {days} days before the close"
        case _:
            assert_never(rule)


def weights(model: Model, instants: Sequence[datetime], closed_at: datetime) -> list[int]:
    """One non-negative weight per instant, in input order; their sum is positive when there is any instant."""
    match model:
        case Positions():
            return _by_position(model, instants)
        case Even():
            return [1] * len(instants)
        case Decay():
            decayed = _decayed(model, instants, closed_at)
            # So long before the close that every weight rounds to nothing: count from the latest touchpoint instead,
            # which leaves the proportions what they are.
            return decayed if any(decayed) or not instants else _decayed(model, instants, max(instants))
        case _:
            assert_never(model)


def positions(instants: Sequence[datetime]) -> list[str]:
    """The name of each instant's position: `only`, `first`, `middle` or `last`."""
    if not instants:
        return []
    first, last = min(instants), max(instants)
    if first == last:
        return ["only"] * len(instants)
    return ["first" if t == first else "last" if t == last else "middle" for t in instants]


def _by_position(model: Positions, instants: Sequence[datetime]) -> list[int]:
    """Pool divided by its members, for each. Empty pools are dropped; the rest is renormalised by being proportions."""
    if not instants:
        return []
    first, last = min(instants), max(instants)
    if first == last:
        return [1] * len(instants)
    at_first, at_last = instants.count(first), instants.count(last)
    between = len(instants) - at_first - at_last
    if not between and not model.first + model.last:  # all credit is for a middle that nobody holds
        return [1] * len(instants)
    between = between or 1
    # pool / members, times all member counts: the common factor vanishes in the proportions and leaves integers
    of_first = model.first * between * at_last
    of_last = model.last * between * at_first
    of_middle = model.middle * at_first * at_last
    return [of_first if t == first else of_last if t == last else of_middle for t in instants]


def _decayed(model: Decay, instants: Sequence[datetime], until: datetime) -> list[int]:
    context = Context(prec=_DECAY_DIGITS)
    half_life = Decimal(model.half_life // _MICROSECOND)
    cache: dict[datetime, int] = {}
    for instant in instants:
        if instant not in cache:
            age = context.divide(Decimal(-((until - instant) // _MICROSECOND)), half_life)
            weight = context.exp(context.multiply(age, _LN2))
            cache[instant] = int(context.to_integral_value(context.scaleb(weight, _DECAY_PLACES)))
    return [cache[instant] for instant in instants]
