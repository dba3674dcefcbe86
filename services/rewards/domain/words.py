"""Exact numbers as a person reads them, in journals and reasons."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Final

from services.rewards.domain.outcomes import Exact
from shared import money, rules

RATES_KEPT: Final = 1_000
"""Rates kept in words: programs have a handful, accelerators and overrides some more."""
_DIGITS = 24
"""Decimals of the longest finite number that can arise: a rate of six times an accelerator of six, and exchange."""


def figure(minor: int, currency: str) -> str:
    """`1,250.00`, where the currency is told beside it."""
    return f"{Decimal(money.to_decimal(minor, currency)):,}"


def amount(minor: int, currency: str) -> str:
    """`1,250.00 USD`."""
    return f"{figure(minor, currency)} {currency}"


def whole(units: Fraction, currency: str) -> str:
    """An amount of the program, which always fits its currency: `500.00 USD`."""
    return amount(money.rounded(units * 10 ** money.DECIMALS[currency]), currency)


def exact(minor: Exact, currency: str) -> str:
    """Minor units in whole ones without loss: `80.04`, `0.125`; a fraction such as `10/3` where no decimal ends."""
    if minor.denominator == 1:
        return money.to_decimal(minor.numerator, currency)
    return _decimal(minor.numerator, minor.denominator * 10 ** money.DECIMALS[currency])


def number(value: Fraction) -> str:
    """A decimal without trailing zeros, or a fraction where no decimal ends."""
    return _decimal(value.numerator, value.denominator)


def percent(rate: Fraction) -> str:
    """A rate as its owner wrote it; one that an accelerator multiplied may have more decimals."""
    return _percent(rate.numerator, rate.denominator)


def either(names: Iterable[str]) -> str:
    """`'gold' or 'silver'`, sorted."""
    return " or ".join(repr(str(name)) for name in sorted(names))


@lru_cache(RATES_KEPT)
def _percent(part: int, whole: int) -> str:
    """By integers: a fraction's own hash takes longer than the look-up."""
    rate = Fraction(part, whole)
    return rules.percent(rate) if 1_000_000 % whole == 0 else f"{number(rate * 100)}%"


def _decimal(part: int, whole: int) -> str:
    """The same of a division, in integers: told of every earning that is booked."""
    scaled, rest = divmod(abs(part) * 10**_DIGITS, whole)
    if rest:
        return str(Fraction(part, whole))
    digits = str(scaled).rjust(_DIGITS + 1, "0")
    text = f"{digits[:-_DIGITS]}.{digits[-_DIGITS:]}".rstrip("0").rstrip(".")
    return f"-{text}" if part < 0 else text
