"""What a deal's credit is worth to each partner: a pure function of facts, so that no order of arrival matters.

The governing date of everything (program version, tier, hold) is the deal's close date as the credit names it;
`now` decides one thing only: whether a hold has ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from services.rewards.domain.inputs import Credit, Credited, Known, Rerate, Terms, standing_on
from services.rewards.domain.outcomes import Component, Earning, Target
from shared import money
from shared.program import Plan, Program

UNKNOWN_PARTNER = "the partner is not in the directory; the earning waits until it is"


def target(credit: Credit, known: Known, now: datetime) -> Target:
    """What a deal pays per partner and plan, and why, in the order of the shares and of the plans' names.

    Rounded to the nearest minor unit (`money.rounded`). Pending until the plan's hold, which begins on the close date,
    has passed in the program's time zone; payable from that day on.
    """
    terms = credit.terms
    if terms is None:
        return Target()
    version, rerate = governing(terms, known.rerates) if known.rerates else (terms.program_version, None)
    program = known.programs.get((terms.program, version))
    if program is None:
        return Target(waits_for=f"program {terms.program!r} version {version} is not known yet")
    return Target(tuple(_plain(credit.shares, terms, known, program, rerate, now)))


def governing(terms: Terms, rerates: Sequence[Rerate]) -> tuple[int, int | None]:
    """The program version a deal pays by, and the order because of which it is not the credit's."""
    ordered = max(
        (r for r in rerates if r.program == terms.program and r.first <= terms.governed_on <= r.last),
        key=lambda r: r.id, default=None,
    )  # fmt: skip
    if ordered is None or ordered.version == terms.program_version:
        return terms.program_version, None
    return ordered.version, ordered.id


def _plain(
    shares: Sequence[Credited], terms: Terms, known: Known, program: Program, rerate: int | None, now: datetime
) -> list[Earning]:
    """The same as the general way for what most programs are: rates by tier, each deal by itself, in its currency."""
    zone, version = program.zone, program.version
    today = now.astimezone(zone).date()
    plans = [
        (name, plan, *_due(terms.governed_on, plan, zone)) for name, plan in sorted(program.compensation.plans.items())
    ]
    earnings: list[Earning] = []
    for share in shares:
        facts = known.partners.get(share.partner)
        if facts is None:
            earnings.append(Earning(terms, share, None, None, terms.currency, version, reason=UNKNOWN_PARTNER))
            continue
        standing = standing_on(facts, terms.governed_on)
        tier = standing.tier if standing is not None else None
        for name, plan, due_on, due_at in plans:
            rates = plan.rate or {}
            rate = rates.get(tier) if tier is not None else None
            minor = share.amount_minor
            exact = Fraction(rate.numerator * minor, rate.denominator) if rate else None
            amount = money.rounded(exact) if exact is not None else 0
            if rate is None or exact is None or not amount:
                reason = _why_nothing(terms, minor, tier, rate)
                earnings.append(
                    Earning(terms, share, name, tier, terms.currency, version, minor, reason=reason, rerate=rerate)
                )
                continue
            pending = amount if today < due_on else 0
            rule = tuple(rates).index(tier)
            components = (Component(Fraction(minor), exact, rule, rate),)
            earnings.append(Earning(
                terms, share, name, tier, terms.currency, version, minor, components, (), amount, None,
                pending, amount - pending, due_on, due_at, rerate=rerate,
            ))  # fmt: skip
    return earnings


def _due(closed_on: date, plan: Plan, zone: ZoneInfo) -> tuple[date, datetime]:
    due_on = closed_on + timedelta(days=plan.hold)
    return due_on, datetime.combine(due_on, time.min, zone)


def _why_nothing(terms: Terms, minor: int, tier: str | None, rate: Fraction | None) -> str:
    if tier is None:
        return f"the partner held no tier on {terms.governed_on}"
    if rate is None:
        return f"the plan has no rate for tier {tier!r}"
    if rate == 0:
        return f"the plan's rate for tier {tier!r} is 0%"
    return "the credited amount is zero" if minor == 0 else "the amount is below half a minor unit"
