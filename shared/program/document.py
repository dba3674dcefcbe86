"""The partner program as typed rules: the one place that turns the owner's words ("40%", "180 days") into numbers.

The document is JSON or YAML in the shape of `examples/program.yaml`; unknown words are refused, never ignored, for a
rule the engine does not apply must not look as if it did. Percentages and weights become exact fractions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from fractions import Fraction
from typing import Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from shared import money
from shared.errors import Fault, Invalid
from shared.events.base import Id
from shared.program.compensation import Compensation, Tier
from shared.program.policy import Activity, Attribution
from shared.rules import Rule


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
    def _plans_name_tiers(self) -> Self:
        for place, by_tier in self._by_tier():
            unknown = sorted(by_tier.keys() - self.tiers.keys())
            missing = sorted(self.tiers.keys() - by_tier.keys())
            if unknown or missing:
                what = place.rsplit(".", 1)[1]
                article = "an" if what == "amount" else "a"
                problem = (
                    f"has {article} {what} for the unknown tier {unknown[0]!r}" if unknown
                    else f"lacks {article} {what} for {missing[0]!r}"
                )  # fmt: skip
                raise ValueError(f"{place} {problem}; name each tier of `tiers` once")
        return self

    def _by_tier(self) -> Iterator[tuple[str, Mapping[str, Fraction]]]:
        for name, plan in self.compensation.plans.items():
            quota = plan.brackets.quota if plan.brackets is not None else None
            for what, by_tier in (("rate", plan.rate), ("amount", plan.amount), ("brackets.quota", quota)):
                if by_tier is not None:
                    yield f"compensation.plans.{name}.{what}", by_tier

    @model_validator(mode="after")
    def _conditions_name_tiers(self) -> Self:
        for name, plan in self.compensation.plans.items():
            for place, when in (("when", plan.when), *((f"rates.{i}.when", r.when) for i, r in enumerate(plan.rates))):
                unknown = sorted((when.tiers or frozenset()) - self.tiers.keys())
                if unknown:
                    problem = f"names {unknown[0]!r}, which is no tier; it has: {', '.join(sorted(self.tiers))}"
                    raise ValueError(f"compensation.plans.{name}.{place}.tiers {problem}")
        return self

    @model_validator(mode="after")
    def _amounts_fit_the_currency(self) -> Self:
        unit = 10 ** money.DECIMALS[self.currency]
        for name, plan in self.compensation.plans.items():
            wrong = [amount for amount in plan.amounts if (amount * unit).denominator != 1]
            if wrong:
                raise ValueError(
                    f"compensation.plans.{name} has the amount {float(wrong[0])}, and {self.currency} has "
                    f"{money.DECIMALS[self.currency]} decimals"
                )
        return self

    @model_validator(mode="after")
    def _rules_name_activities(self) -> Self:
        for place, named in self._named_activities():
            unknown = sorted(named - self.activities.keys())
            if unknown:
                known = ", ".join(sorted(self.activities))
                raise ValueError(f"{place} names {unknown[0]!r}, which is no activity; it has: {known}")
        return self

    def _named_activities(self) -> Iterator[tuple[str, frozenset[str]]]:
        yield "attribution.model", self.attribution.model.activities
        yield "attribution.considers.activities", self.attribution.considers.activities or frozenset()
        for name, plan in self.compensation.plans.items():
            for index, rule in enumerate(plan.rates):
                yield f"compensation.plans.{name}.rates.{index}.when.activities", rule.when.activities or frozenset()

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


def parse(document: Mapping[str, Any]) -> Program:
    """The typed program of a document; raises `Invalid` naming every field at fault."""
    try:
        return Program.model_validate(document)
    except ValidationError as error:
        raise Invalid(*(Fault(_path(item["loc"]), _words(item)) for item in error.errors())) from None


def _words(found: ErrorDetails) -> str:
    match found["type"]:
        case "extra_forbidden":
            return "is no word of the program; check its spelling, or whether this release knows it"
        case "union_tag_invalid":
            return f"{found['ctx']['tag']!r} is no model; `tributary program models` lists them"
        case "union_tag_not_found":
            return "needs its kind, such as `kind: position`; `tributary program models` lists them"
        case _:
            return found["msg"].removeprefix("Value error, ")


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location)) or "program"


def governing(programs: Iterable[Program], closed_at: datetime) -> Program | None:
    """The version that governs a deal closed at this instant, or None when none was in force yet.

    Each version's own time zone says on which day the deal closed.
    """
    in_force = (p for p in programs if p.effective_from <= closed_at.astimezone(p.zone).date())
    return max(in_force, key=lambda p: (p.effective_from, p.version, p.program), default=None)
