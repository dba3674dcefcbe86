"""Months of accounting: `GET /rewards/v1/periods` lists them, `POST /rewards/v1/periods/{month}/close` closes one."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path

from services.rewards import doors, queries, trail
from services.rewards.domain import months
from services.rewards.doors import Json, Reading, Shared
from services.rewards.ledger import period
from services.rewards.ledger.period import Closing
from services.rewards.trail import Action
from shared import http
from shared.access import Caller

OVER_EVERYWHERE: Final = timedelta(hours=12)
"""A month ends last twelve hours after it does in UTC; the database waits as long (see `close_period`)."""

Closer = Annotated[Caller, Depends(http.require("rewards:close"))]
Month = Annotated[str, Path(pattern=months.PATTERN, description="YYYY-MM")]

router = APIRouter()


@router.get("/periods", tags=["periods"], dependencies=[Depends(doors.unbound)])
async def list_periods(connection: Reading) -> Json:
    """Months of accounting, oldest first, and the first open one: what counts earlier is booked there from now on."""
    rows = await queries.periods(connection)
    first_open = next((row.month for row in rows if row.closed_at is None), None)
    return {
        "items": [
            {
                "month": months.name(row.month), "closed_at": row.closed_at.isoformat() if row.closed_at else None,
                "closed_by": row.closed_by, "closable_from": _over(row.month).isoformat(),
            }
            for row in rows
        ],
        "first_open": months.name(first_open) if first_open else None,
    }  # fmt: skip


@router.post("/periods/{month}/close", tags=["periods"])
async def close_period(month: Month, caller: Closer, state: Shared) -> Json:
    """Close a month for ever: nothing is booked into it any more. Closing it again changes nothing.

    409 while the month is not over everywhere on earth, or an earlier one is open.
    """
    doors.refuse_bound(caller)
    first = months.first_day(month)
    async with state.database.transaction() as connection:
        answer = await period.close(connection, first, f"{caller.source} {caller.key_id}")
        if answer.outcome is Closing.CLOSED:
            await trail.note(connection, caller, Action.CLOSE, {"month": month}, month)
    if answer.outcome is Closing.NOT_OVER:
        raise http.Problem(409, "Not over", f"{month} can be closed from {_over(first).isoformat()} on.")
    if answer.outcome is Closing.EARLIER_OPEN and answer.open_month is not None:
        raise http.Problem(409, "An earlier month is open", f"Close {months.name(answer.open_month)} first.")
    closed_at = answer.closed_at.isoformat() if answer.closed_at else None
    return {"month": month, "closed_at": closed_at, "closed_by": answer.closed_by}


def _over(month: date) -> datetime:
    following = (month + timedelta(days=31)).replace(day=1)
    return datetime.combine(following, time.min, UTC) + OVER_EVERYWHERE
