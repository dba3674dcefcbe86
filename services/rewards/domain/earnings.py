"""What a deal's credit is worth to each partner: a pure function of facts, so that no order of arrival matters.

The governing date of everything (program version, tier, exchange rate, hold) is the deal's close date as the credit
names it; `now` decides one thing only: whether a hold has ended. The way of an amount: conditions, base and rates
(rates.py), cap per deal (caps.py), what came or went back (collected.py), overrides (overrides.py), the deal's ceiling
(caps.py), the currency that is paid (exchange.py) and its hold (holds.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from fractions import Fraction
from typing import Final

from services.rewards.domain import caps, exchange, holds
from services.rewards.domain.case import Case, Draft
from services.rewards.domain.drafts import with_credit
from services.rewards.domain.inputs import Credit, Credited, Known, Terms, governing, standing_on
from services.rewards.domain.outcomes import Component, Earning, Target
from services.rewards.domain.overrides import overrides
from shared import money
from shared.program import Program

UNKNOWN_PARTNER: Final = "the partner is not in the directory; the earning waits until it is"


def target(credit: Credit, known: Known, now: datetime) -> Target:
    """What a deal pays per partner and plan, and why: by share and plan's name, then the overrides by recruiter.

    Every amount is rounded to the nearest minor unit (`money.rounded`). Pending until the plan's hold has passed in the
    program's time zone, payable from that day on; the hold begins on the close date, for `basis: cash` on the day of
    each payment. An earning that says what it waits for is not known yet: nothing of it is to be booked or taken back.
    """
    terms = credit.terms
    if terms is None:
        return Target()
    version, rerate = governing(terms, known.rerates) if known.rerates else (terms.program_version, None)
    program = known.programs.get((terms.program, version))
    if program is None:
        return Target(waits_for=f"program {terms.program!r} version {version} is not known yet")
    receipts = known.receipts.get((credit.source, credit.id), ())
    if not receipts and _is_plain(program, terms):
        return Target(_plain(credit.shares, terms, known, program, rerate, now))
    case = Case(terms, known, program, rerate, tuple(receipts), now.astimezone(program.zone).date())
    return Target(general(credit.shares, case))


def _is_plain(program: Program, terms: Terms) -> bool:
    rules = program.compensation
    in_deals = rules.pays_in == "deal_currency" or (
        rules.pays_in == "program_currency" and program.currency == terms.currency
    )
    return in_deals and rules.plain


def general(shares: Sequence[Credited], case: Case) -> tuple[Earning, ...]:
    """What a deal pays under any program; `target` has a shorter way to the same for plain ones."""
    plans = sorted(case.program.compensation.plans.items())
    made: list[Earning | Draft] = []
    own: dict[tuple[str, str], Draft] = {}
    for share in shares:
        facts = case.known.partners.get(share.partner)
        if facts is None:
            made.append(_unknown(case.terms, share, case.program, case.rerate))
            continue
        standing = standing_on(facts, case.terms.governed_on)
        for name, plan in plans:
            if plan.pays != "recruiters":
                if standing is None:
                    drafted = Draft(name, plan, share, None, reason=_no_tier(case.terms))
                else:
                    drafted = with_credit(case, name, plan, share, standing)
                own[share.partner, name] = drafted
                made.append(drafted)
    made += overrides(case, shares, plans, own)
    caps.ceiling(case, [item for item in made if isinstance(item, Draft)])
    return tuple(holds.earning(case, item) if isinstance(item, Draft) else item for item in made)


def _unknown(terms: Terms, share: Credited, program: Program, rerate: int | None) -> Earning:
    currency = exchange.paid_in(program, terms.currency, None)
    return Earning(terms, share, None, None, currency, program.version, reason=UNKNOWN_PARTNER, rerate=rerate)


def _no_tier(terms: Terms) -> str:
    return f"the partner held no tier on {terms.governed_on}"


def _plain(
    shares: Sequence[Credited], terms: Terms, known: Known, program: Program, rerate: int | None, now: datetime
) -> tuple[Earning, ...]:
    """The same as the general way, several times as fast, for what most deals are.

    Each plan is a rate by tier, each deal stands by itself, nothing came or went back, and its currency is paid.
    """
    zone, version, currency, closed_on = program.zone, program.version, terms.currency, terms.governed_on
    today = now.astimezone(zone).date()
    plans = [
        (
            name,
            plan.rate or {},
            sorted(plan.rate or {}),
            due_on <= today,
            due_on,
            datetime.combine(due_on, time.min, zone),
        )
        for name, plan in sorted(program.compensation.plans.items())
        for due_on in (closed_on + timedelta(days=plan.hold),)
    ]
    earnings: list[Earning] = []
    for share in shares:
        facts = known.partners.get(share.partner)
        if facts is None:
            earnings.append(_unknown(terms, share, program, rerate))
            continue
        standing = standing_on(facts, closed_on)
        tier = standing.tier if standing is not None else None
        minor = share.amount_minor
        for name, rates, tiers, is_due, due_on, due_at in plans:
            rate = rates.get(tier) if tier is not None else None
            amount = money.part(minor, rate) if rate is not None else 0
            if tier is None or rate is None:
                reason = _no_tier(terms) if tier is None else f"the plan has no rate for tier {tier!r}"
                base = minor if tier is not None else 0
                earnings.append(Earning(
                    terms, share, name, tier, currency, version, base, reason=reason, rerate=rerate
                ))  # fmt: skip
                continue
            components = (Component(minor, _exact(minor, rate), tiers.index(tier), rate),)
            if not amount:
                reason = _why_zero(minor, tier, rate)
                earnings.append(Earning(
                    terms, share, name, tier, currency, version, minor, components, reason=reason, rerate=rerate
                ))  # fmt: skip
                continue
            pending = 0 if is_due else amount
            earnings.append(Earning(
                terms, share, name, tier, currency, version, minor, components, (), amount, None,
                pending, amount - pending, due_on, due_at, rerate=rerate,
            ))  # fmt: skip
    return tuple(earnings)


def _exact(minor: int, rate: Fraction) -> int | Fraction:
    product, whole = minor * rate.numerator, rate.denominator
    return Fraction(product, whole) if product % whole else product // whole


def _why_zero(minor: int, tier: str, rate: Fraction) -> str:
    if not rate:
        return f"the plan's rate for tier {tier!r} is 0%"
    return "the credited amount is zero" if minor == 0 else "the amount is below half a minor unit"
