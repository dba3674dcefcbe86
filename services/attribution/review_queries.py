"""The review list as selects: what waits for a decision, and what was decided. Paged by key, never by offset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.ext.asyncio import AsyncConnection

from services.attribution import tables
from services.attribution.queries import Row, behind
from shared.events.review import Kind

_touch, _deal, _key = tables.touchpoint.c, tables.deal.c, tables.account_key.c
_decision, _late, _proposed = tables.review_decision.c, tables.late_claim.c, tables.proposal.c
_conflict = tables.conflict.c


async def review(connection: AsyncConnection, kind: Kind, *, after: Sequence[Any] | None, limit: int) -> Sequence[Row]:
    """One page of what waits of one kind, by natural key. What was decided no longer waits."""
    query, key, item = _REVIEWED[kind]
    decided = (
        sa.select(sa.literal(1)).select_from(tables.review_decision)
        .where(_decision.kind == kind.value, _decision.item == item).exists()
    )  # fmt: skip
    paged = query.where(behind(key, after), ~decided).order_by(*key).limit(limit)
    rows: Sequence[Row] = (await connection.execute(paged)).all()
    return rows


async def decisions(connection: AsyncConnection, *, after: Sequence[Any] | None, limit: int) -> Sequence[Row]:
    """Decisions, the latest first."""
    key = sa.tuple_(_decision.decided_at, _decision.id)
    query = sa.select(tables.review_decision).order_by(_decision.decided_at.desc(), _decision.id.desc()).limit(limit)
    if after is not None:
        query = query.where(key < sa.tuple_(*after))
    return (await connection.execute(query)).all()


def _item(*parts: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    return pg.array([sa.cast(part, sa.Text) for part in parts])


def _ambiguous() -> sa.Select[Any]:
    by_id, by_domain = tables.account_key.alias("by_id"), tables.account_key.alias("by_domain")
    noted = tables.ambiguous_touchpoint
    return (
        sa.select(tables.touchpoint)
        .join_from(noted, tables.touchpoint, sa.and_(_touch.source == noted.c.source, _touch.id == noted.c.id))
        .join(by_id, by_id.c.key == _touch.id_key)
        .join(by_domain, by_domain.c.key == _touch.domain_key)
        .where(  # a merge may have settled it since it was noted
            sa.or_(noted.c.torn, by_id.c.account_id != by_domain.c.account_id), ~_touch.withdrawn
        )
    )


def _is_somebodys(account: sa.ColumnElement[Any], *keys: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    """Whether these keys of a unit belong to a company that has a strong key.

    Where links are computed, they do while a statement in force names one of them: what was undone waits again.
    """
    key, unit = tables.account_key.alias("its_key"), tables.account.alias("unit")
    stated, newer = tables.account_statement.alias("stated"), tables.account_statement.alias("newer")
    strong = _exists(key, key.c.account_id == account, key.c.key.regexp_match("^(?!(deal|name):)"))
    computed = _exists(unit, unit.c.account_id == account, unit.c.dated)
    replaced = _exists(
        newer, newer.c.about == stated.c.about, newer.c.source == stated.c.source, newer.c.id == stated.c.id,
        newer.c.version > stated.c.version,
    )  # fmt: skip
    named = sa.or_(*(part == sa.any_(stated.c["keys"]) for part in keys))
    in_force = _exists(stated, stated.c.account_id == account, ~stated.c.undone, ~replaced, named)
    return sa.and_(strong, sa.or_(~computed, in_force))


def _name_is_somebodys(name_key: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    return _exists(tables.account_key, _key.key == name_key, _is_somebodys(_key.account_id, name_key))


def _exists(table: sa.FromClause, *conditions: sa.ColumnElement[bool]) -> sa.Exists:
    """Whether there is such a row; all other tables named are those of the statement around it."""
    return sa.select(sa.literal(1)).select_from(table).where(*conditions).correlate_except(table).exists()


def _unmatched_deal() -> sa.Select[Any]:
    version = tables.deal_version.c
    return (
        sa.select(tables.deal, version.body)
        .join_from(
            tables.deal,
            tables.deal_version,
            sa.and_(version.source == _deal.source, version.deal_id == _deal.deal_id, version.version == _deal.version),
        )
        .where(
            ~_deal.keyed,
            ~_deal.removed,
            _deal.merged_into.is_(None),
            ~_is_somebodys(_deal.account_id, _deal["keys"][1], _deal.name_key),
        )
    )


def _unmatched_touchpoint() -> sa.Select[Any]:
    return sa.select(tables.touchpoint).where(
        _touch.id_key.is_(None), _touch.domain_key.is_(None), ~_touch.withdrawn, ~_name_is_somebodys(_touch.name_key)
    )


def _late_claim() -> sa.Select[Any]:
    return (
        sa.select(tables.late_claim, *_ABOUT_TOUCH, _deal.name.label("deal_name"), _deal.closed_at)
        .join_from(tables.late_claim, tables.touchpoint, sa.and_(_touch.source == _late.source, _touch.id == _late.id))
        .join(tables.deal, sa.and_(_deal.source == _late.deal_source, _deal.deal_id == _late.deal_id))
        .where(~_late.admitted, ~_touch.withdrawn)
    )


def _proposal() -> sa.Select[Any]:
    return sa.select(tables.proposal).where(~_name_is_somebodys(_proposed.name_key))


_ABOUT_TOUCH: Final = (_touch.partner, _touch.activity, _touch.occurred_at, _touch.received_at)
_REVIEWED: Final[
    dict[Kind, tuple[sa.Select[Any], tuple[sa.Column[Any], ...], sa.ColumnElement[Any]]]
] = {
    Kind.AMBIGUOUS_ACCOUNT: (_ambiguous(), (_touch.source, _touch.id), _item(_touch.source, _touch.id)),
    Kind.CONFLICT: (
        sa.select(tables.conflict),
        (_conflict.kind, _conflict.source, _conflict.id, _conflict.version, _conflict.fingerprint),
        _item(
            _conflict.kind, _conflict.source, _conflict.id, _conflict.version,
            sa.func.encode(_conflict.fingerprint, "hex"),
        ),
    ),
    Kind.LATE_CLAIM: (
        _late_claim(),
        (_late.deal_source, _late.deal_id, _late.source, _late.id),
        _item(_late.source, _late.id, _late.deal_source, _late.deal_id),
    ),
    Kind.PROPOSAL: (
        _proposal(), (_proposed.name_key, _proposed.account_key), _item(_proposed.name_key, _proposed.account_key)
    ),
    Kind.UNMATCHED_DEAL: (_unmatched_deal(), (_deal.source, _deal.deal_id), _item(_deal.source, _deal.deal_id)),
    Kind.UNMATCHED_TOUCHPOINT: (_unmatched_touchpoint(), (_touch.source, _touch.id), _item(_touch.source, _touch.id)),
}  # fmt: skip
