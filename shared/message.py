"""A Kafka message as the services see it: no client type crosses this line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from aiokafka import ConsumerRecord


class Message(NamedTuple):
    """One Kafka message, with the CloudEvents type and trace from its headers. A named tuple, for speed."""

    topic: str
    partition: int
    offset: int
    key: str | None
    type: str | None
    value: bytes
    traceparent: str | None
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """A message that can never be stored, and why (naming the field)."""

    message: Message
    reason: str


def from_record(record: ConsumerRecord) -> Message:
    """A consumed record as a message; undecodable keys are shown with replacement characters."""
    headers = record.headers
    kind = trace = None
    for name, value in headers:
        if name == "ce_type":
            kind = value.decode("utf-8", "replace")
        elif name == "traceparent":
            trace = value.decode("ascii", "replace")
    key = record.key.decode("utf-8", "replace") if record.key is not None else None
    return Message(record.topic, record.partition, record.offset, key, kind, record.value or b"", trace, headers)
