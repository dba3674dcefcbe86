"""What a share is rated by: the base, its parts, the first rule that holds for each, and brackets of single deals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

from services.rewards.domain import brackets, conditions
from services.rewards.domain.case import Case
from services.rewards.domain.conditions import Asked
from services.rewards.domain.inputs import Credited, Standing
from services.rewards.domain.outcomes import Component
from shared.program import Plan
from shared.program.compensation import Rate


class Rated(NamedTuple):
    """A part of the base (minor units of the deal's currency) with the first rule of the plan that holds for it."""

    base: Fraction
    place: int
    rule: Rate
    activity: str | None
    of: str | None
    sign: int = 1


class Found(NamedTuple):
    """The base of a share and its rated parts; without any, the reason why."""

    base: Fraction
    parts: tuple[Rated, ...]
    reason: str | None = None


def rated(
    case: Case, plan: Plan, standing: Standing, share: Credited, *,
    base: Fraction | None = None, of: str | None = None,
) -> Found:  # fmt: skip
    """A share by the plan's rules. `standing` is of the partner paid; `base` is given for `recruits_earnings`."""
    asked = conditions.asked(case.terms, standing, share)
    refused = conditions.refused(plan, case.terms, asked)
    if refused is not None:
        return Found(Fraction(), (), refused)
    if plan.on == "fixed":
        return _fixed(case, plan, asked, share, of)
    if base is None:
        found = _base(case, plan, share)
        if isinstance(found, str):
            return Found(Fraction(), (), found)
        base = found
    parts = tuple(
        Rated(amount, *matched, activity, of)
        for activity, amount in _divided(plan, share, base)
        for matched in _first(plan, asked, {activity} if activity is not None else set())
    )
    return Found(base, parts, None if parts else _no_rule(plan, asked, base))


def components(case: Case, plan: Plan, base: Fraction, parts: Sequence[Rated]) -> tuple[Component, ...]:
    """What each rated part earns, exactly. Brackets are of the whole base: each part lies in all of them alike.

    Raises `Unknown` when an amount of the program needs an exchange rate that is missing.
    """
    steps = plan.brackets
    if plan.on == "fixed":
        return tuple(
            Component(Fraction(), p.sign * (p.rule.amount or 0) * case.unit, p.place, None, p.activity, None, p.of)
            for p in parts
        )
    if steps is None or steps.per != "deal":
        return tuple(
            Component(p.base, p.base * rate, p.place, rate, p.activity, None, p.of)
            for p in parts
            for rate in (p.rule.rate or Fraction(),)
        )
    return tuple(
        Component(portion, portion * rate, p.place, rate, p.activity, bracket.words, p.of)
        for bracket in brackets.parts(base, steps, case.unit, None)
        for p in parts
        for portion in (bracket.amount * p.base / base if base else Fraction(),)
        for rate in (_stepped(bracket.step.rate, bracket.step.times, p.rule.rate or Fraction()),)
    )


def _stepped(rate: Fraction | None, times: Fraction | None, plain: Fraction) -> Fraction:
    return rate if rate is not None else plain * (times if times is not None else 1)


def _base(case: Case, plan: Plan, share: Credited) -> Fraction | str:
    """The share's base in minor units of the deal's currency, or why there is none."""
    if plan.on == "credited_amount":
        return Fraction(share.amount_minor)
    margin = plan.on == "margin"
    whole = case.terms.margin_minor if margin else case.terms.first_year_minor
    name = "margin" if margin else "first-year value"
    if whole is None:
        return f"the deal has no {name}"
    if whole * case.terms.amount_minor < 0:
        return f"the deal's {name} is below zero" if whole < 0 else f"the deal's {name} is of another sign"
    return Fraction(share.share) * whole


def _divided(plan: Plan, share: Credited, base: Fraction) -> Iterator[tuple[str | None, Fraction]]:
    """The base by the activities it comes from, when a rule asks for them; what comes from none is the last part."""
    whole = Fraction(share.share) if plan.by_activity else Fraction()
    if not whole:
        yield None, base
        return
    left = whole
    for activity, part in sorted(share.activities.items()):
        if part:
            left -= part
            yield activity, base * part / whole
    if left:
        yield None, base * left / whole


def _fixed(case: Case, plan: Plan, asked: Asked, share: Credited, of: str | None) -> Found:
    """An amount per deal and partner, whatever its share is, as long as it has one."""
    if not share.amount_minor and not Fraction(share.share):
        return Found(Fraction(), (), "the share is zero")
    activities = {activity for activity, part in share.activities.items() if part}
    sign = -1 if case.sign < 0 or share.amount_minor < 0 else 1  # a credit note takes back what its sale paid
    parts = tuple(Rated(Fraction(), *matched, None, of, sign) for matched in _first(plan, asked, activities))
    return Found(Fraction(), parts, None if parts else _no_rule(plan, asked, Fraction()))


def _first(plan: Plan, asked: Asked, activities: set[str]) -> Iterator[tuple[int, Rate]]:
    """The first rule that holds, if any, with its place."""
    for place, rule in enumerate(plan.rules):
        of = rule.when.activities
        if (of is None or of & activities) and conditions.holds(rule.when, asked):
            yield place, rule
            return


def _no_rule(plan: Plan, asked: Asked, base: Fraction) -> str:
    if plan.by_activity:
        return _nothing_by_activity(plan, base)
    if plan.rates:
        return f"no rate of the plan holds: {conditions.told(asked)}"
    return f"the plan has no {'rate' if plan.rate else 'amount'} for tier {asked.tier!r}"


def why_zero(plan: Plan, draft_base: Fraction, components_: Sequence[Component], tier: str) -> str:
    """Why rated parts come to nothing."""
    if plan.by_activity:
        return _nothing_by_activity(plan, draft_base)
    if components_ and all(component.rate == 0 for component in components_):
        by_tier = plan.rate is not None and plan.brackets is None
        return f"the plan's rate for tier {tier!r} is 0%" if by_tier else "the rate that holds is 0%"
    if plan.on == "fixed":
        return "the plan's amount is zero" if not any(c.amount for c in components_) else _BELOW
    return _BELOW if draft_base else _ZERO[plan.on]


def _nothing_by_activity(plan: Plan, base: Fraction) -> str:
    """One text for all of it: whether a rule held, and of how much, depends on how others divide the deal."""
    return _BY_ACTIVITY if base or plan.on == "fixed" else _ZERO[plan.on]


_BY_ACTIVITY = "what the plan pays for the activities of this credit comes to nothing"
_BELOW = "the amount is below half a minor unit"
_ZERO = {
    "credited_amount": "the credited amount is zero",
    "margin": "the deal's margin is zero",
    "first_year_value": "the deal's first-year value is zero",
    "recruits_earnings": "the recruit earns nothing",
}
