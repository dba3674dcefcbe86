"""`GET /rewards/v1/audit`: who changed what, and when."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from services.rewards import doors, record_queries, record_views
from services.rewards.doors import First, Json, Last, Paged, Reading
from shared.events.base import Id

router = APIRouter()


@router.get("/audit", tags=["audit"], dependencies=[Depends(doors.unbound)])
async def list_audit(
    connection: Reading, page: Paged,
    key: Annotated[Id | None, Query(description="Id of an API key, as `tributary keys list` shows it")] = None,
    first: First = None, last: Last = None,
) -> Json:  # fmt: skip
    """Every call that changed something: key, moment, request, and the id of what came of it. Oldest first."""
    rows = await record_queries.audit(
        connection, key=key, period=doors.period(first, last), after=doors.after(page), limit=page.limit
    )
    return doors.page([record_views.audit(row) for row in rows], page, rows[-1].audit_id if rows else None)
