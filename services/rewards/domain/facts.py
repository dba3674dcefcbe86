"""From message bytes to facts that can be trusted: shape, sums and names are checked here and nowhere later.

A fact's fingerprint leaves out when it was sent: a repeat is the same fact, another content under the same natural key
is a conflict.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import orjson
from pydantic import ValidationError

from shared import money, program
from shared.errors import Fault, Invalid
from shared.events.base import Contract, Id, Money, Text
from shared.events.credit import ActivityShare, CreditDecided, Influence, Status
from shared.events.directory import PartnerUpserted
from shared.events.exchange import RatePublished
from shared.events.program import ProgramActivated
from shared.events.receipt import Movement, ReceiptRecorded

E = TypeVar("E", bound=Contract)

_VOLATILE = {"decided_at", "received_at", "cause"}
_RATE: Final = re.compile(r"\d{1,12}(\.\d{1,12})?")
_OF: Final = frozenset({Movement.REFUND, Movement.CHARGEBACK})
_FRACTION: Final = re.compile(r"-?\d{1,40}(/[1-9]\d{0,39})?")


class PaidShare(Contract):
    """A share of `credit.decided` as far as money depends on it; its touchpoints are shown as they came."""

    partner: Id
    share: Text
    amount: Money
    influence: Influence | None = None
    activities: tuple[ActivityShare, ...] = ()
    touchpoint_count: int


class PaidCredit(CreditDecided):
    """`credit.decided` without a look at each touchpoint: there may be a hundred behind one amount."""

    shares: tuple[PaidShare, ...] = ()  # type: ignore[assignment]  # a share with fewer fields is all we read


@dataclass(frozen=True, slots=True)
class Fact(Generic[E]):
    """A checked event, its fingerprint, and its JSON as it came."""

    event: E
    fingerprint: bytes
    body: str


def credit(value: bytes) -> Fact[PaidCredit]:
    """A `credit.decided`; raises `Invalid` also when shares and the unattributed rest do not make up the amount."""
    fact = _parse(PaidCredit, value)
    _refuse(_credit_faults(fact.event))
    return fact


def partner(value: bytes) -> Fact[PartnerUpserted]:
    """A `partner.upserted`; raises `Invalid` naming each field at fault."""
    fact = _parse(PartnerUpserted, value)
    if fact.event.currency is not None:
        _refuse(_unknown_currency("currency", fact.event.currency))
    return fact


def receipt(value: bytes) -> Fact[ReceiptRecorded]:
    """A `receipt.recorded`; raises `Invalid` also for an amount that is missing, not above zero, or of a churn."""
    fact = _parse(ReceiptRecorded, value)
    _refuse(_receipt_faults(fact.event))
    return fact


def rate(value: bytes) -> Fact[RatePublished]:
    """A `rate.published`; raises `Invalid` also for a rate that is not above zero, or between unknown currencies."""
    fact = _parse(RatePublished, value)
    _refuse(_rate_faults(fact.event))
    return fact


def activation(value: bytes) -> Fact[ProgramActivated]:
    """A `program.activated` whose document is a valid program of that name and version; raises `Invalid`."""
    fact = _parse(ProgramActivated, value)
    typed = program.parse(fact.event.document)
    _refuse(
        Fault(f"document.{name}", f"is {inside!r}, but the event says {outside!r}")
        for name, inside, outside in (
            ("program", typed.program, fact.event.program),
            ("version", typed.version, fact.event.version),
        )
        if inside != outside
    )
    return fact


def _parse(kind: type[E], value: bytes) -> Fact[E]:
    try:
        document = orjson.loads(value)
        event = kind.model_validate(document)
    except orjson.JSONDecodeError as error:
        raise Invalid(Fault("message", f"invalid JSON: {error}")) from None
    except ValidationError as error:
        faults = (Fault(".".join(map(str, item["loc"])) or "message", item["msg"]) for item in error.errors())
        raise Invalid(*faults) from None
    lasting = {name: document[name] for name in document.keys() - _VOLATILE}
    fingerprint = hashlib.sha256(orjson.dumps(lasting, option=orjson.OPT_SORT_KEYS)).digest()
    return Fact(event, fingerprint, value.decode())


def _refuse(faults: Iterator[Fault]) -> None:
    found = tuple(faults)
    if found:
        raise Invalid(*found)


def _unknown_currency(name: str, currency: str) -> Iterator[Fault]:
    if currency not in money.DECIMALS:
        yield Fault(name, f"{currency!r} is no ISO 4217 currency code such as EUR")


def _receipt_faults(event: ReceiptRecorded) -> Iterator[Fault]:
    if (event.amount is None) != (event.kind is Movement.CHURN):
        said = "must be left out for a churn" if event.amount else f"is missing, but it is a {event.kind}"
        yield Fault("amount", said)
    if event.amount is not None and event.amount.minor <= 0:
        yield Fault("amount", "must be more than zero")
    if event.of is not None and event.kind not in _OF:
        yield Fault("of", f"belongs to a refund or a chargeback, but it is a {event.kind}")


def _rate_faults(event: RatePublished) -> Iterator[Fault]:
    yield from _unknown_currency("base", event.base)
    yield from _unknown_currency("quote", event.quote)
    if event.base == event.quote:
        yield Fault("quote", f"must be another currency than the base {event.base}")
    if not _RATE.fullmatch(event.rate) or not event.rate.strip("0."):
        yield Fault("rate", "must be a decimal above zero, with at most twelve digits before and behind the point")


def _credit_faults(event: PaidCredit) -> Iterator[Fault]:
    if event.status is not Status.CREDITED:
        if event.shares:
            yield Fault("shares", f"must be empty when the status is {event.status}")
        return
    for name in ("governed_on", "program", "program_version", "amount", "unattributed"):
        if getattr(event, name) is None:
            yield Fault(name, "is missing, but the deal is credited")
    if event.amount is None or event.unattributed is None:
        return
    yield from _share_faults(event, event.amount.currency)
    total = sum(share.amount.minor for share in event.shares) + event.unattributed.minor
    if total != event.amount.minor or event.unattributed.currency != event.amount.currency:
        yield Fault("amount", "must equal the sum of the shares and the unattributed rest, in one currency")


def _share_faults(event: PaidCredit, currency: str) -> Iterator[Fault]:
    for name, base in (("margin", event.margin), ("first_year_value", event.first_year_value)):
        if base is not None and base.currency != currency:
            yield Fault(f"{name}.currency", f"must be {currency}, the deal's")
    seen: set[str] = set()
    for index, share in enumerate(event.shares):
        if share.partner in seen:
            yield Fault(f"shares[{index}].partner", f"{share.partner!r} has a share already")
        if share.amount.currency != currency:
            yield Fault(f"shares[{index}].amount.currency", f"must be {currency}, the deal's")
        for place, part in enumerate(share.activities):
            if not _FRACTION.fullmatch(part.share):
                yield Fault(f"shares[{index}].activities[{place}].share", "must be a fraction such as 2/15")
        seen.add(share.partner)
