"""Two entities that are one partner: what one does counts as the other's, from a day on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from pydantic import Field, with_config

from services.ingest.domain import statements
from services.ingest.domain.batch import Numbered, Objection, Shape
from services.ingest.domain.fields import STRICT, Id, present
from services.ingest.domain.statements import Evident
from shared.events import directory
from shared.events.envelope import Event


@with_config(STRICT)
class PartnerMerge(Evident):
    """One partner that became part of another. `effective_from` is today (UTC) unless the sender says otherwise."""

    partner: Annotated[Id, Field(description="The partner whose touchpoints count as the other's.")]
    into: Annotated[Id, Field(description="The partner who is credited for them.")]


SHAPE: Final[Shape[PartnerMerge]] = Shape(PartnerMerge, Literal["partner.merged"])


def objections(numbered: Numbered[PartnerMerge]) -> Iterator[Objection]:
    """Everything wrong with partner merges of the right form."""
    for index, item in numbered:
        if item["into"] == item["partner"]:
            yield Objection(index, "into", "is the partner itself; name the partner it became part of")
    yield from statements.contradictions(numbered)


def events(items: Sequence[PartnerMerge], source: str, now: datetime, traceparent: str | None) -> list[Event]:
    """One `partner.merged` per item. History is rewritten only when the sender names an earlier day."""
    today = now.astimezone(UTC).date()
    return [
        statements.event(
            directory.PARTNER_MERGED, {"effective_from": today, **present(item)}, source, now, traceparent,
            key=item["partner"],
        )
        for item in items
    ]  # fmt: skip
