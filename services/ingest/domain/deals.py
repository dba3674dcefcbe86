"""Deals: snapshots of what a CRM shows, checked and made events. Who is credited is decided elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal, NotRequired

import orjson
from pydantic import Field, with_config
from typing_extensions import TypedDict

from services.ingest.domain.batch import SHOWN_STEP, Numbered, Objection, Shape, repeated
from services.ingest.domain.fields import (
    MAX_ENTRIES,
    NAMED_BY,
    STRICT,
    Account,
    BaseAmount,
    ExactAmount,
    Flag,
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
"""How far a close or a milestone may lie ahead: many CRMs know the day alone, and somewhere it has already begun."""

_MILESTONES: Final = (
    "Instants by name, at most 24 hours ahead. Names are free; `lead_created` and `opportunity_created` are known to "
    "programs (the latter is `created_at` unless named here)."
)
_BASES: Final = ("margin", "first_year_value")
_MARGIN: Final = "What the vendor earns by it, for plans that pay by it; in the currency of `amount`."
_FIRST_YEAR_VALUE: Final = "What its first year is worth, for plans that pay by it; in the currency of `amount`."
_REMOVED: Final = "The CRM has removed it: it earns nothing from now on, and needs no amount and no close."
_MERGED_INTO: Final = "The id of the deal that took this one's place in the CRM: this one earns nothing from now on."


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
    amount: NotRequired[
        Annotated[ExactAmount | None, Field(description="Needed once won; a decimal string; see `removed`.")]
    ]
    created_at: NotRequired[Instant | None]
    closed_at: NotRequired[Annotated[Instant | None, Field(description="Needed once won; see `removed`.")]]
    milestones: NotRequired[Annotated[dict[Id, Instant] | None, Field(max_length=MAX_ENTRIES, description=_MILESTONES)]]
    kind: NotRequired[Literal["new", "renewal", "expansion"] | None]
    region: NotRequired[Annotated[Id | None, Field(description="Where it is sold, as the program names regions.")]]
    product: NotRequired[Annotated[Id | None, Field(description="What is sold, as the program names products.")]]
    margin: NotRequired[Annotated[BaseAmount | None, Field(description=_MARGIN)]]
    first_year_value: NotRequired[Annotated[BaseAmount | None, Field(description=_FIRST_YEAR_VALUE)]]
    removed: NotRequired[Annotated[Flag | None, Field(description=_REMOVED)]]
    merged_into: NotRequired[Annotated[Id | None, Field(description=_MERGED_INTO)]]


SHAPE: Final[Shape[Deal]] = Shape(Deal, Literal["deal.observed"])


def objections(numbered: Numbered[Deal], now: datetime) -> Iterator[Objection]:
    """Everything wrong with deals of the right form."""
    latest = now + MAX_AHEAD
    for index, item in numbered:
        closed_at = item.get("closed_at")
        account = item.get("account")
        # A deal that is gone earns nothing, whatever it was: it need not say what it would have earned.
        earns = item["stage"] == "won" and not item.get("removed") and item.get("merged_into") is None
        if earns and item.get("amount") is None:
            yield Objection(index, "amount", "a won deal needs its amount")
        if earns and closed_at is None:
            yield Objection(index, "closed_at", "a won deal needs the date it was closed")
        # An open deal's close date is a forecast, as CRMs use it, and may lie ahead.
        if item["stage"] != "open" and closed_at is not None and closed_at > latest:
            yield Objection(index, "closed_at", "lies more than 24 hours in the future")
        if account is not None and keyless(account):
            yield Objection(index, "account", f"must name the account by {NAMED_BY}, or be left out")
        if item.get("merged_into") == item["id"]:
            yield Objection(index, "merged_into", "names the deal itself; name the deal that took its place")
        for name, instant in (item.get("milestones") or {}).items():
            if instant > latest:
                yield Objection(index, f"milestones.{name[:SHOWN_STEP]}", "lies more than 24 hours in the future")
        yield from _objections_to_bases(index, item)
    yield from repeated(numbered, lambda item: (item["id"], item["version"]), "version")


def _objections_to_bases(index: int, item: Deal) -> Iterator[Objection]:
    """Bases of pay in another currency than the amount, to which no plan could apply its rate."""
    amount = item.get("amount")
    if amount is None:
        return
    given: Mapping[str, Any] = item
    for name in _BASES:
        base = given.get(name)
        if base is not None and base["currency"] != amount["currency"]:
            yield Objection(index, name, f"must be in {amount['currency']}, the currency of the amount")


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
