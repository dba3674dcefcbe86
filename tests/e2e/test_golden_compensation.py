"""Worked examples of splitting and paying, from HTTP to the ledger: published figures, and those the definitions give.

Load-bearing idea: one program whose versions govern a year each, every version with a model of its own, and a rate of
100 %, so that what the ledger owes a partner is its share of the deal to the cent. Each customer has its own partners.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import asyncpg
import pytest

from tests.support import facts
from tests.support.system import JsonObject, Tributary

MODELS: Mapping[int, JsonObject] = {
    2017: {"kind": "position", "first": "40%", "middle": "20%", "last": "40%"},
    2018: {"kind": "u_lead_only"},
    2019: {"kind": "u_lead"},
    2020: {"kind": "u_first_last"},
    2021: {"kind": "time_decay", "half_life": "7 days"},
    2022: {"kind": "linear"},
}
"""The model that governs deals closed in a year; the last one those of later years too."""
ACTIVITIES = ("demo", "education", "recommendation")
SPELLED_OUT = ("50%", "25%", "12.5%", "6.25%", "3.125%", "1.563%")


@dataclass(frozen=True)
class Case:
    """A won deal of a customer in a year, what happened on how many days before its close, and who gets what."""

    name: str
    customer: str
    year: int
    amount: str
    expected: Mapping[str, str]
    touches: Mapping[str, float] = field(default_factory=dict)
    lead: float | None = None
    activities: Mapping[str, str] = field(default_factory=dict)
    kind: str = "new"
    later: int = 0

    @property
    def closed(self) -> datetime:
        return datetime(self.year, 6, 15, 12, tzinfo=UTC) + timedelta(days=self.later)

    def deal(self, **changes: object) -> JsonObject:
        body = facts.deal(self.name, {"crm_id": self.customer}, self.amount, self.closed, kind=self.kind)
        if self.lead is not None:
            body["milestones"] = {"lead_created": (self.closed - timedelta(days=self.lead)).isoformat()}
        return body | changes

    def touchpoints(self) -> list[JsonObject]:
        found = []
        for who, age in self.touches.items():
            when, activity = self.closed - timedelta(days=age), self.activities.get(who, "demo")
            number, partner = f"{self.name}-{who}", f"{self.customer}-{who}"
            found.append(facts.touchpoint(number, partner, activity, when, crm_id=self.customer, reported=when))
        return found

    def owed(self) -> dict[str, Decimal]:
        return {f"{self.customer}-{who}": Decimal(amount) for who, amount in self.expected.items()}


def alone(name: str, year: int, amount: str, expected: str, days: list[float], lead: float | None = None) -> Case:
    """Partners A, B, C ... on so many days before the close, and what each of them gets, in this order."""
    who = "ABCDE"[: len(days)]
    figures = dict(zip(who, expected.split("/"), strict=True))
    owed = {partner: figure for partner, figure in figures.items() if figure != "0"}
    return Case(name, name, year, amount, owed, dict(zip(who, days, strict=True)), lead)


PATH: list[float] = [40, 30, 20, 10]
"""First A, then B, then C, which brought the lead, then D."""
CASES = [
    alone("one touch", 2017, "100.00", "100.00", [5]),
    alone("two touches", 2017, "100.00", "50.00/50.00", [9, 5]),
    alone("three touches", 2017, "100.00", "40.00/20.00/40.00", [9, 7, 5]),
    alone("five touches", 2017, "100.00", "40.00/6.67/6.67/6.66/40.00", [9, 8, 7, 6, 5]),
    alone("U as Marketo has it", 2018, "100.00", "50.00/0/50.00/0", PATH, lead=20),
    alone("U as HubSpot has it", 2019, "100.00", "40.00/10.00/40.00/10.00", PATH, lead=20),
    alone("U as Salesforce has it", 2020, "100.00", "40.00/10.00/10.00/40.00", PATH, lead=20),
    alone("four half-lives", 2021, "100.00", "3.45/13.79/27.59/55.17", [28, 14, 7, 0]),
    alone("a long path", 2021, "12000.00", "175.19/287.44/574.88/3417.04/7545.45", [38, 33, 26, 8, 0]),
    alone("three equal parts", 2022, "100.00", "33.34/33.33/33.33", [9, 7, 5]),
    *(
        case
        for activity in ACTIVITIES
        for case in (
            Case(
                f"bought direct after a {activity}", activity, 2017, "1000.01", {"A": "1000.01"}, {"A": 30},
                activities={"A": activity},
            ),
            Case(
                f"upgraded direct after a {activity}", activity, 2017, "250.00", {"A": "250.00"}, kind="expansion",
                later=60,
            ),
        )
    ),
    Case(
        "bought direct after all three", "all three", 2017, "100.00", {"A": "40.00", "B": "20.00", "C": "40.00"},
        {"A": 50, "B": 30, "C": 10}, activities=dict(zip("ABC", ("recommendation", "education", "demo"), strict=True)),
    ),
    Case(
        "upgraded direct after all three", "all three", 2017, "10.00", {"A": "4.00", "B": "2.00", "C": "4.00"},
        kind="expansion", later=60,
    ),
]  # fmt: skip
REVERSED: Mapping[str, JsonObject] = {
    "lost after all": {"stage": "lost"},
    "refunded": {"amount": {"amount": "0.00", "currency": "USD"}},
    "removed": {"removed": True},
}
"""The ways a deal is reversed, by what its second version says."""
THIRDS = {way: alone(way, 2022, "100.00", "33.34/33.33/33.33", [9, 7, 5]) for way in REVERSED}


def document(version: int, year: int, model: JsonObject) -> JsonObject:
    return facts.document(
        version=version, effective_from=f"{year}-01-01", tiers={"silver": {}},
        activities={name: {"means": f"A {name}."} for name in ACTIVITIES},
        attribution={"model": model, "considers": {"lookback": "180 days", "grace": "14 days"}},
        compensation={"plans": {"influence": {"rate": {"silver": "100%"}, "hold": "30 days"}}},
    )  # fmt: skip


@pytest.fixture(scope="module")
async def paid(tributary: Tributary) -> Tributary:
    """The system with every deal of `CASES` worked in."""
    for version, (year, model) in enumerate(MODELS.items(), 1):
        await tributary.activate(document(version, year, model))
    cases = [*CASES, *THIRDS.values()]
    partners = sorted({touch["partner"] for case in cases for touch in case.touchpoints()})
    await tributary.accept("partners", [facts.partner(name) for name in partners])
    await tributary.accept("touchpoints", [touch for case in cases for touch in case.touchpoints()])
    await tributary.accept("deals", [case.deal() for case in cases])
    await tributary.settle()
    return tributary


async def booked(tributary: Tributary, deal: str) -> list[dict[str, Decimal]]:
    """What each journal of a deal owes its partner: the sum of its entries on the partner's accounts, turned around."""
    found = []
    for journal in await tributary.every("rewards", "journals", deal_source="administrator", deal=deal):
        entries = [(entry["account"], Decimal(entry["amount"]["amount"])) for entry in journal["entries"]]
        assert sum(amount for _, amount in entries) == 0
        owed = -sum((amount for account, amount in entries if account.startswith("partner:")), Decimal(0))
        found.append({journal["partner"]: owed})
    return found


