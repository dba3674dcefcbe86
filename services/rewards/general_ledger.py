"""`GET /rewards/v1/summary/general-ledger`: what the general ledger takes over, per month of accounting and account."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import JSONResponse

from services.rewards import doors, queries, views
from services.rewards.domain import months
from services.rewards.doors import Json, Reading
from services.rewards.queries import Period, Row
from shared import money

COLUMNS: Final = ("month", "account", "kind", "role", "currency", "debit", "credit", "net")

FirstMonth = Annotated[str | None, Query(alias="from", pattern=months.PATTERN, description="First month, YYYY-MM")]
LastMonth = Annotated[str | None, Query(alias="to", pattern=months.PATTERN, description="Last month, YYYY-MM")]

router = APIRouter()


class Format(StrEnum):
    """What the summary can be written as."""

    JSON = "json"
    CSV = "csv"


@router.get("/summary/general-ledger", tags=["ledger"], dependencies=[Depends(doors.unbound)])
async def general_ledger(
    connection: Reading, first: FirstMonth = None, last: LastMonth = None,
    form: Annotated[Format, Query(alias="format")] = Format.JSON,
) -> Response:  # fmt: skip
    """Debit, credit and net per month of accounting, account and currency; `totals` per currency, whose net is zero.

    A closed month stays as it is: what counts in it and comes later is in the month that takes it.
    """
    rows = await queries.general_ledger(connection, _period(first, last))
    if form is Format.CSV:
        name = 'attachment; filename="tributary-general-ledger.csv"'
        return Response(_csv(rows), media_type="text/csv; charset=utf-8", headers={"Content-Disposition": name})
    answer = {"from": first, "to": last, "items": [_item(row) for row in rows], "totals": _totals(rows)}
    return JSONResponse(answer)


def _period(first: str | None, last: str | None) -> Period:
    """The first days of the first and the last month."""
    begin, end = [months.first_day(month) if month else None for month in (first, last)]
    return doors.period(begin, end)


def _item(row: Row) -> Json:
    return {
        "month": months.name(row.period),
        "account": row.code,
        "kind": row.kind,
        "role": row.role,
        **_amounts(int(row.debit), int(row.credit), row.currency),
    }


def _totals(rows: Sequence[Row]) -> list[Json]:
    return [
        _amounts(
            sum(int(row.debit) for row in rows if row.currency == currency),
            sum(int(row.credit) for row in rows if row.currency == currency), currency,
        )
        for currency in sorted({row.currency for row in rows})
    ]  # fmt: skip


def _amounts(debit: int, credit: int, currency: str) -> Json:
    sums = {"debit": debit, "credit": credit, "net": debit - credit}
    return {name: views.amount(minor, currency) for name, minor in sums.items()}


def _csv(rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in rows:
        sums = (int(row.debit), int(row.credit), int(row.debit) - int(row.credit))
        writer.writerow([
            months.name(row.period), row.code, row.kind, row.role, row.currency,
            *(money.to_decimal(minor, row.currency) for minor in sums),
        ])  # fmt: skip
    return text.getvalue()
