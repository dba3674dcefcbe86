"""Who may do what: API keys with scopes, an optional partner they are bound to, an expiry, and revocation at once.

A token is `trb_` and 43 random characters; only its SHA-256 is stored. A random token of 256 bits needs no slow hash.
Every request looks its key up, so a revoked key is refused from the next request on.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from shared.errors import Fault, Invalid

PREFIX: Final = "trb_"
_TOKEN_BYTES: Final = 32
ALL: Final = "*"
SCOPES: Final = {
    "touchpoints:write": "post touchpoints",
    "touchpoints:history": "say when a touchpoint was first reported elsewhere (imports of past years)",
    "deals:write": "post deals",
    "receipts:write": "post what customers paid, got back, or that they left",
    "exchange-rates:write": "post exchange rates",
    "partners:write": "create and change partners",
    "accounts:write": "state which names belong to one customer, and undo it",
    "programs:write": "activate program versions",
    "attribution:read": "read credit, explanations and touchpoints",
    "attribution:review": "read the review list",
    "attribution:decide": "decide what waits in the review list",
    "rewards:read": "read balances, journals, earnings and exports",
    "rewards:pay": "record payments, and what partners owe and pay back",
    "rewards:adjust": "book or propose adjustments, take back payments and adjustments, order re-rates",
    "rewards:approve": "approve or decline what needs a second key",
    "rewards:close": "close months of accounting",
    ALL: "everything",
}

metadata: Final = sa.MetaData(schema="access")
api_key: Final = sa.Table(
    "api_key", metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("scopes", pg.ARRAY(sa.Text), nullable=False),
    sa.Column("partner", sa.Text),
    sa.Column("token_hash", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("expires_at", sa.DateTime(timezone=True)),
    sa.Column("revoked_at", sa.DateTime(timezone=True)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated key. `source` is the first half of the natural key of every fact it posts."""

    key_id: str
    source: str
    scopes: frozenset[str]
    partner: str | None

    def holds(self, scope: str) -> bool:
        return scope in self.scopes or ALL in self.scopes

    def may_act_for(self, partner: str) -> bool:
        """A key bound to a partner acts for that partner alone."""
        return self.partner is None or self.partner == partner


async def authenticate(pool: asyncpg.Pool, token: str) -> Caller | None:
    """The caller behind a token, or None when it is unknown, expired or revoked.

    The lookup compares SHA-256 hashes in an index: an attacker cannot steer a hash, so its timing tells nothing.
    """
    row = await pool.fetchrow(
        "SELECT id, source, scopes, partner FROM access.api_key "
        "WHERE token_hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())",
        _hash(token),
    )
    return Caller(row["id"], row["source"], frozenset(row["scopes"]), row["partner"]) if row else None


async def create_key(
    connection: asyncpg.Connection, *, name: str, source: str, scopes: list[str], partner: str | None = None,
    expires_at: datetime | None = None,
) -> tuple[str, str]:  # fmt: skip
    """Store a new key and return (key id, token). The token is shown this once and cannot be read back.

    Raises `Invalid` naming an unknown scope.
    """
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        known = ", ".join(SCOPES)
        raise Invalid(
            Fault("scopes", f"unknown scope {unknown[0]!r}; choose from {known}" if unknown else "give at least one")
        )
    key_id = "key_" + secrets.token_hex(6)
    token = PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)
    await connection.execute(
        "INSERT INTO access.api_key (id, name, source, scopes, partner, token_hash, expires_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7)",
        key_id, name, source, scopes, partner, _hash(token), expires_at,
    )  # fmt: skip
    return key_id, token


async def list_keys(connection: asyncpg.Connection) -> list[asyncpg.Record]:
    """Every key ever made, newest first, without its token."""
    rows: list[asyncpg.Record] = await connection.fetch(
        "SELECT id, name, source, scopes, partner, created_at, expires_at, revoked_at FROM access.api_key "
        "ORDER BY created_at DESC, id"
    )
    return rows


async def revoke_key(connection: asyncpg.Connection, key_id: str) -> bool:
    """Refuse the key from now on; False when there is no such key that is not already revoked."""
    status = await connection.execute(
        "UPDATE access.api_key SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL", key_id
    )
    return bool(status == "UPDATE 1")


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
