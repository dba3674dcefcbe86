"""The trail: one row for every call that changed something, written in the transaction that changes it.

A repeat, or a call that was refused, changed nothing and leaves none.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import asyncpg
import orjson

from shared.access import Caller

_NOTE: Final = """
INSERT INTO rewards.audit (key_id, source, action, request, outcome_id, journal_id) VALUES ($1, $2, $3, $4, $5, $6)
"""


class Action(StrEnum):
    """What was done."""

    PAY = "payment"
    RECOVER = "recovery"
    PROPOSE = "adjustment proposed"
    ADJUST = "adjustment booked"
    APPROVE = "adjustment approved"
    DECLINE = "adjustment declined"
    REVERSE = "journal reversed"
    CLOSE = "month closed"
    RERATE = "re-rate ordered"


async def note(
    connection: asyncpg.Connection, caller: Caller, action: Action, request: Mapping[str, Any], outcome: int | str,
    journal_id: int | None = None,
) -> None:  # fmt: skip
    """Add a row: `request` is what was asked for, `outcome` the id of what came of it. Never commits."""
    await connection.execute(
        _NOTE, caller.key_id, caller.source, action, orjson.dumps(request).decode(), str(outcome), journal_id
    )
