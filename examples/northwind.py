"""A made-up year of Northwind Instruments: 12 partners, 150 deals, 2,000 touchpoints, told as bodies of the HTTP API.

Load-bearing idea: `generate(seed, anchor)` is a pure function, so that the same seed and day give the same year on
every machine, to the byte. It has what real histories have: deals that reopen or change after the close, reports that
come late, touchpoints outside the lookback, on free-mail domains, on companies that never buy, and some sent twice.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final

from examples import oddities, story, words
from examples.words import Partner
from shared import money

SEED: Final = 7
DEALS: Final = 150
TOUCHPOINTS: Final = 2_000
REPEATS: Final = 40
CUSTOMERS: Final = 112
"""Companies with deals; a few have several."""
PROSPECTS: Final = 24
"""Companies partners work on that have no deal (yet)."""
HISTORY_DAYS: Final = 345
PROGRAM: Final = Path(__file__).with_name("program.yaml")
CURRENCY: Final = "USD"

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Example:
    """Bodies for the doors of ingest. Send `touchpoints` and `repeats`, then `deals`, then `changes`.

    `program` is the YAML text. `partners` hold several versions of those that rose a tier. `deals` are first snapshots,
    `changes` later ones of some of them (a natural key (id, version) each). `repeats` are touchpoints sent twice.
    `hero` is the id of the deal whose story is worth telling, `customer` who bought; `late` is a touchpoint of it that
    nobody reported yet.
    """

    program: str
    partners: tuple[JsonObject, ...]
    deals: tuple[JsonObject, ...]
    changes: tuple[JsonObject, ...]
    touchpoints: tuple[JsonObject, ...]
    repeats: tuple[JsonObject, ...]
    hero: str
    customer: str
    late: JsonObject


@dataclass(frozen=True, slots=True)
class Purchase:
    """A deal in the making: its last word (`stage`, `end`) and who worked on it, if anybody."""

    id: str
    account: JsonObject
    name: str
    stage: str
    kind: str
    minor: int
    created_at: datetime
    end: datetime
    partners: tuple[Partner, ...]


def generate(seed: int, anchor: date) -> Example:
    """The year that ends at the beginning of the day `anchor`, UTC. Nothing lies after that instant."""
    rng = random.Random(seed)
    now = datetime.combine(anchor, time.min, UTC)
    companies = _companies(rng)
    purchases = [_purchase(rng, number, companies, now) for number in range(1, DEALS)]
    told = story.tell(now)
    touches = list(told.touchpoints)
    for purchase in purchases:
        touches += _touches(rng, purchase, now)
    prospects = companies[CUSTOMERS:]
    while len(touches) < TOUCHPOINTS:
        touches.append(_stray(rng, rng.choice(prospects), now))
    touches = _numbered(sorted(touches[:TOUCHPOINTS], key=lambda touch: touch["occurred_at"]))
    deals = [_snapshot(purchase) for purchase in purchases]
    return Example(
        program=PROGRAM.read_text(encoding="utf-8"),
        partners=tuple(_partners(anchor)),
        deals=(told.deal, *deals),
        changes=tuple(oddities.changes(rng, deals, now)),
        touchpoints=tuple(touches),
        repeats=tuple(rng.sample(touches, REPEATS)),
        hero=told.deal["id"],
        customer=told.deal["account"]["name"],
        late=told.late,
    )


def _partners(anchor: date) -> Iterator[JsonObject]:
    for partner in words.PARTNERS:
        for version, (tier, days) in enumerate(partner.tiers, start=1):
            yield {
                "id": partner.id, "version": version, "name": partner.name, "kind": partner.kind,
                "tier": tier, "tier_since": (anchor - timedelta(days=days)).isoformat(),
            }  # fmt: skip


def _companies(rng: random.Random) -> list[JsonObject]:
    names = [f"{first} {second}" for first in words.COMPANY_FIRST for second in words.COMPANY_SECOND]
    chosen = rng.sample(names, CUSTOMERS + PROSPECTS)
    return [
        {"name": name, "domain": name.lower().replace(" ", "-") + ".example", "crm_id": f"A-{number}"}
        for number, name in enumerate(chosen, start=1_002)
    ]


def _purchase(rng: random.Random, number: int, companies: Sequence[JsonObject], now: datetime) -> Purchase:
    """Deal `number`: the first `CUSTOMERS` are new customers, the rest buy again."""
    again = number > CUSTOMERS
    account = companies[rng.randrange(CUSTOMERS)] if again else companies[number - 1]
    stage = rng.choices(("won", "lost", "open"), weights=(62, 22, 16))[0]
    end = oddities.office_hour(rng, now - timedelta(days=rng.randint(1, HISTORY_DAYS)))
    product, price, most = rng.choice(words.PRODUCTS)
    pieces = rng.randint(2, most)
    return Purchase(
        id=f"D-{1_001 + number}",
        account=account,
        name=f"{product} for {rng.choice(words.PLACES)}",
        stage=stage,
        kind=rng.choice(("expansion", "renewal")) if again else "new",
        minor=pieces * price * (100 - rng.choice((0, 0, 0, 5, 10, 12))) // 100,
        created_at=end - timedelta(days=rng.randint(40, 170), minutes=rng.randint(0, 600)),
        end=oddities.office_hour(rng, now - timedelta(days=rng.randint(1, 20))) if stage == "open" else end,
        partners=_team(rng, rng.choices((0, 1, 2, 3, 4), weights=(1, 2, 5, 5, 2))[0]),
    )


def _team(rng: random.Random, size: int) -> tuple[Partner, ...]:
    """So many different partners, the busy ones more often."""
    left = list(words.PARTNERS)
    team = []
    for _ in range(size):
        partner = rng.choices(left, weights=[partner.weight for partner in left])[0]
        left.remove(partner)
        team.append(partner)
    return tuple(team)


def _snapshot(purchase: Purchase) -> JsonObject:
    """The deal as the CRM first told it in its last stage. An open one has a forecast instead of a close."""
    forecast = purchase.end + timedelta(days=60)
    return {
        "id": purchase.id,
        "version": oddities.version(purchase.end),
        "account": purchase.account,
        "name": purchase.name,
        "stage": purchase.stage,
        "kind": purchase.kind,
        "amount": {"amount": money.to_decimal(purchase.minor, CURRENCY), "currency": CURRENCY},
        "created_at": oddities.stamp(purchase.created_at),
        "closed_at": oddities.stamp(forecast if purchase.stage == "open" else purchase.end),
    }


def _touches(rng: random.Random, purchase: Purchase, now: datetime) -> Iterator[JsonObject]:
    for _ in range(rng.randint(9, 16) if purchase.partners else 0):
        partner = rng.choice(purchase.partners)
        days, activity = oddities.moment(rng, partner)
        happened = oddities.office_hour(rng, purchase.end - timedelta(days=days))
        happened = min(happened, now - timedelta(hours=rng.randint(1, 48)))
        reported = happened + timedelta(hours=rng.randint(1, 90))
        if rng.random() < oddities.LATE:
            reported = max(reported, purchase.end + timedelta(days=rng.randint(15, 45)))
        yield {
            "partner": partner.id,
            "account": oddities.named(rng, purchase.account),
            "activity": activity,
            "occurred_at": oddities.stamp(happened),
            "reported_at": oddities.stamp(min(reported, now)),
            **oddities.evidence(rng, activity),
        }


def _stray(rng: random.Random, account: JsonObject, now: datetime) -> JsonObject:
    """Work on a company that has bought nothing yet."""
    partner = rng.choices(words.PARTNERS, weights=[partner.weight for partner in words.PARTNERS])[0]
    happened = oddities.office_hour(rng, now - timedelta(days=rng.randint(2, HISTORY_DAYS)))
    return {
        "partner": partner.id,
        "account": oddities.named(rng, account),
        "activity": rng.choice(partner.early + partner.middle or partner.late),
        "occurred_at": oddities.stamp(happened),
        "reported_at": oddities.stamp(min(happened + timedelta(hours=rng.randint(1, 90)), now)),
        **oddities.evidence(rng, "visit"),
    }


def _numbered(touches: Sequence[JsonObject]) -> list[JsonObject]:
    """Give each touchpoint an id as its partner's own system would: counting, one series per partner."""
    counted: Counter[str] = Counter()
    result = []
    for touch in touches:
        counted[touch["partner"]] += 1
        result.append({"id": f"{touch['partner']}-{counted[touch['partner']]:04d}", **touch})
    return result
