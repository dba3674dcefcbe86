"""Touchpoints: what a partner did, checked against the program, the clock and the right of the key, and made events.

This is the hot path: plain dictionaries, one pass for the checks, one for the events.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal, NotRequired

import orjson
from pydantic import Field, with_config
from typing_extensions import TypedDict

from services.ingest.domain.batch import Numbered, Objection, Shape, repeated, unknown
from services.ingest.domain.fields import (
    MAX_ENTRIES,
    NAMED_BY,
    STRICT,
    Account,
    Id,
    Instant,
    Text,
    keyless,
    present,
)
from shared.events import touchpoint
from shared.events.account import DEFAULT_CRM
from shared.events.envelope import Event

MAX_SKEW: Final = timedelta(minutes=5)
"""How far a sender's clock may be ahead of ours."""


@with_config(STRICT)
class Touchpoint(TypedDict):
    """One touchpoint as its sender states it."""

    id: Annotated[Id, Field(description="Yours, and yours for ever: a repeat with the same id changes nothing.")]
    partner: Annotated[Id, Field(description="The partner who did it.")]
    account: Annotated[Account, Field(description="The customer: by domain or CRM id; a name alone waits for review.")]
    activity: Annotated[Id, Field(description="One of the program's activities.")]
    occurred_at: Annotated[Instant, Field(description="When it happened, with its time zone.")]
    evidence: NotRequired[Annotated[Text | None, Field(description="What shows it: a link, a document number.")]]
    details: NotRequired[Annotated[dict[Id, Text] | None, Field(max_length=MAX_ENTRIES)]]
    reported_at: NotRequired[
        Annotated[Instant | None, Field(description="When it was first reported; needs the scope touchpoints:history.")]
    ]


SHAPE: Final[Shape[Touchpoint]] = Shape(Touchpoint, Literal["touchpoint.recorded"])


@dataclass(frozen=True, slots=True)
class Rules:
    """What a touchpoint is checked against. `partner` is the only one the key may post for, or None for any."""

    activities: frozenset[str]
    now: datetime
    partner: str | None
    history: bool

    def objections(self, numbered: Numbered[Touchpoint]) -> Iterator[Objection]:
        """Everything wrong with touchpoints of the right form."""
        latest = self.now + MAX_SKEW
        for index, item in numbered:
            if item["activity"] not in self.activities:
                yield Objection(index, "activity", unknown("activity", item["activity"], self.activities))
            if item["occurred_at"] > latest:
                yield Objection(index, "occurred_at", "lies in the future")
            if keyless(item["account"]):
                yield Objection(index, "account", f"must name the account by {NAMED_BY}")
            if self.partner is not None and item["partner"] != self.partner:
                message = f"this API key may post for {self.partner!r} alone"
                yield Objection(index, "partner", message, forbidden=True)
            reported_at = item.get("reported_at")
            if reported_at is not None:
                yield from self._objections_to_report(index, reported_at)
        yield from repeated(numbered, lambda item: item["id"], "id")

    def _objections_to_report(self, index: int, reported_at: datetime) -> Iterator[Objection]:
        if not self.history:
            message = "only a key with the scope touchpoints:history may say when it was reported"
            yield Objection(index, "reported_at", message, forbidden=True)
        elif reported_at > self.now:
            yield Objection(index, "reported_at", "lies in the future")


def events(items: Sequence[Touchpoint], source: str, now: datetime, traceparent: str | None) -> list[Event]:
    """One `touchpoint.recorded` per item, received now or, for history, when it was reported."""
    result = []
    for item in items:
        fields = present(item)
        received_at = fields.pop("reported_at", now)
        account = fields["account"] = present(item["account"])
        data = orjson.dumps({"source": source, **fields, "received_at": received_at}, option=orjson.OPT_UTC_Z)
        result.append(
            Event(touchpoint.TOPIC, hint(account), touchpoint.RECORDED, source, item["id"], now, data, traceparent)
        )
    return result


def hint(account: dict[str, object]) -> str:
    """The Kafka key: `AccountRef.hint` of a plain dictionary (a test holds them equal)."""
    if crm_id := account.get("crm_id"):
        return f"crm:{account.get('crm', DEFAULT_CRM)}:{crm_id}"
    for kind in ("duns", "vat", "domain"):
        if value := account.get(kind):
            return f"{kind}:{value}"
    return f"name:{account.get('name')}"
