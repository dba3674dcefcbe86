"""All reads of the API, as SQLAlchemy selects. Days are UTC days of booking: what was shown for a past one stays so."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.rewards import tables

Row = sa.Row[*tuple[Any, ...]]

FETCH: Final = 500
"""Rows fetched at a time while the books are exported: memory stays flat, and other requests get their turn between."""

ITS_LEGS: Final = sa.and_(
    tables.journal.c.journal_id == tables.entry.c.journal_id, tables.journal.c.recorded_at == tables.entry.c.recorded_at
)
"""A journal and its legs lie in the same month's partitions: the moment of booking leads there."""


@dataclass(frozen=True, slots=True)
class Period:
    """Days from `first` to `last`, both included; None is open."""

    first: date | None = None
    last: date | None = None

    def holds(self, column: sa.ColumnElement[datetime]) -> list[sa.ColumnElement[bool]]:
        """The conditions under which an instant lies in the period."""
        after = [column >= _midnight(self.first)] if self.first else []
        return [*after, *([column < _midnight(self.last + timedelta(days=1))] if self.last else [])]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


async def partner_name(connection: AsyncConnection, partner: str) -> str | None:
    """The partner's newest name, its id when only the ledger knows it, or None when nobody does."""
    version = tables.partner_version.c
    name = await connection.scalar(
        sa.select(version.name).where(version.partner == partner).order_by(version.version.desc()).limit(1)
    )
    if name is not None:
        return str(name)
    account = tables.account.c
    known = await connection.scalar(sa.select(sa.exists().where(account.partner == partner)))
    return partner if known else None


async def balances(connection: AsyncConnection, partner: str | None = None) -> Sequence[Row]:
    """(code, kind, role, partner, currency, posted_minor, version) of a partner's accounts, or of all."""
    account, balance = tables.account.c, tables.balance.c
    query = (
        sa.select(account.code, account.kind, account.role, account.partner, account.currency, balance.posted_minor,
                  balance.version)
        .join_from(tables.account, tables.balance)
        .order_by(account.currency, account.code)
    )  # fmt: skip
    if partner is not None:
        query = query.where(account.partner == partner)
    return (await connection.execute(query)).all()


@dataclass(frozen=True, slots=True)
class Point:
    """What counts up to a day, as the books knew it at a moment; None leaves that side open."""

    as_of: date | None = None
    known_at: datetime | None = None

    @property
    def is_now(self) -> bool:
        return self.as_of is None and self.known_at is None

    def holds(self) -> list[sa.ColumnElement[bool]]:
        """The conditions on a journal and its legs. The second time is asked of both: it chooses their partitions."""
        journal_ = tables.journal.c
        days = [journal_.effective_on <= self.as_of] if self.as_of else []
        booked = [journal_.recorded_at, tables.entry.c.recorded_at] if self.known_at else []
        return [*days, *(column <= self.known_at for column in booked)]


async def balances_at(connection: AsyncConnection, point: Point, partner: str) -> Sequence[Row]:
    """(role, currency, posted_minor) of a partner's accounts: now their balances, else summed from their legs."""
    if point.is_now:
        return await balances(connection, partner)
    entry, account = tables.entry.c, tables.account.c
    query = (
        sa.select(account.role, entry.currency, sa.func.sum(entry.amount_minor).label("posted_minor"))
        .join_from(tables.journal, tables.entry, ITS_LEGS)
        .join(tables.account, entry.account_id == account.account_id)
        .where(tables.journal.c.partner == partner, account.partner == partner, *point.holds())
        .group_by(account.role, entry.currency)
    )
    return (await connection.execute(query)).all()


async def accounts_at(connection: AsyncConnection, point: Point, *, after: int, limit: int) -> Sequence[Row]:
    """Accounts behind the id `after` with `posted_minor`; one without legs up to then stands at zero."""
    account, balance, entry = tables.account.c, tables.balance.c, tables.entry.c
    page = sa.select(tables.account).where(account.account_id > after).order_by(account.account_id).limit(limit)
    shown = page.subquery()
    if point.is_now:
        query = sa.select(shown, balance.posted_minor).join(tables.balance, balance.account_id == shown.c.account_id)
    else:
        sums = (
            sa.select(entry.account_id, sa.func.sum(entry.amount_minor).label("posted_minor"))
            .join_from(tables.journal, tables.entry, ITS_LEGS)
            .where(entry.account_id.in_(sa.select(shown.c.account_id)), *point.holds())
            .group_by(entry.account_id)
            .subquery()
        )
        total = sa.func.coalesce(sums.c.posted_minor, 0).label("posted_minor")
        query = sa.select(shown, total).join(sums, sums.c.account_id == shown.c.account_id, isouter=True)
    return (await connection.execute(query.order_by(shown.c.account_id))).all()


async def periods(connection: AsyncConnection) -> Sequence[Row]:
    """(month, closed_at, closed_by), oldest first."""
    return (await connection.execute(sa.select(tables.period_lock).order_by(tables.period_lock.c.month))).all()


