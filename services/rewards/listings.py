"""`GET /rewards/v1/earnings` and `/entries`: what was earned, added up as asked for, and the lines of the ledger."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query

from services.rewards import doors, listing_queries, views
from services.rewards.domain import months
from services.rewards.domain.accounts import Role
from services.rewards.doors import First, Json, Last, Paged, Reader, Reading
from services.rewards.listing_queries import By, Which
from services.rewards.queries import Row
from shared import http
from shared.events.base import Id

_NUMBER: Final = re.compile(r"[0-9]{1,18}")

router = APIRouter()


async def which(
    caller: Reader, connection: Reading,
    partner: Annotated[Id | None, Query()] = None,
    deal_source: Annotated[Id | None, Query(description="Together with `deal`")] = None,
    deal: Annotated[Id | None, Query(description="Together with `deal_source`")] = None,
    plan: Annotated[Id | None, Query(description="A plan's name in the program")] = None,
    month: Annotated[
        str | None, Query(alias="period", pattern=months.PATTERN, description="Month of accounting, YYYY-MM")
    ] = None,
    currency: Annotated[str | None, Query(pattern="^[A-Z]{3}$")] = None,
) -> Which:  # fmt: skip
    """The filters of both lists. A key bound to a partner asks for that partner alone."""
    of_deal = doors.deal(deal_source, deal)
    partner = partner or caller.partner
    if partner is not None:
        await doors.known(connection, caller, partner)
    return Which(partner, of_deal, plan, months.first_day(month) if month else None, currency)


Asked = Annotated[Which, Depends(which)]


@router.get("/earnings", tags=["ledger"])
async def list_earnings(
    asked: Asked, connection: Reading, page: Paged,
    by: Annotated[By, Query(description="One line per deal, partner, plan or month, and currency")] = By.DEAL,
) -> Json:  # fmt: skip
    """What plans paid, as it is booked: `earned` is `pending` plus `matured`; what of it was paid is in the balances.

    Payments and adjustments by hand are no earnings. By deal, what a plan settles over several deals is left out.
    """
    rows = await listing_queries.earnings(connection, asked, by, after=_behind(page, by), limit=page.limit)
    key = _key(rows[-1], by) if len(rows) == page.limit else None
    return {"items": [_earning(row, by) for row in rows], "next": http.encode_cursor(*key) if key else None}


def _earning(row: Row, by: By) -> Json:
    match by:
        case By.DEAL:
            of: Json = {"deal": {"source": row.deal_source, "id": row.deal_id}}
        case By.PERIOD:
            of = {"period": months.name(row.period)}
        case _:
            of = {by.value: row[0]}
    pending, matured = int(row.pending), int(row.matured)
    sums = {"earned": pending + matured, "pending": pending, "matured": matured}
    return of | {"journals": row.journals} | {name: views.amount(minor, row.currency) for name, minor in sums.items()}


def _key(row: Row, by: By) -> list[str]:
    return [str(value) for value in row[: len(by.columns)]]


def _behind(page: http.Page, by: By) -> list[object] | None:
    """The last line of the page before; the cursor of another list is refused."""
    if page.after is None:
        return None
    if len(page.after) != len(by.columns):
        raise doors.foreign_cursor()
    if by is not By.PERIOD:
        return list(page.after)
    try:
        return [date.fromisoformat(page.after[0]), page.after[1]]
    except ValueError:
        raise doors.foreign_cursor() from None


@router.get("/entries", tags=["ledger"])
async def list_entries(
    asked: Asked, caller: Reader, connection: Reading, page: Paged,
    role: Annotated[Role | None, Query(description="What the account is for")] = None,
    first: First = None, last: Last = None,
) -> Json:  # fmt: skip
    """The lines of the ledger, debit positive, each with the balance of its account after it.

    With `partner`, the lines of its own accounts alone; `/journals` shows both sides.
    """
    rows = await listing_queries.entries(
        connection, asked, role, doors.period(first, last), after=_behind_leg(page), limit=page.limit
    )
    last_row = rows[-1] if len(rows) == page.limit else None
    return {
        "items": [_entry(row, only_for=caller.partner) for row in rows],
        "next": http.encode_cursor(str(last_row.journal_id), str(last_row.leg_no)) if last_row else None,
    }


def _behind_leg(page: http.Page) -> tuple[int, int]:
    match page.after:
        case None:
            return 0, 0
        case (journal, leg) if _NUMBER.fullmatch(journal) and _NUMBER.fullmatch(leg):
            return int(journal), int(leg)
        case _:
            raise doors.foreign_cursor()


def _entry(row: Row, *, only_for: str | None) -> Json:
    return {
        "journal": row.journal_id,
        "leg": row.leg_no,
        "kind": row.kind,
        "effective_on": row.effective_on.isoformat(),
        "recorded_at": row.recorded_at.isoformat(),
        **({"period": months.name(row.period)} if only_for is None else {}),
        "account": row.code,
        "partner": row.partner,
        "deal": {"source": row.deal_source, "id": row.deal_id} if row.deal_id is not None else None,
        "plan": row.plan,
        "scope": row.scope,
        "amount": views.amount(row.amount_minor, row.currency),
        "balance_after": views.amount(row.balance_after, row.currency),
        "cause": views.reason(row.kind, row.reason, only_for=only_for)["cause"],
    }
