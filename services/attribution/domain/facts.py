"""The facts credit is computed from, reduced to what the computation reads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from shared.events.credit import Status
from shared.events.deal import Stage


class Touch(NamedTuple):
    """A touchpoint. A named tuple, for an account may have a hundred thousand and each is made and read once."""

    source: str
    id: str
    partner: str
    activity: str
    occurred_at: datetime
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Deal:
    """The newest version of a deal. `keyed` tells whether it names its account by a strong key."""

    source: str
    id: str
    stage: Stage
    name: str | None = None
    amount_minor: int | None = None
    currency: str | None = None
    closed_at: datetime | None = None
    keyed: bool = True


@dataclass(frozen=True, slots=True)
class Standing:
    """The newest revision of a deal's credit: what is compared with the target, and what a cause is told from."""

    revision: int
    status: Status
    digest: bytes
    amount_minor: int | None
    currency: str | None
    program: str | None
    program_version: int | None
    governed_on: date | None
    touchpoints: int


def chronological(touch: Touch) -> tuple[datetime, str, str]:
    """The order touchpoints are shown and allocated in: by time, then by natural key, never by arrival."""
    return touch.occurred_at, touch.source, touch.id
