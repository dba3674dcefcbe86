"""Partners: who they are, and the tier each holds from a day on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, Literal, NotRequired

import orjson
from pydantic import Field, with_config
from typing_extensions import TypedDict

from services.ingest.domain import statements
from services.ingest.domain.batch import Numbered, Objection, Shape, repeated, unknown
from services.ingest.domain.fields import STRICT, Currency, Day, Id, Name, Version, present
from shared import keys
from shared.events import directory
from shared.events.envelope import Event


@with_config(STRICT)
class PartnerBody(TypedDict):
    """A partner, its id being in the address."""

    name: Name
    tier: Annotated[Id, Field(description="One of the program's tiers.")]
    tier_since: Annotated[Day, Field(description="The day the tier counts from; earlier deals keep the tier before.")]
    kind: NotRequired[Annotated[Id | None, Field(description="Such as reseller, consultant, distributor.")]]
    recruiter: NotRequired[
        Annotated[Id | None, Field(description="The partner that brought this one; plans may pay it beside this one.")]
    ]
    currency: NotRequired[
        Annotated[Currency | None, Field(description="What it is paid in where the program pays each in its own.")]
    ]
    version: NotRequired[
        Annotated[Version | None, Field(description="Grows with every change; by default now, in microseconds.")]
    ]


@with_config(STRICT)
class Partner(PartnerBody):
    """A partner in an array."""

    id: Id


BODY: Final[Shape[PartnerBody]] = Shape(PartnerBody, Literal["partner.upserted"])
SHAPE: Final[Shape[Partner]] = Shape(Partner, Literal["partner.upserted"])


@dataclass(frozen=True, slots=True)
class Rules:
    """`tiers` are those of all program versions (a tier's date may lie in the past), or None without a program."""

    tiers: frozenset[str] | None

    def body_objections(self, numbered: Numbered[PartnerBody], partner: str) -> Iterator[Objection]:
        """Everything wrong with what is said of the partner whose id is in the address."""
        for index, item in numbered:
            yield from self._of_one(index, item, partner)

    def objections(self, numbered: Numbered[Partner]) -> Iterator[Objection]:
        """Everything wrong with partners of the right form."""
        for index, item in numbered:
            yield from self._of_one(index, item, item["id"])
        yield from repeated(numbered, lambda item: (item["id"], item.get("version")), "id")

    def _of_one(self, index: int, item: PartnerBody, partner: str) -> Iterator[Objection]:
        if self.tiers is not None and item["tier"] not in self.tiers:
            yield Objection(index, "tier", unknown("tier", item["tier"], self.tiers))
        if item.get("recruiter") == partner:
            yield Objection(index, "recruiter", "is the partner itself; name the partner that brought it, or none")


def events(items: Sequence[Partner], source: str, now: datetime, traceparent: str | None) -> list[Event]:
    """One `partner.upserted` per item."""
    return [_event(item, source, now, traceparent) for item in items]


def _event(item: Mapping[str, object], source: str, now: datetime, traceparent: str | None) -> Event:
    fields = {"version": statements.version_at(now), **present(item)}
    partner = str(fields["id"])
    data = orjson.dumps({**fields, "received_at": now}, option=orjson.OPT_UTC_Z)
    fact = keys.pack(partner, str(fields["version"]))
    return Event(directory.TOPIC, partner, directory.PARTNER_UPSERTED, source, fact, now, data, traceparent)
