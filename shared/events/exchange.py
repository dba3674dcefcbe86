"""`rate.published`: a source of exchange rates says what a currency was worth on a day."""

from __future__ import annotations

from datetime import date
from typing import Final

from shared.events.base import Contract, Id, Instant

TOPIC: Final = "tributary.exchange-rates"
PUBLISHED: Final = "rate.published"


class RatePublished(Contract):
    """An immutable fact under its natural key (source, base, quote, on): one unit of `base` is `rate` of `quote`.

    `rate` is a decimal string above zero, at most twelve digits before and twelve behind the point.
    """

    source: Id
    base: str
    quote: str
    on: date
    rate: str
    received_at: Instant
