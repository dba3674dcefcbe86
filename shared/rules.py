"""The words a program is written in: percentages, amounts and periods as a person writes them, as exact numbers."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Annotated, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict

MAX_DAYS = 3_650
"""Ten years: the longest period a rule may name. Longer ones are typing errors."""
MAX_MONTHS = 240
"""Twenty years: longer ones are typing errors."""
MAX_HOURS = 24 * MAX_DAYS
MAX_WEIGHT = 1_000
"""The largest weight. Weights are relative; more than a thousand to one is a typing error."""


def _fraction_of_percent(value: object) -> Fraction:
    match = re.fullmatch(r"(\d{1,3}(?:\.\d{1,4})?) ?%", value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("write a percentage with its sign, such as 40% or 2.5%")
    return Fraction(match[1]) / 100


def _part(value: object) -> Fraction:
    found = _fraction_of_percent(value)
    if found > 1:
        raise ValueError("must not be more than 100%")
    return found


def _days(value: object) -> int:
    match = re.fullmatch(r"(\d{1,5}) days?", value.strip()) if isinstance(value, str) else None
    if match is None or int(match[1]) > MAX_DAYS:
        raise ValueError(f"write a period in days, such as 30 days, of at most {MAX_DAYS} days")
    return int(match[1])


def _hours(value: object) -> int:
    match = re.fullmatch(r"(\d{1,6}) hours?", value.strip()) if isinstance(value, str) else None
    if match is None or int(match[1]) > MAX_HOURS:
        raise ValueError(f"write a period in hours, such as 168 hours, of at most {MAX_HOURS} hours")
    return int(match[1])


def _weight(value: object) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("write a weight as a number, such as 2 or 1.5")  # noqa: TRY004  pydantic reports ValueErrors
    text = str(value)  # a float from YAML or JSON is read by its shortest decimal, so 0.1 is exactly one tenth
    if not re.fullmatch(r"\d{1,4}(\.\d{1,3})?", text) or Decimal(text) > MAX_WEIGHT:
        raise ValueError(f"write a weight between 0 and {MAX_WEIGHT} with at most three decimals")
    return Fraction(text)


def _months(value: object) -> int:
    match = re.fullmatch(r"(\d{1,3}) months?", value.strip()) if isinstance(value, str) else None
    if match is None or int(match[1]) > MAX_MONTHS:
        raise ValueError(f"write a period in months, such as 24 months, of at most {MAX_MONTHS} months")
    return int(match[1])


def _amount(value: object) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("write an amount as a number, such as 1000 or 249.50")  # noqa: TRY004  pydantic reports ValueErrors
    text = str(value)  # a float from YAML or JSON is read by its shortest decimal, so 0.1 is exactly one tenth
    if not re.fullmatch(r"\d{1,12}(\.\d{1,4})?", text):
        raise ValueError("write an amount of the program's currency as a number, such as 1000 or 249.50")
    return Fraction(text)


class _Bound(NamedTuple):
    """`value` in whole units of the program's currency, or the part of the quota that it is."""

    value: Fraction
    of_quota: bool


def _bound(value: object) -> _Bound:
    of_quota = isinstance(value, str) and value.strip().endswith("%")
    return _Bound(_fraction_of_percent(value) if of_quota else _amount(value), of_quota)


Percent = Annotated[Fraction, BeforeValidator(_fraction_of_percent)]
Part = Annotated[Fraction, BeforeValidator(_part)]
"""A percentage of something: at most all of it."""
Days = Annotated[int, BeforeValidator(_days)]
Hours = Annotated[int, BeforeValidator(_hours)]
Months = Annotated[int, BeforeValidator(_months)]
Amount = Annotated[Fraction, BeforeValidator(_amount)]
"""An amount in whole units of the program's currency, exactly: `249.50` is 499/2."""
Bound = Annotated[_Bound, BeforeValidator(_bound)]
"""The end of a bracket: an amount, or a percentage of a quota."""
Weight = Annotated[Fraction, BeforeValidator(_weight)]


class Rule(BaseModel):
    """A part of the program. Immutable; a word it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


@cache  # a program has a handful of rates, a batch has thousands of lines
def percent(value: Fraction) -> str:
    """A percentage as its owner wrote it, the inverse of `Percent`: `percent(Fraction(1, 40)) == "2.5%"`.

    Exact, for a program states at most four decimals of a percent.
    """
    whole, rest = divmod(value * 1_000_000, 10_000)
    return f"{whole}.{int(rest):04d}".rstrip("0").rstrip(".") + "%"
