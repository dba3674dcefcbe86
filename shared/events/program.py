"""`program.activated`: a new immutable version of the partner program, as its owner wrote it."""

from __future__ import annotations

from typing import Final

from pydantic import JsonValue

from shared.events.base import Contract, Id, Instant

TOPIC: Final = "tributary.program"
ACTIVATED: Final = "program.activated"


class ProgramActivated(Contract):
    """A fact under its natural key (program, version). `shared.program.parse(document)` gives its typed form."""

    program: Id
    version: int
    document: dict[str, JsonValue]
    received_at: Instant
