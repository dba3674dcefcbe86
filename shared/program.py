"""The partner program as typed rules: the one place that turns the owner's words ("40%", "180 days") into numbers.

The document is JSON or YAML in the shape of `examples/program.yaml`; unknown words are refused, never ignored, for a
rule the engine does not apply must not look as if it did. Percentages and weights become exact fractions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from shared import money
from shared.errors import Fault, Invalid
from shared.events.base import Id, Text

MAX_DAYS = 3_650
"""Ten years: the longest period a rule may name. Longer ones are typing errors."""
MAX_WEIGHT = 1_000
"""The largest activity weight. Weights are relative; more than a thousand to one is a typing error."""


def _fraction_of_percent(value: object) -> Fraction:
    match = re.fullmatch(r"(\d{1,3}(?:\.\d{1,4})?) ?%", value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("write a percentage with its sign, such as 40% or 2.5%")
    return Fraction(match[1]) / 100


def _days(value: object) -> int:
    match = re.fullmatch(r"(\d{1,5}) days?", value.strip()) if isinstance(value, str) else None
    if match is None or int(match[1]) > MAX_DAYS:
        raise ValueError(f"write a period in days, such as 30 days, of at most {MAX_DAYS} days")
    return int(match[1])


def _weight(value: object) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("write a weight as a number, such as 2 or 1.5")  # noqa: TRY004  pydantic reports ValueErrors
    text = str(value)  # a float from YAML or JSON is read by its shortest decimal, so 0.1 is exactly one tenth
    if not re.fullmatch(r"\d{1,4}(\.\d{1,3})?", text) or Decimal(text) > MAX_WEIGHT:
        raise ValueError(f"write a weight between 0 and {MAX_WEIGHT} with at most three decimals")
    return Fraction(text)


Percent = Annotated[Fraction, BeforeValidator(_fraction_of_percent)]
Days = Annotated[int, BeforeValidator(_days)]
Weight = Annotated[Fraction, BeforeValidator(_weight)]


class Rule(BaseModel):
    """A part of the program. Immutable; a word it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Activity(Rule):
    """What counts as influence. No activity goes live without saying what it means."""

    means: Text = Field(min_length=1)
    weight: Weight = Fraction(1)


class FirstTouch(Rule):
    kind: Literal["first"]


class LastTouch(Rule):
    kind: Literal["last"]


class Linear(Rule):
    kind: Literal["linear"]


class Position(Rule):
    """Shares of the first, the middle and the last touch; they must make up 100 %."""

    kind: Literal["position"]
    first: Percent
    middle: Percent
    last: Percent

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.first + self.middle + self.last != 1:
            raise ValueError("first, middle and last must add up to 100%")
        return self


class TimeDecay(Rule):
    """A touch loses half its weight every `half_life` before the close."""

    kind: Literal["time_decay"]
    half_life: Days = Field(ge=1)


Model = Annotated[FirstTouch | LastTouch | Linear | Position | TimeDecay, Field(discriminator="kind")]


class Considers(Rule):
    """Which touchpoints are looked at: how long before the close, and how late they may be reported after it."""

    lookback: Days = 180
    grace: Days = 14


class Attribution(Rule):
    """The attribution policy. `same_instant: share` lets touches at one instant share their position equally."""

    model: Model
    considers: Considers = Considers()
    same_instant: Literal["share"] = "share"


class Plan(Rule):
    """A compensation plan: a rate by tier on the credited amount, payable after a hold that starts at the close."""

    pays: Literal["partners with credit"] = "partners with credit"
    on: Literal["credited_amount"] = "credited_amount"
    rate: dict[Id, Percent]
    hold: Days = 30


class Compensation(Rule):
    governed_by: Literal["close_date"] = "close_date"
    plans: dict[Id, Plan] = Field(min_length=1)


class Tier(Rule):
    """A tier exists by being named; requirements come with a later version of the document."""


class Program(Rule):
    """One immutable version of a program.

    It governs deals closed on or after `effective_from`, in `time_zone`, until a version with a later
    `effective_from` (or the same and a higher `version`) does.
    """

    program: Id
    version: int = Field(ge=1, le=1_000_000)
    effective_from: date
    currency: str
    time_zone: str = "UTC"
    activities: dict[Id, Activity] = Field(min_length=1)
    attribution: Attribution
    compensation: Compensation
    tiers: dict[Id, Tier] = Field(min_length=1)

    @field_validator("currency")
    @classmethod
    def _known_currency(cls, value: str) -> str:
        if value not in money.DECIMALS:
            raise ValueError("use an ISO 4217 currency code such as USD")
        return value

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("use an IANA time zone such as Europe/Berlin") from None
        return value

    @field_validator("tiers", mode="before")
    @classmethod
    def _bare_tier(cls, value: object) -> object:
        if isinstance(value, Mapping):  # `silver:` alone reads as null in YAML
            return {name: {} if tier is None else tier for name, tier in value.items()}
        return value

    @model_validator(mode="after")
    def _rates_name_tiers(self) -> Self:
        for name, plan in self.compensation.plans.items():
            unknown = sorted(plan.rate.keys() - self.tiers.keys())
            missing = sorted(self.tiers.keys() - plan.rate.keys())
            if unknown or missing:
                problem = (
                    f"has a rate for the unknown tier {unknown[0]!r}" if unknown else f"lacks a rate for {missing[0]!r}"
                )
                raise ValueError(f"compensation.plans.{name}.rate {problem}; name each tier of `tiers` once")
        return self

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


@cache  # a program has a handful of rates, a batch has thousands of lines
def percent(value: Fraction) -> str:
    """A percentage as its owner wrote it, the inverse of `Percent`: `percent(Fraction(1, 40)) == "2.5%"`.

    Exact, for a program states at most four decimals of a percent.
    """
    whole, rest = divmod(value * 1_000_000, 10_000)
    return f"{whole}.{int(rest):04d}".rstrip("0").rstrip(".") + "%"


def parse(document: Mapping[str, Any]) -> Program:
    """The typed program of a document; raises `Invalid` naming every field at fault."""
    try:
        return Program.model_validate(document)
    except ValidationError as error:
        raise Invalid(
            *(Fault(_path(item["loc"]), _words(item["type"], item["msg"])) for item in error.errors())
        ) from None


def _words(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "is no word of the program; check its spelling, or whether this release knows it"
    return message.removeprefix("Value error, ")


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location)) or "program"


def governing(programs: Iterable[Program], closed_at: datetime) -> Program | None:
    """The version that governs a deal closed at this instant, or None when none was in force yet.

    Each version's own time zone says on which day the deal closed.
    """
    in_force = (p for p in programs if p.effective_from <= closed_at.astimezone(p.zone).date())
    return max(in_force, key=lambda p: (p.effective_from, p.version, p.program), default=None)
