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
from shared.events.receipt import ReceiptRecorded

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


def nearest(top: int, bottom: int) -> int:
    """top / bottom, a half away from zero."""
    size = (2 * abs(top) + bottom) // (2 * bottom)
    return size if top >= 0 else -size


class Model:
    """The books as they must be."""

    def __init__(self) -> None:
        self.credits: dict[str, dict[int, CreditDecided]] = defaultdict(dict)
        self.tiers: dict[str, dict[int, tuple[date, int, str]]] = defaultdict(dict)
        self.programs: set[int] = set()
        self.receipts: dict[str, ReceiptRecorded] = {}
        self.orders: list[tuple[date, date, int]] = []
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
            case ReceiptRecorded():
                self.receipts.setdefault(event.id, event)

    def knows(self, partner: str) -> bool:
        """Whether the directory has the partner, or an account is its own."""
        return partner in self.tiers or any(f":{partner}" in account for account, _ in self.balances)

    def owes(self, partner: str, account: str, currency: str) -> int:
        """What a partner owes on one of its accounts; below zero what it is owed."""
        return self.balances[f"partner:{partner}:{account}", currency]

    def version(self, credit: CreditDecided) -> int | None:
        """The version a deal pays by: of the orders to re-rate that hold for its day, the last one's."""
        day = credit.governed_on
        ordered = [version for first, last, version in self.orders if day is not None and first <= day <= last]
        return ordered[-1] if ordered else credit.program_version

    def settle(self, deal: str, now: datetime) -> None:
        """The deal is brought up to date: what it holds becomes what its newest credit pays at `now`."""
        credit = self.credits[deal][max(self.credits[deal])]
        won = credit.status is not Status.NOT_WON
        if won and self.version(credit) not in self.programs:
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
        version, closed_on = self.version(credit), credit.governed_on
        if closed_on is None or version is None or credit.amount is None:
            raise AssertionError("a won deal has a day, a program and an amount")
        (ahead, plans), whole, back = RULES[version], credit.amount.minor, self._back(credit)
        today = (now + timedelta(hours=ahead)).date()
        earned: dict[Place, tuple[int, int]] = {}
        due = {plan: closed_on + timedelta(days=hold) for plan, (hold, _) in plans.items()}
        for share in credit.shares:
            tiers = [fact for fact in self.tiers.get(share.partner, {}).values() if fact[0] <= closed_on]
            for plan, (_, rates) in plans.items():
                if tiers and back is None:  # not known: what is held stays
                    mine = share.partner, plan
                    earned |= {place: held for place, held in self.held[credit.id].items() if place[:2] == mine}
                    continue
                minor = nearest(share.amount.minor * (rates.get(max(tiers)[2], 0) if tiers else 0), 10_000)
                minor = nearest(minor * (whole - back), whole) if back else minor
                place = share.partner, plan, share.amount.currency
                earned[place] = (0, minor) if today >= due[plan] else (minor, 0)
        return earned, due

    def _back(self, credit: CreditDecided) -> int | None:
        """What went back to the customer, at most all of it; None while a part is told in another currency."""
        if credit.amount is None or credit.amount.minor <= 0:  # nothing was sold
            return 0
        told: dict[str, Counter[str]] = defaultdict(Counter)
        for receipt in self.receipts.values():
            if receipt.deal == credit.id and receipt.amount and receipt.kind in {"refund", "chargeback"}:
                if receipt.amount.currency != credit.amount.currency:
                    return None
                told[receipt.of or receipt.id][receipt.kind] += receipt.amount.minor
        return min(credit.amount.minor, sum(max(sums.values()) for sums in told.values()))

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
