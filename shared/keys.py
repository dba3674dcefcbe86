"""Compound natural keys as one text: used where a topic or a column holds a single key."""

from __future__ import annotations

import orjson


def pack(*parts: str) -> str:
    """`pack("crm", "D-1") == '["crm","D-1"]'`: unambiguous whatever characters the parts hold."""
    return orjson.dumps(parts).decode()


def unpack(key: str) -> tuple[str, ...]:
    """The parts of a packed key."""
    return tuple(orjson.loads(key))
