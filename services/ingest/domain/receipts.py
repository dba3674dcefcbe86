"""Receipts: what the customer of a deal has paid, what went back to it, or that it left. A receipt never changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal, NotRequired

import orjson
from pydantic import Field, with_config
from typing_extensions import TypedDict

from services.ingest.domain.batch import Numbered, Objection, Shape, repeated
from services.ingest.domain.fields import STRICT, Day, Id, PositiveAmount, present
from shared import keys
from shared.events import receipt
from shared.events.envelope import Event

MAX_AHEAD: Final = timedelta(days=1)
"""How far the day may lie ahead of the day in UTC: somewhere it has already begun."""

_OF: Final = (
    "The payment that a refund or a chargeback takes back. Those of one payment are one reversal: the larger of its "
    "refunds and its chargebacks counts."
)
_TAKES_BACK: Final = ("refund", "chargeback")


@with_config(STRICT)
class Receipt(TypedDict):
    """Money of a deal that came in or went back, or the end of the customer's contract."""

    id: Annotated[Id, Field(description="Yours, and yours for ever: a repeat with the same id changes nothing.")]
    deal: Annotated[Id, Field(description="The deal's id; the deal is of the key's own source, and may come later.")]
    kind: Literal["payment", "refund", "chargeback", "churn"]
    amount: NotRequired[Annotated[PositiveAmount | None, Field(description="Above zero; `churn` alone has none.")]]
    of: NotRequired[Annotated[Id | None, Field(description=_OF)]]
    on: Annotated[Day, Field(description="The day the money moved, or the customer left; at most a day ahead.")]


SHAPE: Final[Shape[Receipt]] = Shape(Receipt, Literal["receipt.recorded"])


def objections(numbered: Numbered[Receipt], now: datetime) -> Iterator[Objection]:
    """Everything wrong with receipts of the right form."""
    latest = (now.astimezone(UTC) + MAX_AHEAD).date()
    for index, item in numbered:
        kind, has_amount = item["kind"], item.get("amount") is not None
        if kind == "churn" and has_amount:
            yield Objection(index, "amount", "must be left out: a customer that leaves moves no money by that")
        if kind != "churn" and not has_amount:
            yield Objection(index, "amount", f"a {kind} needs its amount")
        if item.get("of") is not None and kind not in _TAKES_BACK:
            yield Objection(index, "of", f"must be left out: a {kind} takes no payment back")
        if item.get("of") == item["id"]:
            yield Objection(index, "of", "names the receipt itself; name the payment it takes back")
        if item["on"] > latest:
            yield Objection(index, "on", "lies more than a day in the future")
    yield from repeated(numbered, lambda item: item["id"], "id")


def events(items: Sequence[Receipt], source: str, now: datetime, traceparent: str | None) -> list[Event]:
    """One `receipt.recorded` per item; the Kafka key is that of its deal."""
    result = []
    for item in items:
        data = orjson.dumps({"source": source, **present(item), "received_at": now}, option=orjson.OPT_UTC_Z)
        key = keys.pack(source, item["deal"])
        fact = keys.pack(receipt.RECORDED, item["id"])  # the bare id may be that of a touchpoint
        result.append(Event(receipt.TOPIC, key, receipt.RECORDED, source, fact, now, data, traceparent))
    return result
