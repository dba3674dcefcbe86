"""The lists of the API as selects. Each reads one page by its key, never by offset."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.attribution import tables

Row = sa.Row[*tuple[Any, ...]]
After = tuple[str, str] | None
"""The natural key (source, id) behind which a page begins."""

_touch, _deal, _key = tables.touchpoint.c, tables.deal.c, tables.account_key.c
_standing, _credit, _conflict = tables.standing_credit.c, tables.credit.c, tables.conflict.c


class Kind(StrEnum):
    """What waits in the review list, in the order it is listed."""

    AMBIGUOUS_ACCOUNT = "ambiguous_account"
    CONFLICT = "conflict"
    UNMATCHED_DEAL = "unmatched_deal"
    UNMATCHED_TOUCHPOINT = "unmatched_touchpoint"


def _behind(columns: Sequence[sa.ColumnElement[Any]], after: Sequence[Any] | None) -> sa.ColumnElement[bool]:
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
        .where(wanted, _behind((_standing.source, _standing.deal_id), after))
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
        .where(_standing.partners.contains([partner]), _behind((_standing.source, _standing.deal_id), after))
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
        ("deals_without_account", tables.deal, ~_deal.keyed),
        ("touchpoints_without_account", tables.touchpoint, _touch.crm_key.is_(None) & _touch.domain_key.is_(None)),
        ("conflicts", tables.conflict, sa.true()),
        ("marks_waiting", dirty, sa.true()),
    ):
        query = sa.select(sa.func.count()).select_from(table).where(condition)
        found[name] = (await connection.execute(query)).scalar_one()
    return found


async def review(connection: AsyncConnection, kind: Kind, *, after: Sequence[Any] | None, limit: int) -> Sequence[Row]:
    """One page of what waits of one kind, by natural key."""
    query, key = _REVIEWED[kind]
    paged = query.where(_behind(key, after)).order_by(*key).limit(limit)
    rows: Sequence[Row] = (await connection.execute(paged)).all()
    return rows


def _ambiguous() -> sa.Select[Any]:
    by_crm, by_domain = tables.account_key.alias("by_crm"), tables.account_key.alias("by_domain")
    noted = tables.ambiguous_touchpoint
    return (
        sa.select(tables.touchpoint)
        .join_from(noted, tables.touchpoint, sa.and_(_touch.source == noted.c.source, _touch.id == noted.c.id))
        .join(by_crm, by_crm.c.key == _touch.crm_key)
        .join(by_domain, by_domain.c.key == _touch.domain_key)
        .where(by_crm.c.account_id != by_domain.c.account_id)  # a merge may have settled it since it was noted
    )


_REVIEWED: Final[dict[Kind, tuple[sa.Select[Any], tuple[sa.Column[Any], ...]]]] = {
    Kind.AMBIGUOUS_ACCOUNT: (_ambiguous(), (_touch.source, _touch.id)),
    Kind.CONFLICT: (
        sa.select(tables.conflict),
        (_conflict.kind, _conflict.source, _conflict.id, _conflict.version, _conflict.fingerprint),
    ),
    Kind.UNMATCHED_DEAL: (
        sa.select(tables.deal, tables.deal_version.c.body)
        .join_from(
            tables.deal,
            tables.deal_version,
            sa.and_(
                tables.deal_version.c.source == _deal.source,
                tables.deal_version.c.deal_id == _deal.deal_id,
                tables.deal_version.c.version == _deal.version,
            ),
        )
        .where(~_deal.keyed),
        (_deal.source, _deal.deal_id),
    ),
    Kind.UNMATCHED_TOUCHPOINT: (
        sa.select(tables.touchpoint).where(_touch.crm_key.is_(None), _touch.domain_key.is_(None)),
        (_touch.source, _touch.id),
    ),
}
