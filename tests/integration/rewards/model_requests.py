"""What people ask of the API: payments, adjustments, decisions, reversals, closing months; for the first time or again.

What is expected of an answer is computed from the model before it is asked.
"""

from __future__ import annotations

from datetime import date
from random import Random
from typing import Any, Final

from shared import money
from tests.integration.rewards.ledger_model import EXPENSE, month_of
from tests.integration.rewards.model_world import DEALS, END, LIMIT, PARTNERS, Proposal, World, a_day, an_amount

PEOPLE: Final = ["ann", "bob", "cyd"]
APPROVERS: Final = {"bob", "cyd"}


async def pay(world: World, pick: Random) -> None:
    """A partner is paid all that is payable, a part, or more than that, which is refused."""
    places = [(name, currency) for name in [*PARTNERS, "nobody"] for currency in LIMIT]
    owed = [place for place in places if world.model.payable(*place) > 0]
    name, currency = pick.choice(owed if owed and pick.random() < 0.7 else places)
    payable = world.model.payable(name, currency)
    minor = pick.choice([payable, payable // 2, payable + 1, an_amount(pick)])
    amount = {"amount": money.to_decimal(max(minor, 1), currency), "currency": currency}
    body = {"partner": name, "amount": amount, "paid_on": a_day(pick, world).isoformat(), "reference": "wire"}
    await request_payment(world, f"key {len(world.asked)}", body)


async def request_payment(world: World, key: str, body: dict[str, Any]) -> None:
    """Ask for a payment, for the first time or again."""
    name, currency = body["partner"], body["amount"]["currency"]
    minor = money.to_minor(body["amount"]["amount"], currency)
    before = world.booked.get(("/payments", key))
    expected = 201
    if not world.model.knows(name):
        expected = 404
    elif before is not None and before["body"] != body:
        expected = 422
    elif before is None and minor > world.model.payable(name, currency):
        expected = 409
    world.asked.append(("/payments", key, body))
    answer, _ = await world.ask("ann", "/payments", body, key)
    assert answer.status_code == expected, answer.text
    if expected != 201:
        return
    journal = answer.json()["id"]
    if before is not None:
        assert journal == before["id"]
        return
    world.booked["/payments", key] = {"body": body, "id": journal}
    legs = {f"partner:{name}:payable": minor, f"cash:clearing:{name}": -minor}
    world.book_by_hand(journal, "payment", date.fromisoformat(body["paid_on"]), currency, legs, "ann")


async def adjust(world: World, pick: Random) -> None:
    """An amount is booked by hand; above the limit it waits for a second key."""
    currency = pick.choice(["USD", "USD", "EUR", "JPY"])
    limit = LIMIT[currency]
    minor = pick.choice([limit, limit + 1, pick.randint(1, limit), pick.randint(1, 9)]) * pick.choice([1, 1, -1])
    body: dict[str, Any] = {
        "partner": pick.choice(PARTNERS), "account": pick.choice(["pending", "payable", "payable"]),
        "amount": {"amount": money.to_decimal(minor, currency), "currency": currency},
        "effective_on": a_day(pick, world).isoformat(), "reason": "agreed", "reference": "mail",
        "deal": pick.choice([None, {"source": "crm", "id": pick.choice(DEALS)}]),
    }  # fmt: skip
    await request_adjustment(world, pick.choice(PEOPLE), f"key {len(world.asked)}", body)


async def request_adjustment(world: World, who: str, key: str, body: dict[str, Any]) -> None:
    """Ask for an adjustment, for the first time or again."""
    name, currency, day = body["partner"], body["amount"]["currency"], date.fromisoformat(body["effective_on"])
    minor = money.to_minor(body["amount"]["amount"], currency)
    before = world.booked.get(("/adjustments", key))
    expected = 404 if not world.model.knows(name) else 422 if before is not None and before["body"] != body else 201
    world.asked.append(("/adjustments", key, body))
    answer, _ = await world.ask(who, "/adjustments", body, key)
    assert answer.status_code == expected, answer.text
    if expected != 201:
        return
    made = answer.json()
    if before is not None:
        assert made["id"] == before["id"]
        return
    world.booked["/adjustments", key] = {"body": body, "id": made["id"]}
    if abs(minor) > LIMIT[currency]:
        assert made["state"] == "proposed"
        world.proposals[made["id"]] = Proposal(name, body["account"], minor, currency, day, who)
    else:
        legs = {EXPENSE: minor, f"partner:{name}:{body['account']}": -minor}
        world.book_by_hand(made["journal"], "manual", day, currency, legs, who)


async def ask_again(world: World, pick: Random) -> None:
    """A payment or an adjustment is asked for again under its key: the same, or another amount, which is refused."""
    if not world.asked:
        return
    booked = [(path, key, world.booked[path, key]["body"]) for path, key in world.booked]
    path, key, body = pick.choice(booked if booked and pick.random() < 0.7 else world.asked)
    if pick.random() < 0.3:
        currency = body["amount"]["currency"]
        body = body | {"amount": {"amount": money.to_decimal(pick.randint(1, 5), currency), "currency": currency}}
    if path == "/payments":
        await request_payment(world, key, body)
    else:
        await request_adjustment(world, "ann", key, body)


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
