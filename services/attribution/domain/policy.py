"""A program version in the form the computation reads: integer weights, time spans, found by the close date."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from math import lcm
from zoneinfo import ZoneInfo

from services.attribution.domain.division import Division, divide
from shared import program
from shared.models.base import ModelRule, Role
from shared.program import Activity, Attribution, Program, Repeats


@dataclass(frozen=True, slots=True)
class Policy:
    """The attribution rules of one program version. `weights` are `activity_weights` in whole proportions.

    `narrows` and `thins` tell whether any list leaves touchpoints out, and whether anything bounds repeated ones.
    """

    program: str
    version: int
    zone: ZoneInfo
    rules: Attribution
    lookback: timedelta
    grace: timedelta
    delivery: timedelta
    activities: Mapping[str, Activity]
    weights: Mapping[str, int]
    activity_weights: Mapping[str, Fraction]
    roles: Mapping[str, Role]
    division: Division
    model_label: str
    narrows: bool
    thins: bool

    @property
    def model(self) -> ModelRule:
        return self.rules.model

    @property
    def called(self) -> str:
        return f"program {self.program} version {self.version}"

    def day(self, instant: datetime) -> date:
        """The program's own calendar day of an instant."""
        return instant.astimezone(self.zone).date()


def compile_policy(document: Program) -> Policy:
    """The policy of a program version."""
    rules = document.attribution
    exact = {name: activity.weight for name, activity in document.activities.items()}
    scale = lcm(*(weight.denominator for weight in exact.values()))
    roles = {name: activity.role for name, activity in document.activities.items()}
    considers = rules.considers
    return Policy(
        program=document.program,
        version=document.version,
        zone=document.zone,
        rules=rules,
        lookback=timedelta(days=considers.lookback),
        grace=timedelta(days=considers.grace),
        # Where no activity is an implementer's, nothing after the close can matter.
        delivery=timedelta(days=rules.delivered_within if Role.IMPLEMENTER in roles.values() else 0),
        activities=document.activities,
        weights={name: int(weight * scale) for name, weight in exact.items()},
        activity_weights=exact,
        roles=roles,
        division=divide(rules),
        model_label=rules.model.label,
        narrows=bool(
            rules.excluded.partners
            or any(part is not None for part in (considers.activities, considers.stages, considers.partner_types))
        ),
        thins=_thins(rules, document.activities.values()),
    )


def _thins(rules: Attribution, activities: Iterable[Activity]) -> bool:
    """Whether any rule bounds how many touchpoints of a partner count."""
    return (
        rules.repeats is not Repeats.EVERY
        or rules.at_most.per_partner is not None
        or rules.at_most.per_activity is not None
        or any(activity.counts != "every" or activity.at_most is not None for activity in activities)
    )


class Rules:
    """All program versions in force at some time. Immutable; made anew when a version is added."""

    def __init__(self, programs: Iterable[Program] = ()) -> None:
        self._programs = tuple(programs)
        self._policies = {(p.program, p.version): compile_policy(p) for p in self._programs}
        self.renew = any(policy.rules.renewals is not None for policy in self._policies.values())
        """Whether any version lets partners keep a part of later deals."""
        self.recurs = any(p.compensation.recurs for p in self._programs)
        """Whether any version has a plan that asks when an account's first deal was."""

    def governing(self, closed_at: datetime) -> Policy | None:
        """The policy that governs a deal closed at this instant, or None when none was in force."""
        found = program.governing(self._programs, closed_at)
        return self._policies[found.program, found.version] if found else None