async def seals(connection: AsyncConnection, *, before: int | None, limit: int) -> Sequence[Row]:
    """Blocks of sealed journals without their lists, the newest first, from the one before this number."""
    column = tables.ledger_seal.c
    shown = [each for each in column if each.name not in {"journal_ids", "leaves"}]  # up to 80 KB each
    query = sa.select(*shown).order_by(column.seq.desc()).limit(limit)
    return (await connection.execute(query if before is None else query.where(column.seq < before))).all()


async def totals(connection: AsyncConnection) -> Sequence[Row]:
    """(kind, currency, posted_minor) of all accounts, summed per kind and currency."""
    account, balance = tables.account.c, tables.balance.c
    total = sa.func.sum(balance.posted_minor).label("posted_minor")
    query = sa.select(account.kind, account.currency, total).join_from(tables.account, tables.balance)
    return (await connection.execute(query.group_by(account.kind, account.currency).order_by(account.currency))).all()


async def general_ledger(connection: AsyncConnection, months: Period) -> Sequence[Row]:
    """(period, code, kind, role, currency, debit, credit), both positive, per month of accounting and account."""
    month, account, minor = tables.journal.c.period, tables.account.c, tables.entry.c.amount_minor
    debit = sa.func.coalesce(sa.func.sum(minor).filter(minor > 0), 0).label("debit")
    credit = sa.func.coalesce(-sa.func.sum(minor).filter(minor < 0), 0).label("credit")
    by = (month, account.code, account.kind, account.role, account.currency)
    query = (
        sa.select(*by, debit, credit)
        .join_from(tables.journal, tables.entry, ITS_LEGS)
        .join(tables.account, tables.entry.c.account_id == account.account_id)
        .group_by(*by)
        .order_by(month, account.currency, account.code)
    )
    if months.first is not None:
        query = query.where(month >= months.first)
    if months.last is not None:
        query = query.where(month <= months.last)
    return (await connection.execute(query)).all()


async def journals(
    connection: AsyncConnection, *, partner: str | None, deal: tuple[str, str] | None, period: Period,
    after: int, limit: int,
) -> Sequence[Row]:  # fmt: skip
    """Journals behind the id `after`, in the order of their ids."""
    column = tables.journal.c
    query = sa.select(tables.journal).where(column.journal_id > after, *period.holds(column.recorded_at))
    if partner is not None:
        query = query.where(column.partner == partner)
    if deal is not None:
        query = query.where(column.deal_source == deal[0], column.deal_id == deal[1])
    return (await connection.execute(query.order_by(column.journal_id).limit(limit))).all()


async def journal(connection: AsyncConnection, journal_id: int) -> Row | None:
    """One journal, or None."""
    return (
        await connection.execute(sa.select(tables.journal).where(tables.journal.c.journal_id == journal_id))
    ).first()


async def entries(connection: AsyncConnection, journal_ids: Collection[int]) -> Sequence[Row]:
    """The legs of the journals with their accounts, in order."""
    entry, account = tables.entry.c, tables.account.c
    query = (
        sa.select(entry.journal_id, entry.leg_no, entry.currency, entry.amount_minor, entry.balance_after, account.code,
                  account.kind, account.role, account.partner)
        .join_from(tables.entry, tables.account, entry.account_id == account.account_id)
        .where(entry.journal_id.in_(journal_ids))
        .order_by(entry.journal_id, entry.leg_no)
    )  # fmt: skip
    return (await connection.execute(query)).all()


async def balances_before(connection: AsyncConnection, partner: str, day: date | None) -> Sequence[Row]:
    """(role, currency, posted_minor) of a partner's accounts from journals booked before the day; none without one."""
    if day is None:
        return []
    column, entry, account = tables.journal.c, tables.entry.c, tables.account.c
    total = sa.func.sum(entry.amount_minor).label("posted_minor")
    query = (
        sa.select(account.role, entry.currency, total)
        .join_from(tables.journal, tables.entry, ITS_LEGS)
        .join(tables.account, entry.account_id == account.account_id)
        .where(column.partner == partner, account.partner == partner, column.recorded_at < _midnight(day))
        .group_by(account.role, entry.currency)
    )
    return (await connection.execute(query)).all()


async def books(connection: AsyncConnection) -> AsyncIterator[Row]:
    """Every leg with its journal and account, in the order of journal ids, streamed."""
    entry, account = tables.entry.c, tables.account.c
    query = (
        sa.select(tables.journal, entry.leg_no, entry.currency, entry.amount_minor, entry.balance_after, account.code,
                  account.kind.label("account_kind"), account.role, account.partner.label("account_partner"))
        .join_from(tables.journal, tables.entry, ITS_LEGS)
        .join(tables.account, entry.account_id == account.account_id)
        .order_by(entry.journal_id, entry.leg_no)
    )  # fmt: skip
    async with connection.stream(query, execution_options={"yield_per": FETCH}) as rows:
        async for part in rows.partitions():
            for row in part:
                yield row


async def conflicts(connection: AsyncConnection, *, after: int, limit: int) -> Sequence[Row]:
    """Facts that came again with another body under a known key."""
    column = tables.conflict.c
    query = sa.select(tables.conflict).where(column.conflict_id > after).order_by(column.conflict_id).limit(limit)
    return (await connection.execute(query)).all()
