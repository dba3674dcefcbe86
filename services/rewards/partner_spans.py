"""`GET /rewards/v1/partners/{partner}/spans`: what plans add to, or cut from, what a partner's deals earn together."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query

from services.rewards import deal_views, doors, scope_store, scopes
from services.rewards.doors import Json, Paged, Reader, Shared
from services.rewards.loading import Loader
from shared import http
from shared.events.base import Id

_FIRST: Final = ("", "", "")

router = APIRouter()


@router.get("/partners/{partner:path}/spans", tags=["partners"])
async def list_spans(
    partner: Annotated[Id, Path()], caller: Reader, state: Shared, page: Paged,
    program: Annotated[Id | None, Query()] = None,
    plan: Annotated[Id | None, Query(description="A plan's name in the program")] = None,
    span: Annotated[Id | None, Query(description="Such as 2026, 2026-Q3, 2026-07, ever, or budget")] = None,
) -> Json:  # fmt: skip
    """What plans add to, or cut from, what a partner's deals of a span, or under a budget, earn by themselves.

    `plain` is what they earn by themselves, `earned` what they earn together: by `brackets` of the `base`, less `cuts`.
    `pending` and `payable` are the difference, `posted` what the ledger holds of it. By program, plan and span. Of a
    budget only the partner's own part is told. 404 for an unknown partner or another one's key.
    """
    async with state.database.engine.connect() as plain:
        name = await doors.known(plain, caller, partner)
    async with (
        state.database.pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        found = await scope_store.of_partner(
            connection, partner, program=program, plan=plan, span=span, after=_behind(page), limit=page.limit
        )
        loaded = await scopes.load(connection, Loader(), found)
    now = state.clock()
    items = [
        deal_views.true_up(item, posted, only_for=caller.partner)
        for scope in found
        for posted in (loaded.posted.get(scope, {}).get(partner),)
        for item in loaded.targets(scope, now)
        if item.partner == partner and deal_views.is_told(item, posted, only_for=caller.partner)
    ]
    last = found[-1] if len(found) == page.limit else None
    behind = http.encode_cursor(last.program, last.plan, last.span) if last else None
    return {"partner": partner, "name": name, "items": items, "next": behind}


def _behind(page: http.Page) -> tuple[str, ...]:
    """The last scope of the page before; the cursor of another list is refused."""
    if page.after is None:
        return _FIRST
    if len(page.after) != len(_FIRST) or any("\0" in value for value in page.after):
        raise doors.foreign_cursor()
    return page.after
