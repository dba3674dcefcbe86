"""What a partner's key is shown under plans of every kind: nothing of it moves with other partners' facts alone."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any, Final, NamedTuple

from services.rewards.domain import caps
from shared.events.base import Contract, Money
from shared.events.credit import ActivityShare, CreditDecided
from shared.events.directory import PartnerUpserted
from shared.events.program import ProgramActivated
from shared.events.receipt import Movement
from tests.integration.rewards.conftest import NewBooks
from tests.integration.rewards.harness import Books
from tests.integration.rewards.test_own_view import timeless
from tests.unit.rewards.builders import LATER, decided, partner, planned, received, usd

Activities = Mapping[str, str]
Json = dict[str, Any]

RATES: Final = {"silver": "5%", "gold": "10%"}
BY_ACTIVITY: Final = [
    {"when": {"activities": ["demo"]}, "rate": "5%"}, {"when": {"activities": ["workshop"]}, "rate": "15%"},
    {"when": {"tiers": ["gold", "silver"]}, "rate": "10%"},
]  # fmt: skip
STEPS: Final = [{"from": 0, "to": 1000, "times": "100%"}, {"from": 1000, "times": "200%"}]
PLANS: Final[Json] = {
    "activity": {"rates": BY_ACTIVITY},
    "bonus": {"on": "fixed", "rates": [
        {"when": {"activities": ["demo"]}, "amount": 7}, {"when": {"activities": ["workshop"]}, "amount": 7},
        {"when": {"tiers": ["gold", "silver"]}, "amount": 7},
    ]},
    "nothing": {"rates": [{"when": {"activities": ["demo"]}, "rate": "0%"},
                          {"when": {"activities": ["other"]}, "rate": "9%"}]},
    "bracket": {"rates": BY_ACTIVITY, "brackets": {"apply": "marginal", "per": "deal", "steps": STEPS}},
    "shared": {"rate": RATES, "budget": 100},
    "yearly": {"rate": RATES, "brackets": {"apply": "whole", "per": "year", "steps": STEPS}},
    "spanned": {"rates": BY_ACTIVITY, "caps": [{"amount": 90, "per": "year"}]},
    "over": {"pays": "recruiters", "on": "recruits_earnings", "of_plan": "activity", "rate": RATES},
}  # fmt: skip
DEARER: Final[Json] = {"rate": {"silver": "5%", "gold": "20%"}, "caps": [{"amount": 150, "per": "year"}]}
OTHERS: Final = ("beta", "gamma", "delta", "theta")
REVISION: Final = 7_001
CAUSE: Final = "late touchpoint portal/t2 of gamma"
DEALS: Final = ("D-1", "D-2", "D-3")
PATHS: Final = (
    "/partners/acme/balance", "/partners/acme/statement", "/partners/acme/spans", "/partners/acme/spans?plan=spanned",
    "/journals", "/entries?limit=500", *(f"/earnings?by={by}" for by in ("deal", "plan", "partner")),
    *(f"/deals/crm/{deal}" for deal in DEALS),
)  # fmt: skip


class World(NamedTuple):
    """What differs between two systems in which acme has the same facts, shares and amounts."""

    revision: int
    cause: str
    activities: Activities
    others: Mapping[str, int]
    recruits: Activities
    recruiter: str | None = None
    """Of the others; the directory does not know it."""
    extra: tuple[str, ...] = ()


QUIET: Final = World(0, "touchpoints changed", {}, {"beta": 60_000, "theta": 40_000}, {})
BUSY: Final = World(
    REVISION, CAUSE, {"demo": "1/4", "workshop": "1/4"}, {"gamma": 40_000, "delta": 60_000},
    {"demo": "1/8", "workshop": "1/8"}, recruiter="omega", extra=("E-1", "E-2"),
)  # fmt: skip


def program(version: int = 1, **rules: Any) -> Contract:  # noqa: ANN401  any words
    event = planned(version, plans=PLANS | rules, pays_in="program_currency", ceiling="45%")
    activities = {name: {"means": f"A {name}."} for name in ("demo", "workshop", "other")}
    return ProgramActivated.model_validate(
        event.model_dump() | {"document": event.document | {"activities": activities}}
    )


def sold(
    deal: str, world: World, revision: int, shares: Mapping[str, int], parts: Mapping[str, Activities], day: int = 2
) -> CreditDecided:
    """A deal with what each share comes from."""
    total = sum(shares.values())
    event = decided(deal, world.revision + revision, shares, cause=world.cause, governed_on=date(2026, 3, day))
    made = []
    for share in event.shares:
        activities = tuple(
            ActivityShare(activity=name, share=part, amount=Money.of(int(Fraction(part) * total), "USD"))
            for name, part in sorted(parts.get(share.partner, {}).items())
        )
        made.append(share.model_copy(update={"activities": activities}))
    return event.model_copy(update={"shares": tuple(made)})


def recruited(name: str, by: str | None) -> PartnerUpserted:
    return partner(name).model_copy(update={"recruiter": by})


async def live(books: Books, world: World) -> None:
    """acme is credited beside others, pays the ceiling, meets the budget, loses money to a refund and is re-rated."""
    await books.tell(
        program(), program(2, yearly=DEARER), partner("acme"), recruited("zed", "acme"),
        *(recruited(name, world.recruiter) for name in OTHERS),
    )  # fmt: skip
    for deal in world.extra:  # deals of others alone, closed after acme's: the budget is used up before
        await books.tell(sold(deal, world, 1, {"delta": 50_000}, {}, day=9))
    for turn in (1, 2):
        others = world.others if turn == 2 else dict(sorted(world.others.items(), reverse=True))
        await books.tell(
            sold("D-1", world, turn, {"acme": 100_000, **others}, {"acme": world.activities}),
            sold("D-2", world, turn, {"zed": 50_000, "beta": 150_000}, {"zed": world.recruits}, day=3),
            sold("D-3", world, turn, {"acme": 60_000, **{n: m * 6 // 10 for n, m in others.items()}}, {}, day=4),
        )  # fmt: skip
    await books.tell(received("R-1", Movement.REFUND, 40_000, "D-3"))
    await books.mature(LATER)
    async with books.client("rewards:read", "rewards:adjust") as client:
        order = {"program": "northwind", "version": 2, "first": "2026-03-04", "last": "2026-03-04",
                 "reason": "wrong rate", "reference": "ticket 1"}  # fmt: skip
        answer = await client.post("/re-rates", json=order, headers={"Idempotency-Key": "k"})
        assert answer.status_code == 201, answer.text
    await books.settle()
    await books.mature(datetime(2027, 3, 1, tzinfo=UTC))


async def answers(books: Books) -> dict[str, str]:
    async with books.client("rewards:read", partner="acme") as client:
        return {path: (await client.get(path)).text for path in PATHS}


async def test_two_worlds_under_plans_of_every_kind_answer_the_same(books: Books, new_books: NewBooks) -> None:
    """Another split by activity, other partners, other deals beside a budget: acme reads the same, byte by byte."""
    await live(books, QUIET)
    async with new_books() as busy:
        await live(busy, BUSY)
        told = timeless(await answers(busy))
        assert (await busy.verify()).ok
    quiet = timeless(await answers(books))
    assert {path: (quiet[path], told[path]) for path in quiet if quiet[path] != told[path]} == {}
    everything = "\n".join(quiet.values()).lower()
    assert [
        name for name in (*OTHERS, "omega", "workshop", "demo", "revision", "touchpoint") if name in everything
    ] == []
    assert caps.CEILING in everything
    assert "budget of 100.00 usd is used up" in everything
    assert "re-rate 1 ordered" in everything
    assert '"of":"zed"' in everything


async def test_rates_by_activity_are_told_to_the_partner_as_their_sum(books: Books) -> None:
    """Finance reads each part with its rule and rate; acme the base and what came of it, in journals and spans too."""
    await live(books, BUSY)
    async with books.client() as client:
        deal = (await client.get("/deals/crm/D-1")).json()
        parts = next(e for e in deal["earnings"] if (e["partner"], e["plan"]) == ("acme", "activity"))["components"]
        assert [(part.get("activity"), part["rate"], part["base"]["amount"]) for part in parts] == [
            ("demo", "5%", "500.00"), ("workshop", "15%", "500.00")
        ]  # fmt: skip
        spans = (await client.get("/partners/acme/spans?plan=spanned")).json()["items"]
        assert spans[0]["base"] == usd(117_300)
    async with books.client("rewards:read", partner="acme") as client:
        deal = (await client.get("/deals/crm/D-1")).json()
        told = {e["plan"]: e for e in deal["earnings"]}
        assert told["activity"]["components"] == [{"base": usd(100_000), "rate": None, "amount": usd(10_000)}]
        assert told["activity"]["rate"] is None
        assert told["bracket"]["components"][0]["bracket"] == "from 0 to 1,000"
        assert told["nothing"]["nothing_earned"] == (
            "what the plan pays for the activities of this credit comes to nothing"
        )
        (span,) = (await client.get("/partners/acme/spans?plan=spanned")).json()["items"]
        assert (span["deals"], span["base"], span["brackets"]) == (None, None, [])
        journals = json.dumps((await client.get("/journals")).json())
        assert "workshop" not in journals
