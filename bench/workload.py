"""The input of the benchmarks: accounts with touchpoints of several partners, and a won deal for each.

Load-bearing idea: everything follows from (seed, number), so that any part can be made anew without keeping the rest,
and is made before the clock starts. All touchpoints lie in the lookback of their deal; every deal is credited.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Final

import orjson

from services.ingest.domain import document
from shared import money

Item = dict[str, Any]

PROGRAM_FILE: Final = Path(__file__).parents[1] / "examples" / "program.yaml"
"""The example's program: position model, nine activities, one plan with three tiers."""
PARTNERS_PER_ACCOUNT: Final = 5
CURRENCY: Final = "USD"
CRM: Final = "benchmark"
"""The source of facts that are put into the database directly."""
OLDEST_DAYS, NEWEST_DAYS = 150, 10
"""Touchpoints happened between so many days ago; deals closed after that, and within the program's grace of 14 days."""


def program() -> dict[str, Any]:
    """The program document, as JSON."""
    return dict(document.read_yaml(PROGRAM_FILE.read_bytes()).data)


@dataclass(frozen=True)
class Workload:
    """`accounts` customers with `per_account` touchpoints each. `label` and `first_partner` keep several apart."""

    accounts: int
    per_account: int
    now: datetime
    partners: int = 200
    first_partner: int = 0
    label: str = "c"
    seed: int = 20_260_101

    @cached_property
    def activities(self) -> list[str]:
        """Those that count."""
        return [name for name, rule in program()["activities"].items() if rule["weight"]]

    @property
    def touchpoint_count(self) -> int:
        return self.accounts * self.per_account

    def partner(self, account: int, place: int) -> str:
        """One of the account's partners."""
        spread = account * PARTNERS_PER_ACCOUNT + place % PARTNERS_PER_ACCOUNT
        return f"partner-{self.first_partner + spread % self.partners:04d}"

    def domain(self, account: int) -> str:
        return f"{self.label}{account:06d}.example"

    def partner_items(self) -> list[Item]:
        """All partners, for `POST /ingest/v1/partners`."""
        tiers = sorted(program()["tiers"])
        return [
            {
                "id": f"partner-{number:04d}",
                "name": f"Partner {number}",
                "tier": tiers[number % len(tiers)],
                "tier_since": "2020-01-01",
            }
            for number in range(self.first_partner, self.first_partner + self.partners)
        ]

    def happened(self) -> Iterator[tuple[int, int, str, datetime]]:
        """Each touchpoint as (account, place, activity, instant): every account's first, then every one's second."""
        dice = random.Random(self.seed)
        oldest = self.now - timedelta(days=OLDEST_DAYS)
        span = (OLDEST_DAYS - NEWEST_DAYS) * 86_400
        for place in range(self.per_account):
            for account in range(self.accounts):
                at = oldest + timedelta(seconds=int(dice.random() * span))
                yield account, place, self.activities[(account + place) % len(self.activities)], at

    def touchpoint_id(self, account: int, place: int) -> str:
        return f"T-{self.label}{account:06d}-{place:06d}"

    def touchpoints(self) -> Iterator[Item]:
        """All touchpoints, for `POST /ingest/v1/touchpoints`."""
        for account, place, activity, at in self.happened():
            yield {
                "id": self.touchpoint_id(account, place),
                "partner": self.partner(account, place),
                "account": {"domain": self.domain(account), "name": f"Customer {account}"},
                "activity": activity,
                "occurred_at": at.isoformat(),
                "evidence": f"https://partners.example/reports/{account}/{place}",
            }

    def closed_at(self, account: int) -> datetime:
        return self.now - timedelta(days=1 + account % (NEWEST_DAYS - 2), minutes=account % 1_000)

    @property
    def created_at(self) -> datetime:
        """When all deals were created."""
        return self.now - timedelta(days=OLDEST_DAYS)

    def amount_minor(self, account: int) -> int:
        """Between 1,000 and 100,000 dollars, in cents."""
        return 100_000 + account * 7_919_987 % 9_900_001

    def deal(self, account: int, *, version: int = 1, more_minor: int = 0) -> Item:
        """The account's won deal, for `POST /ingest/v1/deals`; a later version may be worth more."""
        amount = money.to_decimal(self.amount_minor(account) + more_minor, CURRENCY)
        return {
            "id": f"D-{self.label}{account:06d}",
            "version": version,
            "account": {"domain": self.domain(account), "crm_id": f"A-{self.label}{account:06d}"},
            "name": f"Deal with customer {account}",
            "stage": "won",
            "amount": {"amount": amount, "currency": CURRENCY},
            "created_at": self.created_at.isoformat(),
            "closed_at": self.closed_at(account).isoformat(),
            "kind": "new",
        }

    def deals(self) -> Iterator[Item]:
        return (self.deal(account) for account in range(self.accounts))


def bodies(items: Iterable[Item], size: int) -> Iterator[bytes]:
    """The items as JSON arrays of `size`."""
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield orjson.dumps(batch)
