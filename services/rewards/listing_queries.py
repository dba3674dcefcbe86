"""The reads of the lists of earnings and of entries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.rewards import tables
from services.rewards.domain.accounts import Role
from services.rewards.queries import ITS_LEGS, Period, Row

_JOURNAL, _ENTRY, _ACCOUNT = tables.journal.c, tables.entry.c, tables.account.c


class By(StrEnum):
    """What earnings are added up by, beside their currency."""

    DEAL = "deal"
    PARTNER = "partner"
    PLAN = "plan"
    PERIOD = "period"

    @property
    def columns(self) -> list[sa.ColumnElement[object]]:
        """What makes a line, in the order of the list; the currency is the last."""
        of = {
            By.DEAL: [_JOURNAL.deal_source, _JOURNAL.deal_id],
            By.PARTNER: [_JOURNAL.partner],
            By.PLAN: [_JOURNAL.plan],
            By.PERIOD: [_JOURNAL.period],
        }
        return [*of[self], _ENTRY.currency]


@dataclass(frozen=True, slots=True)
class Which:
    """Which journals are looked at; None admits all. `month` is the first day of a month of accounting."""

    partner: str | None = None
    deal: tuple[str, str] | None = None
    plan: str | None = None
    month: date | None = None
    currency: str | None = None

    def holds(self) -> list[sa.ColumnElement[bool]]:
        """The conditions on a journal and its legs."""
        wanted = (
            (_JOURNAL.partner, self.partner),
            (_JOURNAL.deal_source, self.deal[0] if self.deal else None),
            (_JOURNAL.deal_id, self.deal[1] if self.deal else None),
            (_JOURNAL.plan, self.plan),
            (_JOURNAL.period, self.month),
            (_ENTRY.currency, self.currency),
        )
        return [column == value for column, value in wanted if value is not None]


async def earnings(
    connection: AsyncConnection, which: Which, by: By, *, after: Sequence[object] | None, limit: int
) -> Sequence[Row]:
    """(the columns of `by`, journals, pending, matured) of what plans pay; both sums positive for the partner."""
    owed = -_ENTRY.amount_minor
    sums = [
        sa.func.coalesce(sa.func.sum(owed).filter(_ACCOUNT.role == role), 0).label(name)
        for role, name in ((Role.PENDING, "pending"), (Role.PAYABLE, "matured"))
    ]
    columns = by.columns
    query = (
        sa.select(*columns, sa.func.count(_JOURNAL.journal_id.distinct()).label("journals"), *sums)
        .join_from(tables.journal, tables.entry, ITS_LEGS)
        .join(tables.account, _ENTRY.account_id == _ACCOUNT.account_id)
        .where(_JOURNAL.plan.is_not(None), *which.holds())
        .group_by(*columns)
        .order_by(*columns)
        .limit(limit)
    )
    if by is By.DEAL:
        query = query.where(_JOURNAL.deal_id.is_not(None))
    if after is not None:
        query = query.where(sa.tuple_(*columns) > sa.tuple_(*after))
    return (await connection.execute(query)).all()


async def entries(
    connection: AsyncConnection, which: Which, role: Role | None, period: Period, *, after: tuple[int, int], limit: int
) -> Sequence[Row]:
    """Legs behind (journal, leg) with their journals and accounts, in that order; of a partner, its own accounts'."""
    query = (
        sa.select(
            tables.journal, _ENTRY.leg_no, _ENTRY.currency, _ENTRY.amount_minor, _ENTRY.balance_after, _ACCOUNT.code,
            _ACCOUNT.partner.label("account_partner"),
        )
        .join_from(tables.journal, tables.entry, ITS_LEGS)
        .join(tables.account, _ENTRY.account_id == _ACCOUNT.account_id)
        .where(
            sa.tuple_(_ENTRY.journal_id, _ENTRY.leg_no) > sa.tuple_(*after), _JOURNAL.journal_id >= after[0],
            *which.holds(), *period.holds(_JOURNAL.recorded_at),
        )
        .order_by(_ENTRY.journal_id, _ENTRY.leg_no)
        .limit(limit)
    )  # fmt: skip
    if which.partner is not None:
        query = query.where(_ACCOUNT.partner == which.partner)
    if role is not None:
        query = query.where(_ACCOUNT.role == role)
    return (await connection.execute(query)).all()
