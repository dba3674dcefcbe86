"""Deals: snapshots of what a CRM shows, checked and made events. Who is credited is decided elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal, NotRequired

import orjson
from pydantic import Field, with_config
from typing_extensions import TypedDict

from services.ingest.domain.batch import Numbered, Objection, Shape, repeated
from services.ingest.domain.fields import (
    MAX_ENTRIES,
    STRICT,
    Account,
    ExactAmount,
    Id,
    Instant,
    Name,
    Version,
    keyless,
    present,
)
from shared import keys
from shared.events import deal
from shared.events.envelope import Event

MAX_AHEAD: Final = timedelta(hours=24)
"""How far a close may lie ahead: many CRMs know the day alone, and somewhere that day has already begun."""


@with_config(STRICT)
class Deal(TypedDict):
    """A deal as the CRM shows it at one version."""

    id: Annotated[Id, Field(description="The deal's id in the CRM.")]
    version: Annotated[
        Version, Field(description="Grows with every change, such as the last-modified instant in microseconds.")
    ]
    account: NotRequired[
        Annotated[Account | None, Field(description="The customer; without it the deal awaits review.")]
    ]
    name: NotRequired[Name | None]
    stage: Literal["open", "won", "lost"]
    amount: NotRequired[Annotated[ExactAmount | None, Field(description="Needed once won; a decimal string.")]]
    created_at: NotRequired[Instant | None]
    closed_at: NotRequired[Annotated[Instant | None, Field(description="Needed once won.")]]
    milestones: NotRequired[Annotated[dict[Id, Instant] | None, Field(max_length=MAX_ENTRIES)]]
    kind: NotRequired[Literal["new", "renewal", "expansion"] | None]


SHAPE: Final[Shape[Deal]] = Shape(Deal, Literal["deal.observed"])


def objections(numbered: Numbered[Deal], now: datetime) -> Iterator[Objection]:
    """Everything wrong with deals of the right form."""
    latest = now + MAX_AHEAD
    for index, item in numbered:
        closed_at = item.get("closed_at")
        account = item.get("account")
        if item["stage"] == "won" and item.get("amount") is None:
            yield Objection(index, "amount", "a won deal needs its amount")
        if item["stage"] == "won" and closed_at is None:
            yield Objection(index, "closed_at", "a won deal needs the date it was closed")
        # An open deal's close date is a forecast, as CRMs use it, and may lie ahead.
        if item["stage"] != "open" and closed_at is not None and closed_at > latest:
            yield Objection(index, "closed_at", "lies more than 24 hours in the future")
        if account is not None and keyless(account):
            yield Objection(index, "account", "must name the account by domain, crm_id or name, or be left out")
    yield from repeated(numbered, lambda item: (item["id"], item["version"]), "version")


def events(items: Sequence[Deal], source: str, now: datetime, traceparent: str | None) -> list[Event]:
    """One `deal.observed` per snapshot; the Kafka key keeps the versions of a deal in one partition."""
    result = []
    for item in items:
        fields = present(item)
        account = item.get("account")
        if account is not None:
            fields["account"] = present(account)
        data = orjson.dumps({"source": source, **fields, "observed_at": now}, option=orjson.OPT_UTC_Z)
        key = keys.pack(source, item["id"])
        fact = keys.pack(item["id"], str(item["version"]))
        result.append(Event(deal.TOPIC, key, deal.OBSERVED, source, fact, now, data, traceparent))
    return result
