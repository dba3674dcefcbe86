"""What the deals of a plan earn together, beyond each by itself: brackets and caps per span, and budgets.

A plan whose rules depend on the sum of deals is settled per partner and span, never deal by deal: each deal earns its
plain rate, and one true-up says what the sum adds or cuts. So no order of arrival matters, and a late deal moves one
amount. A line's base is what is left of the deal's after its cuts: money that went back counts in no bracket.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from typing import NamedTuple

from services.rewards.domain import spans, words
from services.rewards.domain.brackets import Part, named, parts
from services.rewards.domain.inputs import Standing, standing_on
from services.rewards.domain.outcomes import Bracketed, Cut, Scope, Total, TrueUp
from shared import money
from shared.program import Plan, Program, percent
from shared.program.compensation import Brackets

PLAIN = "without brackets"


def span_targets(
    scope: Scope, totals: Sequence[Total], programs: Mapping[int, Program], standings: Sequence[Standing], now: datetime
) -> Sequence[TrueUp]:
    """What a partner's deals of a span earn together; one true-up for each currency that a version is in, mostly one.

    Formula: earned = the brackets applied to the sum of the bases, then the plan's cap; added = earned - plain.
    Year-to-date goes on over program versions, and each applies its brackets only to what its own deals add: version v
    gets f_v(before + base_v) - f_v(before). The cap is that of the last version with deals.

    What is added is payable when the span and the plan's hold after it are over; `ever` has no end, so there it follows
    its deals in proportion. What is cut counts at once: what is payable is never above what is earned.
    Raises KeyError for a total of a version that is not among `programs`.
    """
    return [_together(scope, group, standings, now) for group in by_currency(totals, programs).values()]


class Governed(NamedTuple):
    """A total, and the version that governs its deals."""

    program: Program
    total: Total

    def plan(self, name: str) -> Plan:
        return self.program.compensation.plans[name]


def by_currency(totals: Sequence[Total], programs: Mapping[int, Program]) -> dict[str, list[Governed]]:
    """The totals of each currency in the order of their versions: amounts of two are never added up."""
    found: dict[str, list[Governed]] = {}
    governed = (Governed(programs[total.program_version], total) for total in totals)
    for item in sorted(governed, key=lambda g: (g.program.effective_from, g.program.version)):
        found.setdefault(item.program.currency, []).append(item)
    return found


def last_with_deals(group: Sequence[Governed]) -> Governed:
    """The newest version that governs a deal; that of no deals is the newest."""
    return next((item for item in reversed(group) if item.total.deals), group[-1])


def rates_activities(scope: Scope, group: Sequence[Governed]) -> bool:
    """Whether a version of the plan does."""
    return any(item.plan(scope.plan).by_activity for item in group)


def _together(scope: Scope, group: Sequence[Governed], standings: Sequence[Standing], now: datetime) -> TrueUp:
    last = last_with_deals(group)
    plan = last.plan(scope.plan)
    pending = sum(item.total.pending_minor for item in group)
    payable = sum(item.total.payable_minor for item in group)
    bracketed, exact = _bracketed(scope, group, _tier(scope, standings))
    earned, cuts = _capped(money.rounded(exact), plan, scope.span, last.program)
    release = _release(scope.span, plan, last.program, now)
    added = max(0, earned - pending - payable)
    due = Fraction(release.over) if release.on is not None else _part_payable(pending, payable)
    payable_total = min(payable + money.rounded(added * due), earned)
    waits = bool(added) and release.on is not None and not release.over
    return TrueUp(
        scope=scope, partner=scope.partner, currency=last.program.currency, program_version=last.program.version,
        deals=sum(item.total.deals for item in group), base_minor=sum(item.total.base_minor for item in group),
        plain_minor=pending + payable, earned_minor=earned, brackets=bracketed, cuts=cuts,
        pending_minor=earned - payable_total - pending, payable_minor=payable_total - payable,
        due_on=release.on if added else None,
        due_at=datetime.combine(release.on, time.min, last.program.zone) if waits and release.on else None,
        effective_on=release.effective_on, by_activity=rates_activities(scope, group),
    )  # fmt: skip


def _bracketed(scope: Scope, group: Sequence[Governed], tier: str | None) -> tuple[tuple[Bracketed, ...], Fraction]:
    """What each bracket pays, and all of it together. A plan without any bracket has nothing to say."""
    found: list[Bracketed] = []
    exact = Fraction(0)
    before = 0
    for program, total in group:
        plain = total.pending_minor + total.payable_minor
        brackets = program.compensation.plans[scope.plan].brackets
        if brackets is not None and total.base_minor and _has_bounds(brackets, tier):
            quota = brackets.quota[tier] if brackets.quota and tier else None
            added = _added(before, total.base_minor, brackets, unit(program), quota)
            made = [_paid(part, Fraction(plain, total.base_minor), program.version) for part in added]
            exact += sum(part.amount for part in made)
            found += made
        else:
            exact += plain
            found += [_plainly(program, total, plain)] if total.base_minor else []
        before += total.base_minor
    return tuple(found) if any(item.bracket != PLAIN for item in found) else (), exact


def _has_bounds(brackets: Brackets, tier: str | None) -> bool:
    """A tier that this version does not have is without a quota."""
    return brackets.quota is None or tier in brackets.quota


def _added(before: int, base: int, brackets: Brackets, whole: Fraction, quota: Fraction | None) -> Iterator[Part]:
    """The brackets of what a base adds to the one before it: of the sum, or of the difference that it makes."""
    reached = parts(Fraction(before + base), brackets, whole, quota)
    if brackets.apply == "whole":
        yield reached[0]._replace(amount=Fraction(base))
        return
    filled = {part.words: part.amount for part in parts(Fraction(before), brackets, whole, quota)}
    now = {part.words: part.amount for part in reached}
    for step in brackets.steps:
        name = named(step, quota)
        difference = now.get(name, Fraction(0)) - filled.get(name, Fraction(0))
        if difference:
            yield Part(step, name, difference)


def _paid(part: Part, plain: Fraction, version: int) -> Bracketed:
    """`rate` replaces what the deals earn by themselves, `times` multiplies it: their blended rate, exactly."""
    if part.step.times is None:
        rate, bracket = part.step.rate or Fraction(0), part.words
    else:
        rate, bracket = plain * part.step.times, f"{part.words}, {percent(part.step.times)} of the plain rate"
    return Bracketed(bracket, part.amount, rate, part.amount * rate, version)


def _plainly(program: Program, total: Total, plain: int) -> Bracketed:
    return Bracketed(
        PLAIN, Fraction(total.base_minor), Fraction(plain, total.base_minor), Fraction(plain), program.version
    )


def _tier(scope: Scope, standings: Sequence[Standing]) -> str | None:
    """Whose quota counts: the tier held on the span's first day, else the first one held after it."""
    first = spans.starts_on(scope.span)
    held = standing_on(standings, first) if first is not None else None
    if held is None and standings:
        held = standing_on(standings, min(fact.since for fact in standings))
    return held.tier if held else None


