"""A program version in the form the computation reads: integer weights, time spans, found by the close date."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from math import lcm
from zoneinfo import ZoneInfo

from services.attribution.domain import models
from shared import program
from shared.program import Program


@dataclass(frozen=True, slots=True)
class Policy:
    """The attribution rules of one program version. `weights` are `activity_weights` in whole proportions."""

    program: str
    version: int
    zone: ZoneInfo
    lookback: timedelta
    grace: timedelta
    weights: Mapping[str, int]
    activity_weights: Mapping[str, Fraction]
    model: models.Model
    model_label: str

    def day(self, instant: datetime) -> date:
        """The program's own calendar day of an instant."""
        return instant.astimezone(self.zone).date()


def compile_policy(document: Program) -> Policy:
    """The policy of a program version."""
    exact = {name: activity.weight for name, activity in document.activities.items()}
    scale = lcm(*(weight.denominator for weight in exact.values()))
    considers = document.attribution.considers
    return Policy(
        program=document.program,
        version=document.version,
        zone=document.zone,
        lookback=timedelta(days=considers.lookback),
        grace=timedelta(days=considers.grace),
        weights={name: int(weight * scale) for name, weight in exact.items()},
        activity_weights=exact,
        model=models.compile_model(document.attribution.model),
        model_label=models.label(document.attribution.model),
    )


class Rules:
    """All program versions in force at some time. Immutable; made anew when a version is added."""

    def __init__(self, programs: Iterable[Program] = ()) -> None:
        self._programs = tuple(programs)
        self._policies = {(p.program, p.version): compile_policy(p) for p in self._programs}

    def governing(self, closed_at: datetime) -> Policy | None:
        """The policy that governs a deal closed at this instant, or None when none was in force."""
        found = program.governing(self._programs, closed_at)
        return self._policies[found.program, found.version] if found else None
