"""Outgoing events are rows written in the caller's transaction: they exist exactly when its effect does."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from shared.events.envelope import Event

_INSERT = """
INSERT INTO {schema}.outbox (topic, key, type, source, event_id, time, data, traceparent)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::bytea[], $8::text[])
"""


async def append(connection: asyncpg.Connection, schema: str, events: Sequence[Event]) -> None:
    """Add events to the outbox of `schema`; `shared.relay` publishes them after the commit. Never commits."""
    if not events:
        return
    columns = zip(
        *((e.topic, e.key, e.type, e.source, e.id, e.time, e.data, e.traceparent) for e in events), strict=True
    )
    await connection.execute(_INSERT.format(schema=schema), *map(list, columns))
