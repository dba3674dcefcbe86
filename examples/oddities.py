"""What makes the example's history look real: timing, carelessness, and second thoughts of customers."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from examples import words
from examples.words import Partner
from shared import money

Deal = dict[str, Any]
"""A snapshot, as the body of `POST /ingest/v1/deals`."""

LATE: Final = 0.03
"""Part of the touchpoints that are reported more than two weeks after the close."""
OUTSIDE_LOOKBACK: Final = 0.05
AFTER_CLOSE: Final = 0.05
FREE_MAIL: Final = 0.02
NAME_ALONE: Final = 0.01
EVIDENCE: Final = 0.6

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PAPERS: Final = {
    "training": "attendance list", "product_demo": "meeting notes", "solution_design": "design document",
    "requirements_workshop": "workshop minutes", "event_invitation": "guest list",
}  # fmt: skip


def stamp(instant: datetime) -> str:
    """ISO 8601 in UTC, to the second."""
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def version(instant: datetime) -> int:
    """A CRM's version of a deal: the instant of the change in microseconds."""
    return (instant - _EPOCH) // timedelta(microseconds=1)


def office_hour(rng: random.Random, day: datetime) -> datetime:
    """An instant between 13 and 21 o'clock UTC of a day: office hours in New York."""
    midnight = day.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + timedelta(hours=rng.randint(13, 20), minutes=rng.randrange(0, 60, 5))


def moment(rng: random.Random, partner: Partner) -> tuple[int, str]:
    """How many days before the close a partner does something, negative after it, and what it is."""
    luck = rng.random()
    if luck < AFTER_CLOSE:
        return -rng.randint(2, 30), "implementation" if "implementation" in partner.late else "training"
    anything = partner.early + partner.middle + partner.late
    if luck < AFTER_CLOSE + OUTSIDE_LOOKBACK:
        return rng.randint(182, 300), rng.choice(anything)
    phases = [
        (span, deeds)
        for span, deeds in (((95, 174), partner.early), ((32, 94), partner.middle), ((1, 31), partner.late))
        if deeds
    ]
    (soonest, earliest), deeds = rng.choice(phases)
    return rng.randint(soonest, earliest), rng.choice(deeds)


def named(rng: random.Random, account: dict[str, Any]) -> dict[str, Any]:
    """An account as a partner names it: mostly by its domain, sometimes by nothing that identifies it."""
    luck = rng.random()
    if luck < FREE_MAIL:
        return {"domain": rng.choice(words.SHARED_DOMAINS), "name": account["name"]}
    if luck < FREE_MAIL + NAME_ALONE:
        return {"name": account["name"]}
    return {"domain": account["domain"], "name": account["name"]}


def evidence(rng: random.Random, activity: str) -> dict[str, str]:
    """What shows that it happened, most times."""
    if rng.random() >= EVIDENCE:
        return {}
    return {"evidence": f"{_PAPERS.get(activity, 'note')} no. {rng.randint(100, 999)}"}


def changes(rng: random.Random, deals: Sequence[Deal], now: datetime) -> list[Deal]:
    """Later snapshots of some deals: `FATES` says of how many, and what becomes of them."""
    settled = [deal for deal in deals if datetime.fromisoformat(deal["closed_at"]) + SECOND_THOUGHTS < now]
    won = [deal for deal in settled if deal["stage"] == "won"]
    chosen = iter(rng.sample(won, sum(FATES.values())))
    found = [snapshot for fate, count in FATES.items() for _ in range(count) for snapshot in fate(rng, next(chosen))]
    lost = rng.choice([deal for deal in settled if deal["stage"] == "lost"])
    found += _won_after_all(rng, lost)
    return sorted(found, key=lambda snapshot: (snapshot["version"], snapshot["id"]))


def _refunded(rng: random.Random, deal: Deal) -> Iterator[Deal]:
    """The customer returns 60 % of it."""
    yield {**deal, "version": version(_later(rng, deal)), "amount": _times(deal, 40)}


def _amount_changed(rng: random.Random, deal: Deal) -> Iterator[Deal]:
    """An order was added, or a price corrected."""
    yield {**deal, "version": version(_later(rng, deal)), "amount": _times(deal, rng.choice((85, 90, 95, 110, 125)))}


def _cancelled(rng: random.Random, deal: Deal) -> Iterator[Deal]:
    instant = _later(rng, deal)
    yield {**deal, "version": version(instant), "stage": "lost", "closed_at": stamp(instant)}


def _reopened(rng: random.Random, deal: Deal) -> Iterator[Deal]:
    instant = _later(rng, deal)
    yield {**deal, "version": version(instant), "stage": "open", "closed_at": stamp(instant + timedelta(days=60))}


def _won_again(rng: random.Random, deal: Deal) -> Iterator[Deal]:
    """Reopened, and won at a lower price."""
    yield from _reopened(rng, deal)
    instant = _later(rng, deal) + timedelta(days=rng.randint(26, 30))  # after any day the line above can have drawn
    yield {**deal, "version": version(instant), "closed_at": stamp(instant), "amount": _times(deal, 92)}


def _won_after_all(rng: random.Random, deal: Deal) -> Iterator[Deal]:
    instant = _later(rng, deal)
    yield {**deal, "version": version(instant), "stage": "won", "closed_at": stamp(instant)}


SECOND_THOUGHTS: Final = timedelta(days=60)
"""After that time everything that could become of a deal has happened."""
FATES: Final[dict[Callable[[random.Random, Deal], Iterator[Deal]], int]] = {
    _refunded: 1, _amount_changed: 9, _cancelled: 2, _reopened: 2, _won_again: 4,
}  # fmt: skip
"""Of how many won deals what becomes later."""


def _later(rng: random.Random, deal: Deal) -> datetime:
    return datetime.fromisoformat(deal["closed_at"]) + timedelta(days=rng.randint(3, 25), hours=rng.randint(0, 5))


def _times(deal: Deal, percent: int) -> dict[str, str]:
    amount = deal["amount"]
    minor = money.to_minor(amount["amount"], amount["currency"]) * percent // 100
    return {"amount": money.to_decimal(minor, amount["currency"]), "currency": amount["currency"]}
