"""Withdrawals: the sender of a touchpoint takes it back, for ever. What it earned is undone elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Final, Literal

import orjson
from pydantic import Field, with_config
from typing_extensions import TypedDict

from services.ingest.domain.batch import Numbered, Objection, Shape, repeated
from services.ingest.domain.fields import STRICT, Id, Said
from shared import keys
from shared.events import touchpoint
from shared.events.envelope import Event


@with_config(STRICT)
class Withdrawal(TypedDict):
    """One touchpoint that its sender takes back."""

    id: Annotated[Id, Field(description="The touchpoint's id, as you reported it. It may still be on its way.")]
    reason: Annotated[Said, Field(description="Why, for those who see the touchpoint later.")]


SHAPE: Final[Shape[Withdrawal]] = Shape(Withdrawal, Literal["touchpoint.withdrawn"])


def objections(numbered: Numbered[Withdrawal]) -> Iterator[Objection]:
    """Everything wrong with withdrawals of the right form: of two reasons, chance would keep one."""
    yield from repeated(numbered, lambda item: item["id"], "id")


def events(
    items: Sequence[Withdrawal], source: str, partner: str | None, now: datetime, traceparent: str | None
) -> list[Event]:
    """One `touchpoint.withdrawn` per item. Nobody can withdraw what another source, or another partner, reported.

    `partner` is the one the key is bound to, or None for a key of the vendor.
    """
    result = []
    for item in items:
        data = orjson.dumps({"source": source, "partner": partner, **item, "received_at": now}, option=orjson.OPT_UTC_Z)
        key = keys.pack(source, item["id"])
        fact = keys.pack(touchpoint.WITHDRAWN, item["id"])  # the bare id is the touchpoint's own
        result.append(Event(touchpoint.TOPIC, key, touchpoint.WITHDRAWN, source, fact, now, data, traceparent))
    return result
