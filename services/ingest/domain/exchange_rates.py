"""Exchange rates: what one currency was worth in another on a day, as the key's own source quotes it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal

import orjson
from pydantic import AfterValidator, Field, StringConstraints, with_config
from typing_extensions import TypedDict

from services.ingest.domain.batch import Numbered, Objection, Shape, repeated
from services.ingest.domain.fields import MAX_WORD, STRICT, Currency, Day
from shared import keys
from shared.events import exchange
from shared.events.envelope import Event

MAX_DIGITS: Final = 12
"""Digits before and behind the point, as in `shared.events.exchange`: no currency is worth more of another, or less."""

MAX_AHEAD: Final = timedelta(days=1)
"""How far the day may lie ahead of the day in UTC; a rate never changes, so a mistyped year would stand for ever."""

_RATE: Final = re.compile(rf"(\d{{1,{MAX_DIGITS}}})(?:\.(\d{{1,{MAX_DIGITS}}}))?", re.ASCII)


def _rate(value: str) -> str:
    """The rate in its one spelling: `1.0840` and `1.084` are the same statement."""
    match = _RATE.fullmatch(value.strip())
    if match is None:
        raise ValueError(
            f"{value!r} is not a rate; write it like 1.0842, with at most {MAX_DIGITS} digits before and {MAX_DIGITS} "
            "behind the point"
        )
    whole, part = match[1].lstrip("0") or "0", (match[2] or "").rstrip("0")
    if whole == "0" and not part:
        raise ValueError("must be above zero")
    return f"{whole}.{part}" if part else whole


@with_config(STRICT)
class ExchangeRate(TypedDict):
    """One unit of `base` was worth `rate` of `quote` on a day."""

    base: Annotated[Currency, Field(description="ISO 4217, such as EUR.")]
    quote: Annotated[Currency, Field(description="ISO 4217; another one than `base`.")]
    on: Annotated[Day, Field(description="The day it is quoted for; at most a day ahead.")]
    rate: Annotated[
        str,
        StringConstraints(max_length=MAX_WORD),
        AfterValidator(_rate),
        Field(description="A decimal string above zero: what one unit of `base` is worth in `quote`."),
    ]


SHAPE: Final[Shape[ExchangeRate]] = Shape(ExchangeRate, Literal["rate.published"])


def objections(numbered: Numbered[ExchangeRate], now: datetime) -> Iterator[Objection]:
    """Everything wrong with exchange rates of the right form."""
    latest = (now.astimezone(UTC) + MAX_AHEAD).date()
    for index, item in numbered:
        if item["base"] == item["quote"]:
            yield Objection(index, "quote", "is the base itself; name another currency")
        if item["on"] > latest:
            yield Objection(index, "on", "lies more than a day in the future")
    yield from repeated(numbered, _natural_key, "rate")


def events(items: Sequence[ExchangeRate], source: str, now: datetime, traceparent: str | None) -> list[Event]:
    """One `rate.published` per item; the Kafka key is the pair of currencies of the source."""
    result = []
    for item in items:
        data = orjson.dumps({"source": source, **item, "received_at": now}, option=orjson.OPT_UTC_Z)
        key = keys.pack(source, item["base"], item["quote"])
        fact = keys.pack(exchange.PUBLISHED, *_natural_key(item))
        result.append(Event(exchange.TOPIC, key, exchange.PUBLISHED, source, fact, now, data, traceparent))
    return result


def _natural_key(item: ExchangeRate) -> tuple[str, str, str]:
    return item["base"], item["quote"], item["on"].isoformat()
