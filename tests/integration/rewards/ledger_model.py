"""What the books must hold, computed a second time and as plainly as can be: dicts, whole numbers and days.

It shares no code with the service's rules. It learns facts as they are delivered, is told when a deal was brought up
to date or something was recorded by hand, and answers what each account holds, by day and month, at any moment.
Debit is positive.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import date, datetime, timedelta

from shared.events.base import Contract
from shared.events.credit import CreditDecided, Status
from shared.events.directory import PartnerUpserted
from shared.events.program import ProgramActivated

EXPENSE = "expense:commission"
Rates = Mapping[str, int]
RULES: Mapping[int, tuple[int, Mapping[str, tuple[int, Rates]]]] = {
    1: (0, {"influence": (10, {"silver": 500, "gold": 825}), "bonus": (0, {"silver": 20, "gold": 33})}),
    2: (9, {"influence": (25, {"bronze": 125, "silver": 475, "gold": 1_000})}),
    3: (0, {"influence": (45, {"silver": 0, "gold": 1_250}), "bonus": (5, {"bronze": 50, "gold": 1})}),
}
"""Per program version: hours ahead of UTC, and per plan the days of its hold and hundredths of a percent by tier."""

Place = tuple[str, str, str]
"""Partner, plan, currency."""
Line = tuple[str, str, int, date, int]
"""Account, currency, minor units, the day it counts, the month it is accounted in."""


def month_of(day: date) -> int:
    return day.year * 12 + day.month - 1


class Model:
    """The books as they must be."""

    def __init__(self) -> None:
        self.credits: dict[str, dict[int, CreditDecided]] = defaultdict(dict)
        self.tiers: dict[str, dict[int, tuple[date, int, str]]] = defaultdict(dict)
        self.programs: set[int] = set()
        self.held: dict[str, dict[Place, tuple[int, int]]] = defaultdict(dict)
        self.counted_on: dict[tuple[str, str, str], date] = {}
        self.closed = 0
        self.lines: list[Line] = []
        self.balances: Counter[tuple[str, str]] = Counter()

    def learn(self, event: Contract) -> None:
        """A fact is stored: the first one under its natural key counts for ever."""
        match event:
            case CreditDecided():
                self.credits[event.id].setdefault(event.revision, event)
            case PartnerUpserted():
                self.tiers[event.id].setdefault(event.version, (event.tier_since, event.version, event.tier))
            case ProgramActivated():
                self.programs.add(event.version)

    def knows(self, partner: str) -> bool:
        """Whether the directory has the partner, or an account is its own."""
        return partner in self.tiers or any(f":{partner}" in account for account, _ in self.balances)

    def payable(self, partner: str, currency: str) -> int:
        return -self.balances[f"partner:{partner}:payable", currency]

    def settle(self, deal: str, now: datetime) -> None:
        """The deal is brought up to date: what it holds becomes what its newest credit pays at `now`."""
        credit = self.credits[deal][max(self.credits[deal])]
        won = credit.status is not Status.NOT_WON
        if won and credit.program_version not in self.programs:
            return
        wanted, due = self._earned(credit, now) if won else ({}, {})
        held = self.held[deal]
        for place in sorted(wanted.keys() | held.keys()):
            partner, plan, currency = place
            (pending, payable), (had_pending, had_payable) = wanted.get(place, (0, 0)), held.get(place, (0, 0))
            if (pending, payable) == (had_pending, had_payable):
                continue
            more = pending + payable - had_pending - had_payable
            matured = more == 0 and abs(payable) > abs(had_payable)
            day = due[plan] if matured else credit.governed_on or self.counted_on[deal, partner, plan]
            self.counted_on[deal, partner, plan] = day
            held[place] = pending, payable
            self.book(
                day, currency,
                {EXPENSE: more, f"partner:{partner}:pending": had_pending - pending,
                 f"partner:{partner}:payable": had_payable - payable},
            )  # fmt: skip

    def _earned(
        self, credit: CreditDecided, now: datetime
    ) -> tuple[dict[Place, tuple[int, int]], dict[str, date]]:  # fmt: skip
        """(pending, payable) of each place, and the day each plan's hold ends."""
        if credit.governed_on is None or credit.program_version is None:
            raise AssertionError("a won deal has a day and a program")
        closed_on, (ahead, plans) = credit.governed_on, RULES[credit.program_version]
        today = (now + timedelta(hours=ahead)).date()
        earned: dict[Place, tuple[int, int]] = {}
        due = {plan: closed_on + timedelta(days=hold) for plan, (hold, _) in plans.items()}
        for share in credit.shares:
            tiers = [fact for fact in self.tiers.get(share.partner, {}).values() if fact[0] <= closed_on]
            for plan, (_, rates) in plans.items():
                rate = rates.get(max(tiers)[2], 0) if tiers else 0
                size = (abs(share.amount.minor) * rate * 2 + 10_000) // 20_000
                minor = size if share.amount.minor >= 0 else -size
                place = share.partner, plan, share.amount.currency
                earned[place] = (0, minor) if today >= due[plan] else (minor, 0)
        return earned, due

    def book(self, day: date, currency: str, legs: Mapping[str, int]) -> None:
        """A journal: what counts in a closed month is accounted in the first open one."""
        for account, minor in legs.items():
            if minor:
                self.lines.append((account, currency, minor, day, max(month_of(day), self.closed + 1)))
                self.balances[account, currency] += minor

    def sums(self, as_of: date, lines: int) -> dict[tuple[str, str], int]:
        """Balances by what counts up to a day, as known when there were this many lines."""
        sums: Counter[tuple[str, str]] = Counter()
        for account, currency, minor, day, _ in self.lines[:lines]:
            sums[account, currency] += minor if day <= as_of else 0
        return {account: minor for account, minor in sums.items() if minor}

    def by_day_and_month(self) -> dict[tuple[str, str, date, int], int]:
        """What every account holds of each day and month of accounting."""
        sums: Counter[tuple[str, str, date, int]] = Counter()
        for account, currency, minor, day, month in self.lines:
            sums[account, currency, day, month] += minor
        return {place: minor for place, minor in sums.items() if minor}
