"""Facts set out: credit as it is decided and decided anew, tiers, programs, receipts, and what is sent a second time.

Nothing here touches the service: what sets out arrives later, in any order (`model_operations.deliver`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from random import Random
from typing import Any, Final

from shared.events.base import Contract, Money
from shared.events.credit import CreditDecided, Status
from shared.events.directory import PartnerUpserted
from shared.events.receipt import Movement, ReceiptRecorded
from tests.integration.rewards.ledger_model import RULES
from tests.integration.rewards.model_world import DEALS, PARTNERS, World, a_day, an_amount
from tests.unit.rewards import builders

TIERS: Final = ["bronze", "silver", "gold"]


def snapshot(world: World, deal: str, shares: Mapping[str, int], **changes: Any) -> None:  # noqa: ANN401  of `decided`
    """The next revision of a deal's credit sets out."""
    world.versions[deal] += 1
    event = builders.decided(deal, world.versions[deal], shares, cause=f"revision {world.versions[deal]}", **changes)
    world.newest[deal] = event
    world.send(event)


def terms(of: CreditDecided) -> dict[str, Any]:
    """What a deal keeps when only its shares change."""
    if of.amount is None:
        raise AssertionError("only a won deal has terms")
    return {"governed_on": of.governed_on, "version": of.program_version, "currency": of.amount.currency}


def a_won_deal(world: World, pick: Random) -> CreditDecided | None:
    won = [event for event in world.newest.values() if event.shares]
    return pick.choice(won) if won else None


def begin(world: World) -> None:
    """A program and two partners set out first, so that most runs have something to pay; they may arrive late."""
    world.versions["acme"] = world.versions["beta"] = 1
    first = world.today - timedelta(days=400)
    world.send(activation(1))
    world.send(builders.partner("acme", "gold", since=first))
    world.send(builders.partner("beta", "silver", since=first))


async def win(world: World, pick: Random) -> None:
    """A deal is won, won again after it was reopened, or wholly decided anew: day, program, currency and shares."""
    shares = {name: an_amount(pick) for name in pick.sample(PARTNERS, pick.randint(1, 3))}
    deal, currency = pick.choice(DEALS), pick.choice(["USD", "USD", "USD", "EUR", "JPY"])
    before = world.newest.get(deal)
    if before and before.amount and pick.random() < 0.7:  # else its receipts are in another currency
        currency = before.amount.currency
    snapshot(
        world, deal, shares, governed_on=a_day(pick, world, ahead=3), version=pick.choice([1, 1, 2, 3]),
        currency=currency, unattributed=an_amount(pick),
    )  # fmt: skip


async def refund(world: World, pick: Random) -> None:
    """The amount of a won deal falls, in part or to nothing."""
    if deal := a_won_deal(world, pick):
        part = pick.choice([0, 1, 2, 5, 9])
        shares = {share.partner: share.amount.minor * part // 10 for share in deal.shares}
        snapshot(world, deal.id, shares, **terms(deal))


async def lose(world: World, pick: Random) -> None:
    """A won deal is reopened or lost; or it stays won and nobody has a share of it."""
    if deal := a_won_deal(world, pick):
        if pick.random() < 0.3:
            snapshot(world, deal.id, {}, status=Status.UNATTRIBUTED, unattributed=100, **terms(deal))
        else:
            snapshot(world, deal.id, {})


async def move(world: World, pick: Random) -> None:
    """Credit goes to another partner."""
    if deal := a_won_deal(world, pick):
        shares = {share.partner: share.amount.minor for share in deal.shares}
        minor = shares.pop(pick.choice(sorted(shares)))
        to = pick.choice(PARTNERS)
        snapshot(world, deal.id, shares | {to: shares.get(to, 0) + minor}, **terms(deal))


async def state_tier(world: World, pick: Random) -> None:
    """The directory states a partner's tier, from a day on that may have passed long ago, or is a deal's very day."""
    name, deal = pick.choice(PARTNERS), a_won_deal(world, pick)
    world.versions[name] += 1
    since = world.today - timedelta(days=pick.choice([0, 5, 30, 90, 400]))
    since = deal.governed_on if deal and deal.governed_on and pick.random() < 0.4 else since
    world.send(builders.partner(name, pick.choice(TIERS), version=world.versions[name], since=since))


async def give_back(world: World, pick: Random) -> None:
    """The customer gets money back: told by the shop, the bank, or both, of one sale or by itself, or too much.

    Of a deal whose credit is on its way still, now and then; or the customer pays, which changes nothing.
    """
    deal = a_won_deal(world, pick)
    name = deal.id if deal and pick.random() < 0.9 else pick.choice(DEALS)
    whole = abs(deal.amount.minor) if deal and deal.amount else 100
    currency = deal.amount.currency if deal and deal.amount and pick.random() < 0.95 else "USD"
    earlier = [event.id for event in world.sent if isinstance(event, ReceiptRecorded) and event.deal == name]
    of = pick.choice([None, "S-1", "S-2", *earlier[:1]])
    refund, chargeback, payment = Movement.REFUND, Movement.CHARGEBACK, Movement.PAYMENT
    for kind in pick.choice([[refund], [chargeback], [payment], [refund, chargeback], [refund, chargeback]]):
        minor = pick.choice([whole, whole // 3, whole // 7, whole // 10, whole // 10, abs(an_amount(pick))])
        world.versions["receipt"] += 1
        world.send(
            builders.received(
                f"R-{world.versions['receipt']}", kind, max(minor, 1), name, currency=currency,
                of=None if kind is payment else of, on=a_day(pick, world),
            )
        )  # fmt: skip


async def activate(world: World, pick: Random) -> None:
    """A program version sets out: deals that name it wait until it has arrived."""
    world.send(activation(pick.choice(sorted(RULES))))


def activation(version: int) -> Contract:
    """A version of the program with the model's rules, as its owner writes them."""
    ahead, plans = RULES[version]
    return builders.activated(
        version, rates=dict.fromkeys(TIERS, "1%"), zone="Asia/Tokyo" if ahead else "UTC",
        plans={
            plan: {"hold": f"{hold} days", "rate": {tier: percent(rates.get(tier, 0)) for tier in TIERS}}
            for plan, (hold, rates) in plans.items()
        },
    )  # fmt: skip


def percent(rate: int) -> str:
    return f"{rate // 100}.{rate % 100:02}%"


async def send_again(world: World, pick: Random) -> None:
    """A fact is sent a second time: the same, or another content under its natural key, which never counts."""
    if not world.sent:
        return
    event = pick.choice(world.sent)
    match event:
        case CreditDecided() if pick.random() < 0.3:
            shares = {"acme": an_amount(pick)}
            other = builders.decided(event.id, event.revision, shares, governed_on=a_day(pick, world))
            world.on_its_way.append(other)
        case PartnerUpserted() if pick.random() < 0.3:
            world.on_its_way.append(event.model_copy(update={"tier": pick.choice(TIERS)}))
        case ReceiptRecorded() if pick.random() < 0.3:
            other_deal = {"deal": pick.choice(DEALS), "of": None, "amount": Money.of(1, "USD")}
            world.on_its_way.append(event.model_copy(update=other_deal))
        case _:
            world.on_its_way.append(event)
