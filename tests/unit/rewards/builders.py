"""Small builders for tests of rewards: a program, credit, directory facts, as their producers send them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from shared import money, program
from shared.events import credit, directory, exchange, receipt
from shared.events import program as program_events
from shared.events.base import Contract, Money
from shared.events.credit import MAX_TOUCHPOINTS_PER_SHARE, CreditDecided, Share, Status
from shared.events.directory import PartnerUpserted
from shared.events.exchange import RatePublished
from shared.events.program import ProgramActivated
from shared.events.receipt import Movement, ReceiptRecorded
from shared.message import Message
from shared.program import Program

CLOSED = date(2026, 3, 2)
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
"""Eight days after the close: inside a hold of 30 days."""
LATER = datetime(2026, 5, 1, tzinfo=UTC)
"""After every hold of 30 days."""

_offsets = itertools.count()


def document(
    version: int = 1, *, rates: Mapping[str, str] | None = None, hold: str = "30 days", zone: str = "UTC",
    plans: Mapping[str, Any] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """A program document with one plan `influence`, or with these plans."""
    rates = rates or {"silver": "5%", "gold": "8%"}
    return {
        "program": "northwind", "version": version, "effective_from": "2026-01-01", "currency": "USD",
        "time_zone": zone, "activities": {"demo": {"means": "A demonstration."}},
        "attribution": {"model": {"kind": "linear"}},
        "compensation": {"plans": plans or {"influence": {"rate": dict(rates), "hold": hold}}},
        "tiers": {name: {} for name in rates},
    }  # fmt: skip


def typed(version: int = 1, **changes: Any) -> Program:  # noqa: ANN401  whatever `document` takes
    """The same, typed."""
    return program.parse(document(version, **changes))


def decided(
    deal: str, revision: int, shares: Mapping[str, int], *, source: str = "crm", currency: str = "USD",
    governed_on: date = CLOSED, version: int = 1, cause: str = "first decision", status: Status | None = None,
    reason: str | None = None, unattributed: int = 0, touchpoints: int = 1,
) -> CreditDecided:  # fmt: skip
    """Credit of a deal: minor units per partner. Without shares the deal is not won, unless a status says otherwise.

    `touchpoints` are behind each share, `unattributed` is nobody's.
    """
    status = status or (Status.CREDITED if shares else Status.NOT_WON)
    total = sum(shares.values()) + unattributed
    won = status is not Status.NOT_WON
    touch = credit.CreditedTouchpoint(source="portal", id="T-1", activity="demo", occurred_at=NOW, share="1/2")
    return CreditDecided(
        source=source, id=deal, name=f"Deal {deal}", revision=revision, status=status, cause=cause, decided_at=NOW,
        governed_on=governed_on if won else None, program="northwind" if won else None,
        program_version=version if won else None, model="linear" if won else None, reason=reason,
        amount=Money.of(total, currency) if won else None,
        unattributed=Money.of(unattributed, currency) if won else None,
        shares=tuple(
            Share(
                partner=name, share=f"{minor}/{total}" if total else "0", amount=Money.of(minor, currency),
                touchpoint_count=touchpoints, touchpoints=(touch,) * min(touchpoints, MAX_TOUCHPOINTS_PER_SHARE),
            )
            for name, minor in shares.items()
        ),
    )  # fmt: skip


def partner(name: str, tier: str = "gold", *, version: int = 1, since: date = date(2026, 1, 1)) -> PartnerUpserted:
    """A directory fact."""
    return PartnerUpserted(
        id=name, version=version, name=f"{name.title()} Ltd", tier=tier, tier_since=since, received_at=NOW
    )


def activated(version: int = 1, **changes: Any) -> ProgramActivated:  # noqa: ANN401  whatever `document` takes
    """A program version as an event."""
    return ProgramActivated(
        program="northwind", version=version, document=document(version, **changes), received_at=NOW
    )


def received(
    name: str, kind: Movement, minor: int | None, deal: str = "D-1", *, on: date = CLOSED, of: str | None = None,
    currency: str = "USD",
) -> ReceiptRecorded:  # fmt: skip
    """Money of a deal in minor units, or without any a customer that left."""
    amount = None if minor is None else Money.of(minor, currency)
    return ReceiptRecorded(source="crm", id=name, deal=deal, kind=kind, amount=amount, of=of, on=on, received_at=NOW)


def published(base: str, quote: str, rate: str, *, on: date = CLOSED, source: str = "ecb") -> RatePublished:
    """An exchange rate."""
    return RatePublished(source=source, base=base, quote=quote, rate=rate, on=on, received_at=NOW)


def planned(version: int = 1, *, plans: Mapping[str, Any], **compensation: object) -> ProgramActivated:
    """A program version with these plans, and more words of its compensation."""
    content = document(version, plans=plans)
    content["compensation"] |= compensation
    return ProgramActivated(program="northwind", version=version, document=content, received_at=NOW)


_TYPES = {
    CreditDecided: (credit.TOPIC, credit.DECIDED),
    PartnerUpserted: (directory.TOPIC, directory.PARTNER_UPSERTED),
    RatePublished: (exchange.TOPIC, exchange.PUBLISHED),
    ReceiptRecorded: (receipt.TOPIC, receipt.RECORDED),
    ProgramActivated: (program_events.TOPIC, program_events.ACTIVATED),
}


def message(event: Contract) -> Message:
    """The event as the consumer hands it to the handler."""
    topic, kind = _TYPES[type(event)]
    return raw(event.model_dump_json().encode(), topic=topic, kind=kind)


def raw(value: bytes, *, topic: str = credit.TOPIC, kind: str | None = credit.DECIDED) -> Message:
    """A message of any content."""
    return Message(topic, 0, next(_offsets), None, kind, value, None, ())


def messages(*events: Contract) -> Sequence[Message]:
    """Several at once."""
    return [message(event) for event in events]


def usd(minor: int) -> dict[str, str]:
    """Money as the API shows it."""
    return {"amount": money.to_decimal(minor, "USD"), "currency": "USD"}