def _capped(earned: int, plan: Plan, span: str, program: Program) -> tuple[int, tuple[Cut, ...]]:
    """What the plan's cap leaves, above and below zero alike."""
    cap = next((cap for cap in plan.caps if cap.per != "deal"), None)
    if cap is None:
        return earned, ()
    most = money.rounded(cap.amount * unit(program))
    left = max(-most, min(most, earned))
    if left == earned:
        return earned, ()
    over = "in all" if span == spans.EVER else f"per {cap.per}"
    why = f"the plan's cap of {words.amount(most, program.currency)} {over}"
    return left, (Cut(why, earned, left),)


@dataclass(frozen=True, slots=True)
class _Release:
    """When what a span adds is payable: from this day on, and whether that day has come. None: with its deals."""

    on: date | None
    over: bool
    effective_on: date


def _release(span: str, plan: Plan, program: Program, now: datetime) -> _Release:
    """The span must be over, then the hold: deals of its last day may still come on that day."""
    today = now.astimezone(program.zone).date()
    last = spans.ends_on(span)
    if last is None:
        return _Release(None, over=True, effective_on=today)
    on = last + timedelta(days=plan.hold + 1)
    return _Release(on, over=today >= on, effective_on=min(last, today))


def _part_payable(pending: int, payable: int) -> Fraction:
    """The part of what the deals earn by themselves that is payable; all of it where that is no part."""
    return Fraction(payable, pending + payable) if pending > 0 and payable >= 0 else Fraction(1)


def unit(program: Program) -> Fraction:
    """Minor units of one whole unit of the program's currency."""
    return Fraction(10 ** money.DECIMALS[program.currency])
