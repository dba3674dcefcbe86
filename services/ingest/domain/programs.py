"""A program version on its way into the log, and what all known versions together allow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from shared import keys
from shared.events import program as contract
from shared.events.envelope import Event
from shared.program import Program


@dataclass(frozen=True, slots=True)
class Known:
    """All program versions seen. Activities and tiers are those of any version, for facts may concern the past."""

    documents: Mapping[tuple[str, int], Mapping[str, Any]] = field(default_factory=dict)
    activities: frozenset[str] = frozenset()
    tiers: frozenset[str] = frozenset()

    def with_version(self, program: Program, document: Mapping[str, Any]) -> Known:
        """The same and one more version; a version already known stays as it was first activated."""
        return Known(
            {(program.program, program.version): document, **self.documents},
            self.activities | program.activities.keys(),
            self.tiers | program.tiers.keys(),
        )

    def contradicts(self, program: Program, document: Mapping[str, Any]) -> bool:
        """Whether this version was activated with another text; versions are immutable."""
        return self.documents.get((program.program, program.version), document) != document


def event(program: Program, document: Mapping[str, Any], source: str, now: datetime, traceparent: str | None) -> Event:
    """`program.activated` with the whole document."""
    data = orjson.dumps(
        {"program": program.program, "version": program.version, "document": document, "received_at": now},
        option=orjson.OPT_UTC_Z,
    )
    fact = keys.pack(program.program, str(program.version))
    return Event(contract.TOPIC, program.program, contract.ACTIVATED, source, fact, now, data, traceparent)
