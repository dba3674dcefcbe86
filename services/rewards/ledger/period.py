"""Closing a month of accounting, and which months there are. The rules are the database's (migrations/posting.sql)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

import asyncpg

_CLOSE: Final = "SELECT outcome, closed_at, closed_by, open_month FROM rewards.close_period($1, $2)"


class Closing(StrEnum):
    """What became of the wish to close a month."""

    CLOSED = "closed"
    ALREADY = "already"
    NOT_OVER = "not over"
    EARLIER_OPEN = "earlier open"


@dataclass(frozen=True, slots=True)
class Answer:
    """`closed_at` and `closed_by` of a closed month; `open_month` is the one that must be closed first."""

    outcome: Closing
    closed_at: datetime | None
    closed_by: str | None
    open_month: date | None


async def close(connection: asyncpg.Connection, month: date, who: str) -> Answer:
    """Close the month that begins on this day, once those who post into it are done. Never commits."""
    row = await connection.fetchrow(_CLOSE, month, who)
    return Answer(Closing(row["outcome"]), row["closed_at"], row["closed_by"], row["open_month"])
