"""The facts of one type in a batch of messages: one per natural key, with the trace and the body of each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from services.attribution.domain import parse
from services.attribution.store import Conflict
from shared.errors import Invalid
from shared.message import Message, Refused

Key = tuple[str | int, ...]


class Fingerprinted(Protocol):
    """A row that a repeat must equal."""

    @property
    def fingerprint(self) -> bytes: ...


Row = TypeVar("Row", bound=Fingerprinted)


@dataclass(slots=True)
class Batch(Generic[Row]):
    """Rows by natural key, the message of each, and what contradicted them."""

    rows: dict[Key, Row] = field(default_factory=dict)
    messages: dict[Key, Message] = field(default_factory=dict)
    conflicts: list[Conflict] = field(default_factory=list)

    def trace(self, *natural_key: str | int) -> str | None:
        return self.messages[natural_key].traceparent

    def contradict(self, kind: str, key: Key, *, version: int | None = None) -> None:
        """Note that the row of a key contradicts what is stored; `version` where the key holds none."""
        full = key if version is None else (*key, version)
        self.conflicts.append(conflict(kind, full, self.rows[key].fingerprint, self.messages[key]))


def read(
    messages: Sequence[Message], types: Collection[str], parse_row: Callable[[bytes], Row],
    key_of: Callable[[Row], Key], name: str, refused: list[Refused],
) -> Batch[Row]:  # fmt: skip
    """The facts of one type; what does not parse is added to `refused`, a second body of one key to the conflicts."""
    batch: Batch[Row] = Batch()
    for message in messages:
        if message.type not in types:
            continue
        try:
            row = parse_row(message.value)
        except Invalid as error:
            refused.append(Refused(message, str(error)))
            continue
        key = key_of(row)
        if batch.rows.setdefault(key, row).fingerprint != row.fingerprint:
            batch.conflicts.append(conflict(name, key, row.fingerprint, message))
        else:
            batch.messages.setdefault(key, message)
    return batch


def conflict(kind: str, key: Key, fingerprint: bytes, message: Message) -> Conflict:
    """A conflict under a natural key of (source, id, version)."""
    source, name, version = key
    return Conflict(kind, str(source), str(name), int(version), fingerprint, parse.as_json(message.value))
