"""The same facts in any order, partly twice and in any batch sizes, through real Kafka and PostgreSQL."""

import random

from tests.support import facts
from tests.support.system import JsonObject, Tributary

SEEDS = (1, 2, 3)
DEALS = 12
TOUCHPOINTS = 80
PARTNERS = ("ada", "bob", "cyd")


def world() -> list[tuple[str, JsonObject]]:
    """(door, item) of every fact; the names of partners, accounts and facts hold `{run}`, to be told apart per run."""
    rng = random.Random(20)
    activities = ("demo", "education", "closing")
    found: list[tuple[str, JsonObject]] = []
    for name in PARTNERS:
        found.append(("partners", facts.partner(f"{name}-{{run}}", "silver")))
        found.append(("partners", facts.partner(f"{name}-{{run}}", "gold", "2026-06-01") | {"version": 2}))
    for number in range(TOUCHPOINTS):
        when, account = facts.ago(rng.randint(1, 300)), f"acc{rng.randint(0, 5)}-{{run}}"
        who, what = f"{rng.choice(PARTNERS)}-{{run}}", rng.choice(activities)
        touch = facts.touchpoint(f"t{number}-{{run}}", who, what, when, crm_id=account, reported=when)
        found.append(("touchpoints", touch))
    for number in range(DEALS):
        account_ref = {"crm_id": f"acc{number % 6}-{{run}}"}
        for version in range(1, rng.randint(2, 4)):
            amount, closed = f"{rng.randint(1, 10**6)}.{rng.randint(10, 99)}", facts.ago(rng.randint(1, 120))
            stage = rng.choice(["won", "won", "won", "lost", "open"])
            found.append(
                ("deals", facts.deal(f"d{number}-{{run}}", account_ref, amount, closed, stage=stage, version=version))
            )
    return found


def named(value: object, run: int) -> object:
    """The same value with `{run}` filled in."""
    match value:
        case str():
            return value.replace("{run}", str(run))
        case dict():
            return {key: named(item, run) for key, item in value.items()}
        case _:
            return value


async def deliver(tributary: Tributary, found: list[tuple[str, JsonObject]], run: int) -> None:
    """All facts shuffled, a fifth of them twice, in requests of random sizes."""
    rng = random.Random(run)
    sent = found + [fact for fact in found if rng.random() < 0.2]
    rng.shuffle(sent)
    while sent:
        size = rng.randint(1, 40)
        batch, sent = sent[:size], sent[size:]
        for door in ("deals", "partners", "touchpoints"):
            items = [named(item, run) for where, item in batch if where == door]
            unique = list({str(item): item for item in items}.values())
            if unique:
                await tributary.accept(door, unique)  # type: ignore[arg-type]  # named() keeps an object an object


async def outcome(tributary: Tributary, run: int) -> dict[str, object]:
    """Balances per partner and earnings per deal, under names without the run."""
    found: dict[str, object] = {}
    for name in PARTNERS:
        shown = await tributary.get("rewards", f"partners/{name}-{run}/balance")
        found[name] = shown["balances"]
    for number in range(DEALS):
        answer = await tributary.read("rewards", f"deals/administrator/d{number}-{run}")
        if answer.status_code == 200:
            shown = answer.json()
            found[f"d{number}"] = [
                (e["partner"].removesuffix(f"-{run}"), e["share"], e["credited"], e["tier"], e["earned"], e["posted"])
                for e in shown["earnings"]
            ]
    return {key: value for key, value in found.items() if value}


async def test_shuffled_and_repeated_facts_give_the_same_books(common: Tributary) -> None:
    """Three deliveries of one world, each in its own order and batches: the same credit and balances to the cent."""
    found = world()
    for run in SEEDS:
        await deliver(common, found, run)
    await common.settle()
    first, *others = [await outcome(common, run) for run in SEEDS]
    assert len(first) > DEALS // 2
    for other in others:
        assert other == first
    assert (await common.get("rewards", "verification"))["ok"]
