"""The reads of what people did: adjustments with their decisions, orders to re-rate, and the trail."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.rewards import tables
from services.rewards.queries import Period, Row

_OPEN = "proposed"


def _adjustments() -> sa.Select[tuple[object, ...]]:
    asked, decided = tables.adjustment, tables.adjustment_decision.c
    return sa.select(
        asked, sa.func.coalesce(decided.outcome, _OPEN).label("state"), decided.journal_id,
        decided.reason.label("decision_reason"), decided.decided_by, decided.decided_source, decided.decided_at,
    ).join_from(
        asked, tables.adjustment_decision, asked.c.adjustment_id == decided.adjustment_id, isouter=True
    )  # fmt: skip


async def adjustment(connection: AsyncConnection, adjustment_id: int) -> Row | None:
    """One adjustment with its `state` and decision, or None."""
    query = _adjustments().where(tables.adjustment.c.adjustment_id == adjustment_id)
    return (await connection.execute(query)).first()


async def adjustments(
    connection: AsyncConnection, *, partner: str | None, outcome: str | None, after: int, limit: int
) -> Sequence[Row]:  # fmt: skip
    """Adjustments behind the id `after`, of a partner and in a state if these are named."""
    asked = tables.adjustment.c
    query = _adjustments().where(asked.adjustment_id > after).order_by(asked.adjustment_id).limit(limit)
    if partner is not None:
        query = query.where(asked.partner == partner)
    if outcome is not None:
        query = query.where(sa.func.coalesce(tables.adjustment_decision.c.outcome, _OPEN) == outcome)
    return (await connection.execute(query)).all()


async def rerates(
    connection: AsyncConnection, *, program: str | None, after: int, limit: int
) -> Sequence[Row]:  # fmt: skip
    """Orders to re-rate behind the id `after`, of a program if it is named."""
    column = tables.rerate.c
    query = sa.select(tables.rerate).where(column.rerate_id > after).order_by(column.rerate_id).limit(limit)
    if program is not None:
        query = query.where(column.program == program)
    return (await connection.execute(query)).all()


async def audit(
    connection: AsyncConnection, *, key: str | None, period: Period, after: int, limit: int
) -> Sequence[Row]:  # fmt: skip
    """Rows of the trail behind the id `after`."""
    column = tables.audit.c
    query = sa.select(tables.audit).where(column.audit_id > after, *period.holds(column.recorded_at))
    if key is not None:
        query = query.where(column.key_id == key)
    return (await connection.execute(query.order_by(column.audit_id).limit(limit))).all()
