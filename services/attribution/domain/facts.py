"""The facts credit is computed from, reduced to what the computation reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

from shared.events.credit import Status
from shared.events.deal import Kind, Stage

FactKey = tuple[str, str]
"""A natural key: (source, id)."""


class Touch(NamedTuple):
    """A touchpoint. A named tuple, for an account may have a hundred thousand and each is made and read once.

    `partner` is who it counts for; `reported_as` is the partner it was reported for where the two were merged. `keys`
    are its account keys, loaded only where an account's links depend on the date.
    """

    source: str
    id: str
    partner: str
    activity: str
    occurred_at: datetime
    received_at: datetime
    withdrawn: bool = False
    reported_as: str | None = None
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Deal:
    """The newest version of a deal, its amount, margin and first-year value in minor units of one currency.

    `keyed` tells whether its account has a strong key; `account` are the keys whose touchpoints count, `keys` those it
    names itself; `dated` tells that what is its company depends on the date. `admitted` are touchpoints that a reviewer
    let count although they were reported too late.
    """

    source: str
    id: str
    stage: Stage
    name: str | None = None
    amount_minor: int | None = None
    currency: str | None = None
    closed_at: datetime | None = None
    keyed: bool = True
    kind: Kind = Kind.NEW
    region: str | None = None
    product: str | None = None
    created_at: datetime | None = None
    milestones: Mapping[str, datetime] = field(default_factory=dict)
    removed: bool = False
    merged_into: str | None = None
    account: tuple[str, ...] = ()
    admitted: frozenset[FactKey] = frozenset()
    keys: tuple[str, ...] = ()
    dated: bool = False
    margin_minor: int | None = None
    first_year_minor: int | None = None

    @property
    def key(self) -> FactKey:
        return self.source, self.id

    @property
    def counts(self) -> bool:
        """Whether it is won and still a deal of its own."""
        return self.stage is Stage.WON and not self.removed and self.merged_into is None


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
