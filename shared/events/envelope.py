"""CloudEvents 1.0 in Kafka's binary mode: attributes travel as headers, the value is the JSON data alone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple

CONTENT_TYPE: Final = b"application/json"
SPEC_VERSION: Final = b"1.0"

Headers = list[tuple[str, bytes]]


class Event(NamedTuple):
    """One outgoing message: CloudEvents attributes, the Kafka topic and key, and the data as JSON bytes.

    A named tuple, because one is made per message.
    """

    topic: str
    key: str
    type: str
    source: str
    id: str
    time: datetime
    data: bytes
    traceparent: str | None = None


def headers(event: Event) -> Headers:
    """The Kafka headers of an event; `ce_source` + `ce_id` identify it for ever."""
    return [*_common(event.type, event.source, event.time, event.traceparent), ("ce_id", event.id.encode())]


@lru_cache(maxsize=256)
def _common(kind: str, source: str, time: datetime, traceparent: str | None) -> Headers:
    """The headers that the events of one request or transaction share, encoded once for all of them."""
    result = [
        ("content-type", CONTENT_TYPE),
        ("ce_specversion", SPEC_VERSION),
        ("ce_source", source.encode()),
        ("ce_type", kind.encode()),
        ("ce_time", time.isoformat().encode()),
    ]
    if traceparent:
        result.append(("traceparent", traceparent.encode()))
    return result


def header(pairs: Iterable[tuple[str, bytes]], name: str) -> str | None:
    """The text of one header, or None; undecodable bytes are replaced, for they are only ever compared or shown."""
    for key, value in pairs:
        if key == name:
            return value.decode("utf-8", "replace") if value is not None else None
    return None
