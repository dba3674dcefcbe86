"""2^(-t/h) as whole numbers, to the digit what decimal arithmetic of 28 digits gives, but twenty times as fast.

An age is three whole numbers: days, seconds and microseconds. Days and the upper bits of the seconds are looked up in
small tables of fixed-point integers, which stay in the processor's cache. So are the lower bits, with the first terms
of the exponential series for the microseconds. The guard bits decide how to round in all but one of two thousand cases;
in those, where the result lies near a tie, decimal arithmetic does.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Context, Decimal
from functools import lru_cache
from typing import Final

from shared.rules import MAX_DAYS

DIGITS: Final = 28
"""Precision of 2^x. Far beyond `PLACES`, so that the rounded weight is the same on every machine."""
PLACES: Final = 12
"""A decayed weight is rounded to this many decimals and becomes an integer: a replay elsewhere gives the same cents."""

_LN2: Final = Decimal("0.6931471805599453094172321214581765680755")
_MICROSECOND: Final = timedelta(microseconds=1)
_DAY: Final = 86_400

# Bits behind the binary point of each factor. With x = ln 2 * 1 s / h, at most 8.03e-6 (h of a day), what is cut off
# changes the rounded weight's unit, 10^-12, by less than: days 2^-20 < 1e-6; upper seconds 10^12 * 2^-60 < 1e-6; lower
# ones 10^12 * 2^-96 each for 1, 10^6 microseconds and their square, together < 1.3e-5; the series behind its square
# 10^12 * x^3 / 6 < 8.7e-5. The sum is below 1.1e-4, less than half of one part of `_GUARD`, 2^-12 = 2.4e-4.
_MAKING: Final = 120
_DAYS: Final = 20
_UPPER: Final = 60
_LOWER: Final = 96
_LOW_BITS: Final = 7
"""Of the seconds: 675 upper and 128 lower powers."""
_LOW: Final = (1 << _LOW_BITS) - 1
_GUARD: Final = 12
"""A weight is computed to 2^-12 of its unit. Within one such part of a tie the guard bits do not decide."""
_POINT: Final = _DAYS + _UPPER + _LOWER
_PART: Final = 1 << _POINT - _GUARD
_TO_NEAREST: Final = (1 << _POINT - 1) + _PART
"""Added to a product, so that it is near a tie exactly if all of `_DECIDED` are zero: one part below it, or above."""
_DECIDED: Final = (1 << _POINT) - 2 * _PART

_TABLES: Final = 8
"""Half-lives whose tables are kept: more than a program's versions name. They are 0.3 MB and are made in 2 ms."""


class Halving:
    """The weights of one half-life, in days."""

    def __init__(self, half_life: int) -> None:
        self._half_life = Decimal(half_life * _DAY * 10**6)
        exact = Context(prec=60)
        rate = exact.divide(exact.ln(Decimal(2)), self._half_life)
        linear, square = _fixed(rate), _fixed(exact.divide(exact.multiply(rate, rate), 2))

        def powers(seconds: int, count: int, start: int = 1) -> list[int]:
            """`start` times 2^(-t/h) for the first multiples of so many seconds."""
            base, value, found = _fixed(exact.exp(exact.multiply(rate, -seconds * 10**6))), start << _MAKING, []
            for _ in range(count):
                found.append(value)
                value = value * base >> _MAKING
            return found

        of_days = powers(_DAY, MAX_DAYS + 1, 10**PLACES)
        self._days = {day: value >> _MAKING - _DAYS for day, value in enumerate(of_days)}
        self._upper = [value >> _MAKING - _UPPER for value in powers(1 << _LOW_BITS, _DAY >> _LOW_BITS)]
        cut = 2 * _MAKING - _LOWER
        self._lower = [
            (value >> _MAKING - _LOWER, value * linear >> cut, value * square >> cut)
            for value in powers(1, 1 << _LOW_BITS)
        ]

    def weights(self, instants: Sequence[datetime], until: datetime) -> list[int]:
        """2^(-t/h) for each of the instants, in units of 10^-12."""
        days, upper, lower = self._days, self._upper, self._lower
        found = []
        try:
            for instant in instants:
                age = until - instant
                seconds = age.seconds
                low, linear, square = lower[seconds & _LOW]
                if rest := age.microseconds:
                    low -= rest * (linear - rest * square)
                product = days[age.days] * upper[seconds >> _LOW_BITS] * low + _TO_NEAREST
                found.append(product >> _POINT if product & _DECIDED else self.exactly(age))
        except KeyError:  # later than `until`, or older than any rule reaches
            return [self.exactly(until - instant) for instant in instants]
        return found

    def exactly(self, age: timedelta) -> int:
        """The weight of any age, in decimal arithmetic."""
        context = Context(prec=DIGITS)
        exponent = context.divide(Decimal(-(age // _MICROSECOND)), self._half_life)
        weight = context.exp(context.multiply(exponent, _LN2))
        return int(context.to_integral_value(context.scaleb(weight, PLACES)))


@lru_cache(maxsize=_TABLES)
def halving(half_life: int) -> Halving:
    """The tables of a half-life in days, made once."""
    return Halving(half_life)


def _fixed(value: Decimal) -> int:
    return int(Context(prec=60).multiply(value, 1 << _MAKING))
