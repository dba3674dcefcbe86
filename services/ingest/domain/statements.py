"""What all statements about identity have in common: an id and a version, a first day, evidence, and a way back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, NotRequired, TypeVar

import orjson
from pydantic import Field, with_config
from typing_extensions import TypedDict

from services.ingest.domain.batch import Numbered, Objection, repeated
from services.ingest.domain.fields import STRICT, Day, Flag, Id, Said, Version, present
from shared import keys
from shared.events import directory
from shared.events.envelope import Event

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@with_config(STRICT)
class Statement(TypedDict):
    """A statement about who is who, under an id of the sender's own."""

    id: Annotated[Id, Field(description="The statement's id, yours for ever: a later version of it takes its place.")]
    version: NotRequired[
        Annotated[Version | None, Field(description="Grows with every change; by default now, in microseconds.")]
    ]
    effective_from: NotRequired[
        Annotated[Day | None, Field(description="It concerns deals closed from this day on; without it, all deals.")]
    ]
    undone: NotRequired[Annotated[Flag | None, Field(description="Takes the statement back, in a higher version.")]]


@with_config(STRICT)
class Evident(Statement):
    """A statement that moves credit between accounts or partners, and therefore says what shows it."""

    evidence: Annotated[Said, Field(description="What shows it: a link, a document number. For an undoing, why.")]


S = TypeVar("S", bound=Statement)


def version_at(now: datetime) -> int:
    """The version of a statement without one: the present instant in microseconds since 1970."""
    return (now - _EPOCH) // timedelta(microseconds=1)


def contradictions(numbered: Numbered[S]) -> Iterator[Objection]:
    """Statements under the id and version of an earlier one in the request that say something else."""
    return repeated(numbered, lambda item: (item["id"], item.get("version")), "id")


def event(
    kind: str, item: Mapping[str, Any], source: str, now: datetime, traceparent: str | None, key: str | None = None
) -> Event:
    """A statement of this kind on the directory topic, by default under the key of (source, id)."""
    said: dict[str, Any] = {"version": version_at(now), **present(item)}
    data = orjson.dumps({"source": source, **said, "received_at": now}, option=orjson.OPT_UTC_Z)
    fact = keys.pack(kind, said["id"], str(said["version"]))
    return Event(
        directory.TOPIC, key or keys.pack(source, said["id"]), kind, source, fact, now, data, traceparent
    )  # fmt: skip
