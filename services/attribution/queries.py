"""The lists of the API as selects. Each reads one page by its key, never by offset."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.attribution import tables

Row = sa.Row[*tuple[Any, ...]]
After = tuple[str, str] | None
"""The natural key (source, id) behind which a page begins."""

_touch, _deal = tables.touchpoint.c, tables.deal.c
_standing, _credit = tables.standing_credit.c, tables.credit.c


def behind(columns: Sequence[sa.ColumnElement[Any]], after: Sequence[Any] | None) -> sa.ColumnElement[bool]:
    """The rows behind a place in a list ordered by these columns."""
    return sa.tuple_(*columns) > sa.tuple_(*after) if after is not None else sa.true()


async def credited_deals(connection: AsyncConnection, *, after: After, limit: int, status: str | None) -> Sequence[Row]:
    """Standing credit by deal, won deals alone unless a status is named."""
    wanted = _standing.status == status if status else _standing.status != "not_won"
    query = (
        sa.select(tables.standing_credit, _deal.name, _deal.closed_at)
        .join_from(
            tables.standing_credit,
            tables.deal,
            sa.and_(_deal.source == _standing.source, _deal.deal_id == _standing.deal_id),
        )
        .where(wanted, behind((_standing.source, _standing.deal_id), after))
        .order_by(_standing.source, _standing.deal_id)
        .limit(limit)
    )
    return (await connection.execute(query)).all()


async def credits_of(connection: AsyncConnection, partner: str, *, after: After, limit: int) -> Sequence[Row]:
    """The newest credit of each deal in which a partner has a share."""
    query = (
        sa.select(_standing.source, _standing.deal_id, _credit.snapshot)
        .join_from(
            tables.standing_credit,
            tables.credit,
            sa.and_(
                _credit.source == _standing.source,
                _credit.deal_id == _standing.deal_id,
                _credit.revision == _standing.revision,
            ),
        )
        .where(_standing.partners.contains([partner]), behind((_standing.source, _standing.deal_id), after))
        .order_by(_standing.source, _standing.deal_id)
        .limit(limit)
    )
    return (await connection.execute(query)).all()


async def totals(connection: AsyncConnection) -> Sequence[Row]:
    """Per currency and status: deals, amount and the unattributed part of it, over all standing credit."""
    query = (
        sa.select(
            _standing.currency,
            _standing.status,
            sa.func.count().label("deals"),
            sa.func.sum(_standing.amount_minor).label("amount_minor"),
            sa.func.sum(_standing.unattributed_minor).label("unattributed_minor"),
        )
        .where(_standing.status != "not_won")
        .group_by(_standing.currency, _standing.status)
        .order_by(_standing.currency, _standing.status)
    )
    return (await connection.execute(query)).all()


async def counts(connection: AsyncConnection) -> dict[str, int]:
    """How many facts of each kind are stored, and how many marks wait to be reconciled."""
    stages = (await connection.execute(sa.select(_deal.stage, sa.func.count()).group_by(_deal.stage))).all()
    found = {f"deals_{stage}": count for stage, count in stages}
    dirty = tables.metadata.tables[f"{tables.SCHEMA}.dirty"]
    for name, table, condition in (
        ("touchpoints", tables.touchpoint, sa.true()),
        ("deals_without_account", tables.deal, ~_deal.keyed & ~_deal.removed & _deal.merged_into.is_(None)),
        ("touchpoints_without_account", tables.touchpoint, _touch.id_key.is_(None) & _touch.domain_key.is_(None)),
        ("conflicts", tables.conflict, sa.true()),
        ("marks_waiting", dirty, sa.true()),
    ):
        query = sa.select(sa.func.count()).select_from(table).where(condition)
        found[name] = (await connection.execute(query)).scalar_one()
    return found


_PARTICIPANTS: Final = """
FROM attribution.standing_credit s
JOIN attribution.credit c ON c.source = s.source AND c.deal_id = s.deal_id AND c.revision = s.revision
CROSS JOIN LATERAL json_array_elements(coalesce(c.snapshot->'participants', '[]')) AS p
"""
_SPAN: Final = """
s.status <> 'not_won' AND (CAST(:first AS date) IS NULL OR s.governed_on >= :first)
    AND (CAST(:last AS date) IS NULL OR s.governed_on <= :last)
"""
# S608: the parts are constants of this module.
_INFLUENCE: Final = sa.text(f"""
SELECT p->>'partner' AS partner, p->>'influence' AS influence, s.currency, count(*) AS deals,
    sum(s.amount_minor) AS amount_minor,
    sum((SELECT sum((x->'amount'->>'amount')::numeric) FROM json_array_elements(c.snapshot->'shares') AS x
         WHERE x->>'partner' = p->>'partner')) AS credited
{_PARTICIPANTS} WHERE {_SPAN} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
""")  # noqa: S608
_BY_CLASS: Final = sa.text(f"""
SELECT influence, currency, count(*) AS deals, sum(amount_minor) AS amount_minor FROM (
    SELECT DISTINCT ON (s.source, s.deal_id) s.source, s.deal_id, s.currency, s.amount_minor,
        p->>'influence' AS influence
    {_PARTICIPANTS} WHERE {_SPAN}
    ORDER BY s.source, s.deal_id, array_position(ARRAY['sourced', 'influenced', 'delivered'], p->>'influence')
) AS deals GROUP BY 1, 2 ORDER BY 1, 2
""")  # noqa: S608


async def influence(connection: AsyncConnection, first: date | None, last: date | None) -> Sequence[Row]:
    """Per partner, class and currency: deals it took part in, their whole amounts, and what it is credited with."""
    return (await connection.execute(_INFLUENCE, {"first": first, "last": last})).all()


async def influence_by_class(connection: AsyncConnection, first: date | None, last: date | None) -> Sequence[Row]:
    """Per class and currency: deals, each in the strongest class that any partner has on it, and their amounts."""
    return (await connection.execute(_BY_CLASS, {"first": first, "last": last})).all()
