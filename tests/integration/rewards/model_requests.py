"""What people ask of the API: to pay, recover, adjust, approve, reverse, re-rate, close; for the first time or again.

What is expected of an answer is computed from the model before it is asked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import date, timedelta
from random import Random
from typing import Any, Final

from shared import money
from tests.integration.rewards.ledger_model import EXPENSE, RULES, month_of
from tests.integration.rewards.model_facts import a_won_deal
from tests.integration.rewards.model_world import DEALS, END, LIMIT, PARTNERS, Proposal, World, a_day, an_amount

PEOPLE: Final = ["ann", "bob", "cyd"]
APPROVERS: Final = {"bob", "cyd"}
USED: Final = {"claimed": "payable", "repaid": "recoverable"}
"""Per step of a recovery the partner's account that it uses up."""


async def request(
    world: World, who: str, key: str, body: dict[str, Any], path: str, *, known: bool = True, enough: bool = True
) -> dict[str, Any] | None:  # fmt: skip
    """Ask under a key, for the first time or again; what was made, if it was made now.

    Refused is what names something that is not `known`, another body under a key, and more than there is.
    """
    before = world.booked.get((path, key))
    if not known:
        expected = 404
    elif before is None:
        expected = 201 if enough else 409
    else:
        expected = 201 if before["body"] == body else 422
    world.asked.append((path, key, body))
    answer, _ = await world.ask(who, path, body, key)
    assert answer.status_code == expected, answer.text
    if expected != 201:
        return None
    made: dict[str, Any] = answer.json()
    if before is not None:
        assert made["id"] == before["id"]
        return None
    world.booked[path, key] = {"body": body, "id": made["id"]}
    return made


async def pay(world: World, pick: Random) -> None:
    """A partner is paid all that is payable, a part, or more than that, which is refused."""
    name, amount = _some_of_what_there_is(world, pick, "payable", -1)
    body = {"partner": name, "amount": amount, "paid_on": a_day(pick, world).isoformat(), "reference": "wire"}
    await request_payment(world, "ann", f"key {len(world.asked)}", body)


async def request_payment(world: World, who: str, key: str, body: dict[str, Any]) -> None:
    """Ask for a payment, for the first time or again."""
    name, minor, currency = _read(body)
    made = await request(
        world, who, key, body, "/payments", known=world.model.knows(name),
        enough=minor <= -world.model.owes(name, "payable", currency),
    )  # fmt: skip
    if made is not None:
        legs = {f"partner:{name}:payable": minor, f"cash:clearing:{name}": -minor}
        world.book_by_hand(made["id"], "payment", date.fromisoformat(body["paid_on"]), currency, legs, who)


async def recover(world: World, pick: Random) -> None:
    """What a partner was paid too much is claimed, or what is claimed is repaid: all, a part, or too much."""
    claimed = any(account.endswith("recoverable") and minor > 0 for (account, _), minor in world.model.balances.items())
    step = pick.choice(["claimed", "repaid"] if claimed else ["claimed", "claimed", "claimed", "repaid"])
    name, amount = _some_of_what_there_is(world, pick, USED[step], 1)
    body = {"partner": name, "step": step, "amount": amount, "on": a_day(pick, world).isoformat(), "reference": "claim"}
    await request_recovery(world, "ann", f"key {len(world.asked)}", body)


async def request_recovery(world: World, who: str, key: str, body: dict[str, Any]) -> None:
    """Ask for a step of a recovery, for the first time or again."""
    name, minor, currency = _read(body)
    used = USED[body["step"]]
    made = await request(
        world, who, key, body, "/recoveries", known=world.model.knows(name),
        enough=minor <= world.model.owes(name, used, currency),
    )  # fmt: skip
    if made is not None:
        gained = f"partner:{name}:recoverable" if used == "payable" else f"cash:clearing:{name}"
        legs = {f"partner:{name}:{used}": -minor, gained: minor}
        world.book_by_hand(made["id"], "recovery", date.fromisoformat(body["on"]), currency, legs, who)


