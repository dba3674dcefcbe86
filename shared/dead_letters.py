"""Messages that can never be stored: kept with origin and reason, published, and limited in number."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

import asyncpg
import orjson

from shared import outbox, topics
from shared.errors import TributaryError
from shared.events import envelope
from shared.message import Message, Refused

LIMIT_WINDOW: Final = 1_000
LIMIT_REFUSED: Final = 200
"""Of the last 1,000 messages at most 200 may be refused: a poison message now and then is put aside, but a bad deploy
must stop the consumer rather than shovel a topic into the dead letters."""
_INSERT: Final = """
INSERT INTO {schema}.dead_letter (topic, partition, "offset", reason, key, value, headers)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING
"""


class TooManyRefused(TributaryError):
    """The limit of dead letters is passed; the consumer stops so that somebody looks."""


class RefusalLimit:
    """Counts refusals over the latest `LIMIT_WINDOW` messages. Pure bookkeeping, no clock."""

    def __init__(self) -> None:
        self._batches: deque[tuple[int, int]] = deque()
        self._messages = 0
        self._refused = 0

    def count(self, messages: int, refused: int) -> None:
        """Add a batch; raises `TooManyRefused` past the limit."""
        self._batches.append((messages, refused))
        self._messages += messages
        self._refused += refused
        while len(self._batches) > 1 and self._messages - self._batches[0][0] >= LIMIT_WINDOW:
            old_messages, old_refused = self._batches.popleft()
            self._messages -= old_messages
            self._refused -= old_refused
        if self._refused > LIMIT_REFUSED and self._refused * LIMIT_WINDOW > LIMIT_REFUSED * self._messages:
            raise TooManyRefused(
                f"{self._refused} of the last {self._messages} messages were refused; the consumer stops so that the "
                "cause is looked at before more is put aside (see the dead_letter table for the reasons so far)"
            )


async def write(connection: asyncpg.Connection, schema: str, refused: Sequence[Refused]) -> None:
    """Keep the refused messages with origin and reason, and publish them, in the transaction that passes them over."""
    await connection.executemany(
        _INSERT.format(schema=schema),
        [
            (m.topic, m.partition, m.offset, r.reason.replace("\x00", "\\0"), (m.key or "").replace("\x00", "\\0"),
             m.value, _headers_json(m))
            for r in refused for m in (r.message,)
        ],
    )  # fmt: skip
    now = await connection.fetchval("SELECT now()")
    await outbox.append(
        connection, schema,
        [
            envelope.Event(
                topic=topics.DEAD_LETTERS, key=f"{m.topic}/{m.partition}", type="message.refused",
                source=f"tributary/{schema}", id=f"{m.topic}/{m.partition}/{m.offset}", time=now,
                data=orjson.dumps({
                    "topic": m.topic, "partition": m.partition, "offset": m.offset, "reason": r.reason,
                    "type": m.type, "value": m.value.decode("utf-8", "replace"),
                }),
                traceparent=m.traceparent,
            )
            for r in refused for m in (r.message,)
        ],
    )  # fmt: skip


def _headers_json(item: Message) -> str:
    text = {name: value.decode("utf-8", "replace").replace("\x00", "\\0") for name, value in item.headers}
    return orjson.dumps(text).decode()
