"""The SQL of adjustments: filed once per request key, decided once, both for ever. Never commits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import asyncpg

from services.rewards.domain.accounts import Role
from services.rewards.domain.adjustment import Adjustment
from shared.access import Caller

_FILE: Final = """
INSERT INTO rewards.adjustment (idempotency_key, fingerprint, partner, account, currency, amount_minor, effective_on,
    reason, reference, deal_source, deal_id, against, needs_approval, proposed_by, proposed_source)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
ON CONFLICT DO NOTHING RETURNING adjustment_id
"""
_FILED: Final = "SELECT adjustment_id, fingerprint FROM rewards.adjustment WHERE idempotency_key = $1"
_LOAD: Final = """
SELECT a.*, d.outcome FROM rewards.adjustment a LEFT JOIN rewards.adjustment_decision d USING (adjustment_id)
WHERE a.adjustment_id = $1
"""
_DECIDE: Final = """
INSERT INTO rewards.adjustment_decision (adjustment_id, outcome, journal_id, reason, decided_by, decided_source)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING adjustment_id
"""
_HANDS: Final = """
SELECT key_id FROM rewards.audit WHERE journal_id = $1
UNION SELECT a.proposed_by FROM rewards.adjustment_decision d JOIN rewards.adjustment a USING (adjustment_id)
WHERE d.journal_id = $1
"""


@dataclass(frozen=True, slots=True)
class Filed:
    """An adjustment on file. `fresh` when this call put it there, `same` when it asks for what is on file."""

    adjustment_id: int
    fresh: bool
    same: bool


@dataclass(frozen=True, slots=True)
class OnFile:
    """An adjustment with who asked for it, and its decision: booked, declined, or None."""

    adjustment: Adjustment
    proposed_by: str
    outcome: str | None


async def file(
    connection: asyncpg.Connection, wanted: Adjustment, key: str, caller: Caller, *, needs_approval: bool
) -> Filed:  # fmt: skip
    """Put an adjustment on file under its request key, or find what is there: of two at once the second waits."""
    made = await connection.fetchval(
        _FILE, key, wanted.fingerprint, wanted.partner, wanted.account, wanted.currency, wanted.amount_minor,
        wanted.effective_on, wanted.reason, wanted.reference, wanted.deal_source, wanted.deal_id, wanted.against,
        needs_approval, caller.key_id, caller.source,
    )  # fmt: skip
    if made is not None:
        return Filed(made, fresh=True, same=True)
    row = await connection.fetchrow(_FILED, key)  # a second statement: the first one's snapshot is too old to see it
    return Filed(row["adjustment_id"], fresh=False, same=row["fingerprint"] == wanted.fingerprint)


async def load(connection: asyncpg.Connection, adjustment_id: int) -> OnFile | None:
    """One adjustment and what became of it, or None."""
    row = await connection.fetchrow(_LOAD, adjustment_id)
    if row is None:
        return None
    wanted = Adjustment(
        row["partner"], Role(row["account"]), row["amount_minor"], row["currency"], row["effective_on"],
        row["reason"], row["reference"], row["deal_source"], row["deal_id"], Role(row["against"]),
    )  # fmt: skip
    return OnFile(wanted, row["proposed_by"], row["outcome"])


async def book(connection: asyncpg.Connection, adjustment_id: int, journal_id: int, caller: Caller) -> bool:
    """Note that a journal books the adjustment; False when it was decided before."""
    return await _decide(connection, adjustment_id, "booked", journal_id, None, caller)


async def decline(connection: asyncpg.Connection, adjustment_id: int, reason: str, caller: Caller) -> bool:
    """Note that the adjustment is refused; False when it was decided before."""
    return await _decide(connection, adjustment_id, "declined", None, reason, caller)


async def hands(connection: asyncpg.Connection, journal_id: int) -> set[str]:
    """The ids of the keys that asked for, approved or recorded a journal."""
    return {row["key_id"] for row in await connection.fetch(_HANDS, journal_id)}


async def _decide(
    connection: asyncpg.Connection, adjustment_id: int, outcome: str, journal_id: int | None, reason: str | None,
    caller: Caller,
) -> bool:  # fmt: skip
    made = await connection.fetchval(_DECIDE, adjustment_id, outcome, journal_id, reason, caller.key_id, caller.source)
    return made is not None
