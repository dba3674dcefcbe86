"""The SQL of orders to re-rate: filed once per request key, for ever, with the deals they concern marked. No commit."""

from __future__ import annotations

import hashlib
from dataclasses import astuple, dataclass
from datetime import date
from typing import Final

import asyncpg
import orjson

from services.rewards import store
from shared.access import Caller

_FILE: Final = """
INSERT INTO rewards.rerate (idempotency_key, fingerprint, program, version, first, last, reason, reference, ordered_by,
    ordered_source)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING RETURNING rerate_id
"""
_FILED: Final = "SELECT rerate_id, fingerprint FROM rewards.rerate WHERE idempotency_key = $1"
_MARK: Final = """
INSERT INTO rewards.dirty (key)
SELECT DISTINCT deal_key FROM rewards.credit_snapshot WHERE program = $1 AND governed_on BETWEEN $2 AND $3
"""
_DOCUMENT: Final = "SELECT document FROM rewards.program_version WHERE program = $1 AND version = $2"


@dataclass(frozen=True, slots=True)
class Order:
    """What was ordered: deals of `program` closed from `first` to `last` pay by its version `version`."""

    program: str
    version: int
    first: date
    last: date
    reason: str
    reference: str

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 of all of it: the same request key with another fingerprint is another order."""
        return hashlib.sha256(orjson.dumps(astuple(self))).digest()


@dataclass(frozen=True, slots=True)
class Filed:
    """An order on file. `fresh` when this call put it there, `same` when it asks for what is on file."""

    rerate_id: int
    fresh: bool
    same: bool


async def file(connection: asyncpg.Connection, order: Order, key: str, caller: Caller) -> Filed:
    """Put an order on file under its request key and mark its deals, or find what is there.

    Alone with the facts: a credit that is being stored meanwhile must not miss it.
    """
    await store.alone(connection)
    made = await connection.fetchval(
        _FILE, key, order.fingerprint, order.program, order.version, order.first, order.last, order.reason,
        order.reference, caller.key_id, caller.source,
    )  # fmt: skip
    if made is not None:
        await connection.execute(_MARK, order.program, order.first, order.last)
        return Filed(made, fresh=True, same=True)
    row = await connection.fetchrow(_FILED, key)  # a second statement: the first one's snapshot is too old to see it
    return Filed(row["rerate_id"], fresh=False, same=row["fingerprint"] == order.fingerprint)


async def document(connection: asyncpg.Connection, program: str, version: int) -> str | None:
    """The document of a program version as JSON, or None."""
    found: str | None = await connection.fetchval(_DOCUMENT, program, version)
    return found
