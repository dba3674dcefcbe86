"""What a deal's credit is worth to each partner: a pure function of facts, so that no order of arrival matters.

The governing date of everything (program version, tier, hold) is the deal's close date as the credit names it;
`now` decides one thing only: whether a hold has ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from fractions import Fraction
from zoneinfo import ZoneInfo

from shared import money
from shared.program import Plan, Program


class State(StrEnum):
    """Where an earning stands: inside its hold, or due."""

    PENDING = "pending"
    PAYABLE = "payable"


@dataclass(frozen=True, slots=True)
class Credited:
    """One partner's credit of a deal: the exact share as text such as `2/15`, and its amount in minor units."""

    partner: str
    share: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Terms:
    """What a credited deal is governed by: the program version in force at its close date, and its currency."""

    program: str
    program_version: int
    governed_on: date
    currency: str


@dataclass(frozen=True, slots=True)
class Credit:
    """The newest credit snapshot of a deal. Without `terms` it is not won, or no program governs it: `shares` is empty.

    A won deal without any share has terms all the same: a partner that lost its share must not see in its books
    whether somebody else has one.
    """

    source: str
    id: str
    revision: int
    cause: str
    terms: Terms | None = None
    shares: tuple[Credited, ...] = ()


@dataclass(frozen=True, slots=True)
class TierFact:
    """A partner holds `tier` from `since` on, as stated by version `version` of its directory entry."""

    version: int
    tier: str
    since: date


@dataclass(frozen=True, slots=True)
class Earning:
    """What one partner earns from one deal under one plan, in minor units of the deal's currency, and why.

    `reason` is set when nothing is earned; `plan` is None when the directory does not know the partner.
    """

    terms: Terms
    share: Credited
    plan: str | None
    tier: str | None
    rate: Fraction | None
    amount_minor: int = 0
    state: State | None = None
    due_on: date | None = None
    due_at: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """What should stand in the books for a deal. With `waits_for`, that is not known yet and nothing is posted."""

    earnings: tuple[Earning, ...] = ()
    waits_for: str | None = None

    @property
    def next_due_at(self) -> datetime | None:
        """The first instant at which a pending earning becomes payable."""
        return min((e.due_at for e in self.earnings if e.state is State.PENDING and e.due_at), default=None)


def tier_on(facts: Iterable[TierFact], day: date) -> str | None:
    """The tier of the fact with the latest `since` not after `day`; among equal dates the highest version wins."""
    known = max((fact for fact in facts if fact.since <= day), key=lambda f: (f.since, f.version), default=None)
    return known.tier if known else None


def target(
    credit: Credit,
    tiers: Mapping[str, Sequence[TierFact]],
    programs: Mapping[tuple[str, int], Program],
    now: datetime,
) -> Target:
    """What a deal pays per partner and plan: the rate of the partner's tier on the close date x the credited amount.

    Rounded to the nearest minor unit (`money.rounded`). Pending until the plan's hold, which begins on the close date,
    has passed in the program's time zone; payable from that day on.
    `tiers` holds the facts of every partner in the directory; a partner missing from it is unknown.
    """
    terms = credit.terms
    if terms is None:
        return Target()
    program = programs.get((terms.program, terms.program_version))
    if program is None:
        return Target(waits_for=f"program {terms.program!r} version {terms.program_version} is not known yet")
    earnings: list[Earning] = []
    for share in credit.shares:
        facts = tiers.get(share.partner)
        if facts is None:
            earnings.append(
                _nothing(terms, share, "the partner is not in the directory; the earning waits until it is")
            )
            continue
        tier = tier_on(facts, terms.governed_on)
        earnings.extend(
            _earning(terms, share, tier, name, plan, program.zone, now)
            for name, plan in sorted(program.compensation.plans.items())
        )
    return Target(tuple(earnings))


def _earning(
    terms: Terms, share: Credited, tier: str | None, name: str, plan: Plan, zone: ZoneInfo, now: datetime
) -> Earning:
    rate = plan.rate.get(tier) if tier is not None else None
    amount = money.rounded(Fraction(rate.numerator * share.amount_minor, rate.denominator)) if rate else 0
    if not amount:
        return _nothing(terms, share, _why_nothing(terms, share, tier, rate), plan=name, tier=tier, rate=rate)
    due_on = terms.governed_on + timedelta(days=plan.hold)
    return Earning(
        terms, share, plan=name, tier=tier, rate=rate, amount_minor=amount,
        due_on=due_on, due_at=datetime.combine(due_on, time.min, zone),
        state=State.PAYABLE if now.astimezone(zone).date() >= due_on else State.PENDING,
    )  # fmt: skip


def _nothing(
    terms: Terms, share: Credited, reason: str, *,
    plan: str | None = None, tier: str | None = None, rate: Fraction | None = None,
) -> Earning:  # fmt: skip
    return Earning(terms, share, plan=plan, tier=tier, rate=rate, reason=reason)


def _why_nothing(terms: Terms, share: Credited, tier: str | None, rate: Fraction | None) -> str:
    if tier is None:
        return f"the partner held no tier on {terms.governed_on}"
    if rate is None:
        return f"the plan has no rate for tier {tier!r}"
    if rate == 0:
        return f"the plan's rate for tier {tier!r} is 0%"
    return "the credited amount is zero" if share.amount_minor == 0 else "the amount is below half a minor unit"