def together(journals: list[dict[str, Decimal]]) -> dict[str, Decimal]:
    owed: defaultdict[str, Decimal] = defaultdict(Decimal)
    for journal in journals:
        for partner, amount in journal.items():
            owed[partner] += amount
    return {partner: amount for partner, amount in owed.items() if amount}


async def balance(tributary: Tributary, partner: str) -> Decimal:
    """What a partner has pending and payable."""
    shown = await tributary.get("rewards", f"partners/{partner}/balance")
    owed = (Decimal(each[state]["amount"]) for each in shown["balances"] for state in ("pending", "payable"))
    return sum(owed, Decimal(0))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_won_deal_pays_these_figures(paid: Tributary, case: Case) -> None:
    """Shares add up to exactly one, and what the ledger owes for the deal is each partner's figure, to the cent."""
    shown = await paid.get("rewards", f"deals/administrator/{case.name}")
    assert sum(Fraction(earning["share"]) for earning in shown["earnings"]) == 1
    credited = {earning["partner"]: Decimal(earning["credited"]["amount"]) for earning in shown["earnings"]}
    assert {partner: amount for partner, amount in credited.items() if amount} == case.owed()
    assert together(await booked(paid, case.name)) == case.owed()
    assert sum(case.owed().values()) == Decimal(case.amount)


async def test_balances_are_the_sums_of_the_figures(paid: Tributary) -> None:
    """Each partner is owed what its deals pay, the purchase and the upgrade."""
    owed = together([case.owed() for case in CASES])
    assert {partner: await balance(paid, partner) for partner in owed} == owed


@pytest.mark.parametrize("way", REVERSED)
async def test_a_deal_that_is_reversed_takes_back_exactly_what_it_paid(paid: Tributary, way: str) -> None:
    """33.34, 33.33 and 33.33 are booked, then exactly their negatives; nothing is left."""
    owed = THIRDS[way].owed()
    first = await booked(paid, way)
    assert together(first) == owed
    await paid.accept("deals", [THIRDS[way].deal(version=2, **REVERSED[way])])
    await paid.settle()
    assert together((await booked(paid, way))[len(first) :]) == {partner: -amount for partner, amount in owed.items()}
    assert {partner: await balance(paid, partner) for partner in owed} == dict.fromkeys(owed, 0)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"kind": "hubspot_simple_decay"}, "98.438 %"),
        (
            {"kind": "milestones", "milestones": [{f"step {n}": part} for n, part in enumerate(SPELLED_OUT)]},
            "must add up to 100%",
        ),
    ],
    ids=["by its name", "spelled out"],
)
async def test_a_model_that_does_not_add_up_is_refused_at_activation(
    paid: Tributary, model: JsonObject, said: str
) -> None:  # fmt: skip
    """50/25/12.5/6.25/3.125/1.563 sums to 98.438 %: 422 that says so, and no version is there that was not before."""
    answer = await paid.ingest("POST", "programs", document(len(MODELS) + 1, 2023, model))
    assert answer.status_code == 422, answer.text
    assert said in answer.text
    await paid.settle()
    connection = await asyncpg.connect(paid.system.database_url)
    for schema in ("attribution", "rewards"):
        assert await connection.fetchval(f"SELECT count(*) FROM {schema}.program_version") == len(MODELS)
    await connection.close()


async def test_the_books_verify_after_all(paid: Tributary) -> None:
    """Every check holds."""
    verification = await paid.get("rewards", "verification")
    assert verification["ok"], verification