def _some_of_what_there_is(world: World, pick: Random, account: str, sign: int) -> tuple[str, dict[str, str]]:
    """A partner, mostly one with something on this side of the account; and all of it, a part, or a cent more."""
    places = [(name, currency) for name in [*PARTNERS, "nobody"] for currency in LIMIT]
    there = {place: sign * world.model.owes(place[0], account, place[1]) for place in places}
    some = [place for place in places if there[place] > 0]
    name, currency = place = pick.choice(some if some and pick.random() < 0.8 else places)
    minor = pick.choice([there[place], there[place] // 2, there[place] + 1, an_amount(pick)])
    return name, {"amount": money.to_decimal(max(minor, 1), currency), "currency": currency}


def _read(body: Mapping[str, Any]) -> tuple[str, int, str]:
    amount = body["amount"]
    return body["partner"], money.to_minor(amount["amount"], amount["currency"]), amount["currency"]


async def rerate(world: World, pick: Random) -> None:
    """Deals of some days are ordered to pay by another version, which may be none; the days of orders overlap."""
    deal = a_won_deal(world, pick)
    day = deal.governed_on if deal and deal.governed_on and pick.random() < 0.8 else a_day(pick, world)
    versions = sorted(world.model.programs if world.model.programs and pick.random() < 0.7 else RULES)
    first = day + timedelta(days=pick.choice([-20, -3, 0, 0, 1]))
    body = {
        "program": "northwind", "version": pick.choice(versions), "first": first.isoformat(),
        "last": (first + timedelta(days=pick.choice([0, 2, 3, 40]))).isoformat(),
        "reason": "agreed", "reference": "mail",
    }  # fmt: skip
    await request_rerate(world, pick.choice(PEOPLE), f"key {len(world.asked)}", body)


async def request_rerate(world: World, who: str, key: str, body: dict[str, Any]) -> None:
    """Order a re-rate, for the first time or again."""
    version = body["version"]
    if await request(world, who, key, body, "/re-rates", known=version in world.model.programs) is not None:
        world.model.orders.append((date.fromisoformat(body["first"]), date.fromisoformat(body["last"]), version))


async def adjust(world: World, pick: Random) -> None:
    """An amount is booked by hand; above the limit it waits for a second key."""
    currency = pick.choice(["USD", "USD", "EUR", "JPY"])
    limit, known = LIMIT[currency], [name for name in PARTNERS if world.model.knows(name)]
    minor = pick.choice([limit, limit + 1, pick.randint(1, limit), pick.randint(1, 9)]) * pick.choice([1, 1, -1])
    body: dict[str, Any] = {
        "partner": pick.choice(known if known and pick.random() < 0.8 else PARTNERS),
        "account": pick.choice(["pending", "payable", "payable", "recoverable"]),
        "amount": {"amount": money.to_decimal(minor, currency), "currency": currency},
        "effective_on": a_day(pick, world).isoformat(), "reason": "agreed", "reference": "mail",
        "deal": pick.choice([None, {"source": "crm", "id": pick.choice(DEALS)}]),
    }  # fmt: skip
    await request_adjustment(world, pick.choice(PEOPLE), f"key {len(world.asked)}", body)


async def request_adjustment(world: World, who: str, key: str, body: dict[str, Any]) -> None:
    """Ask for an adjustment, for the first time or again."""
    (name, minor, currency), day = _read(body), date.fromisoformat(body["effective_on"])
    made = await request(world, who, key, body, "/adjustments", known=world.model.knows(name))
    if made is None:
        return
    if abs(minor) > LIMIT[currency]:
        assert made["state"] == "proposed"
        world.proposals[made["id"]] = Proposal(name, body["account"], minor, currency, day, who)
    else:
        legs = {EXPENSE: minor, f"partner:{name}:{body['account']}": -minor}
        world.book_by_hand(made["journal"], "manual", day, currency, legs, who)


async def ask_again(world: World, pick: Random) -> None:
    """Something is asked for again under its key: the same, or another amount or day, which is refused."""
    if not world.asked:
        return
    booked = [(path, key, world.booked[path, key]["body"]) for path, key in world.booked]
    path, key, body = pick.choice(booked if booked and pick.random() < 0.7 else world.asked)
    if pick.random() < 0.3:
        currency = body.get("amount", {}).get("currency", "USD")
        other = {"amount": {"amount": money.to_decimal(pick.randint(1, 5), currency), "currency": currency}}
        body = body | (other if "amount" in body else {"last": "2026-01-01"})
    await REQUESTS[path](world, "ann", key, body)


REQUESTS: Final[Mapping[str, Callable[[World, str, str, dict[str, Any]], Awaitable[None]]]] = {
    "/payments": request_payment, "/recoveries": request_recovery, "/adjustments": request_adjustment,
    "/re-rates": request_rerate,
}  # fmt: skip


async def decide(world: World, pick: Random) -> None:
    """Somebody approves or declines what waits for a second key, or was decided before."""
    if not world.proposals:
        return
    number, who, verb = pick.choice(sorted(world.proposals)), pick.choice(PEOPLE), pick.choice(["approve", "decline"])
    proposal = world.proposals[number]
    expected = 200
    if who not in APPROVERS or (verb == "approve" and who == proposal.by and not proposal.decided):
        expected = 403
    elif proposal.decided:
        expected = 409
    body = {"reason": "no"} if verb == "decline" else None
    answer, done = await world.ask(who, f"/adjustments/{number}/{verb}", body)
    assert answer.status_code == (409 if done else expected), answer.text
    if expected != 200:
        return
    proposal.decided = True
    if verb == "approve":
        shown = (await world.service.people[who].get(f"/adjustments/{number}")).json()
        legs = {EXPENSE: proposal.minor, f"partner:{proposal.partner}:{proposal.account}": -proposal.minor}
        world.book_by_hand(shown["journal"], "manual", proposal.day, proposal.currency, legs, proposal.by, who)


async def reverse(world: World, pick: Random) -> None:
    """What was recorded by hand is taken back, once; never a reversal, and never what follows a deal."""
    if not world.by_hand:
        return
    number, who = pick.choice([*world.by_hand, max(world.by_hand) - 1]), pick.choice(PEOPLE)
    day = pick.choice([world.today, world.today, a_day(pick, world)])
    body = {"reason": "wrong"} | ({} if day == world.today else {"effective_on": day.isoformat()})
    answer, done = await world.ask(who, f"/journals/{number}/reverse", body)
    if number not in world.by_hand:
        assert answer.status_code in {404, 409, 422}, answer.text
        return
    expected = _reversal(world, number, who, day)
    assert answer.status_code == (409 if done else expected), answer.text
    if expected == 201:
        of = world.by_hand[number]
        of.taken_back = True
        journal = await world.service.books.owner.fetchval(
            "SELECT journal_id FROM rewards.reversal WHERE reverses_journal_id = $1", number
        )
        legs = {account: -minor for account, minor in of.legs.items()}
        world.book_by_hand(journal, "reversal", day, of.currency, legs, who)


def _reversal(world: World, number: int, who: str, day: date) -> int:
    of = world.by_hand[number]
    if day < of.day:
        return 422
    if of.kind == "reversal":
        return 409
    if max(of.legs.values()) > LIMIT[of.currency] and (who not in APPROVERS or who in of.hands):
        return 403
    return 409 if of.taken_back else 201


async def close_month(world: World, pick: Random) -> None:
    """A month is closed: the next one, the last one again, or one too many, which is refused while earlier is open."""
    model = world.model
    first = min((line[4] for line in model.lines), default=None)
    if first is None:
        return
    following = max(model.closed + 1, first)
    wanted = following + pick.choice([-1, 0, 0, 1])
    if wanted >= month_of(END.date()):
        return
    answer, _ = await world.ask("ann", f"/periods/{wanted // 12}-{wanted % 12 + 1:02}/close")
    if any(model.closed < line[4] < wanted for line in model.lines):
        assert answer.status_code == 409, answer.text
    elif wanted <= following or answer.status_code != 409:  # a month may be known though nothing is in it
        assert answer.status_code == 200, answer.text
        model.closed = max(model.closed, wanted)
