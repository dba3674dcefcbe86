"""The rewards API: what was earned and why, what is owed and paid, and the proof of the books.

A key bound to a partner sees that partner alone: another one's data does not exist for it (404), and what concerns the
whole program needs an unbound key (403). Nothing that only other partners' facts change changes an answer to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends, FastAPI, Path, Query
from fastapi.responses import StreamingResponse

from services.rewards import (
    adjustments,
    deal_store,
    deal_views,
    doors,
    general_ledger,
    listings,
    partner_spans,
    payments,
    periods,
    queries,
    records,
    recoveries,
    rerates,
    reversals,
    seals,
    views,
)
from services.rewards.domain import adjustment
from services.rewards.domain.outcomes import Target
from services.rewards.doors import AsOf, First, Json, KnownAt, Last, Paged, Reader, Reading, Shared
from services.rewards.ledger import export, verify
from services.rewards.loading import Loader
from shared import http
from shared.events.base import Id
from shared.service import Parts

PREFIX: Final = "/rewards/v1"

router = APIRouter(prefix=PREFIX)


def create_app(parts: Parts, *, approval_above: int = adjustment.APPROVAL_ABOVE) -> FastAPI:
    """The HTTP application of the rewards service. `approval_above` is in whole units of any currency."""
    app = http.create_app(
        service="rewards", title="Tributary rewards", key_pool=parts.database.pool, ready=parts.ready,
        metrics=parts.metrics,
        description="What partners earned and why, what is pending, payable and paid, and books that prove themselves.",
    )  # fmt: skip
    app.state.rewards = doors.State(parts.database, parts.clock, asyncio.Lock(), asyncio.Lock(), approval_above)
    app.include_router(router)
    for part in (
        payments, recoveries, adjustments, rerates, reversals, periods, records, general_ledger, listings,
        partner_spans, seals,
    ):  # fmt: skip
        app.include_router(part.router, prefix=PREFIX)
    return app


@router.get("/partners/{partner:path}/balance", tags=["partners"])
async def balance(
    partner: Annotated[Id, Path()], caller: Reader, connection: Reading, as_of: AsOf = None, known_at: KnownAt = None
) -> Json:
    """What a partner has pending, payable and been paid, per currency. A negative payable is carried forward.

    Now, or by what counts up to a day, as the books knew it at a moment.
    """
    name = await doors.known(connection, caller, partner)
    point = queries.Point(as_of, known_at)
    rows = await queries.balances_at(connection, point, partner)
    return {"partner": partner, "name": name, "balances": views.owed(rows), **views.point(point)}


@router.get("/balances", tags=["ledger"], dependencies=[Depends(doors.unbound)])
async def list_balances(
    connection: Reading, page: Paged, as_of: AsOf = None, known_at: KnownAt = None
) -> Json:  # fmt: skip
    """The balance of every account, debit positive: now, or by what counts up to a day, as known at a moment.

    Over all pages each currency sums to zero.
    """
    point = queries.Point(as_of, known_at)
    rows = await queries.accounts_at(connection, point, after=doors.after(page), limit=page.limit)
    items = [views.account(row) for row in rows]
    return doors.page(items, page, rows[-1].account_id if rows else None) | views.point(point)


@router.get("/partners/{partner:path}/statement", tags=["partners"])
async def statement(
    partner: Annotated[Id, Path()], caller: Reader, connection: Reading, page: Paged,
    first: First = None, last: Last = None,
) -> Json:  # fmt: skip
    """Opening balances, what changed and why, and closing balances, by day of booking: a past period never changes.

    Lines are paged; the balances are those of the whole period on every page.
    """
    name = await doors.known(connection, caller, partner)
    period = doors.period(first, last)
    rows = await queries.journals(
        connection, partner=partner, deal=None, period=period, after=doors.after(page), limit=page.limit
    )
    legs = await queries.entries(connection, [row.journal_id for row in rows])
    by_journal: dict[int, list[queries.Row]] = {}
    for leg in legs:
        by_journal.setdefault(leg.journal_id, []).append(leg)
    closing = (
        await queries.balances_before(connection, partner, last + timedelta(days=1))
        if last
        else await queries.balances(connection, partner)
    )
    lines = [views.line(row, by_journal[row.journal_id], only_for=caller.partner) for row in rows]
    return {
        "partner": partner, "name": name, "from": first, "to": last,
        "opening": views.owed(await queries.balances_before(connection, partner, first)),
        "closing": views.owed(closing),
        **doors.page(lines, page, rows[-1].journal_id if rows else None),
    }  # fmt: skip


@router.get("/journals", tags=["ledger"])
async def list_journals(
    caller: Reader, connection: Reading, page: Paged,
    partner: Annotated[Id | None, Query()] = None,
    deal_source: Annotated[Id | None, Query(description="Together with `deal`")] = None,
    deal: Annotated[Id | None, Query(description="Together with `deal_source`")] = None,
    first: First = None, last: Last = None,
) -> Json:  # fmt: skip
    """Journals with their entries and reasons, in the order of their ids, by partner, deal and day of booking."""
    of_deal = doors.deal(deal_source, deal)
    partner = partner or caller.partner
    if partner is not None:
        await doors.known(connection, caller, partner)
    rows = await queries.journals(
        connection, partner=partner, deal=of_deal,
        period=doors.period(first, last), after=doors.after(page), limit=page.limit,
    )  # fmt: skip
    legs = await queries.entries(connection, [row.journal_id for row in rows])
    items = views.journals(rows, legs, only_for=caller.partner)
    return doors.page(items, page, rows[-1].journal_id if rows else None)


@router.get("/journals/{journal_id}", tags=["ledger"])
async def show_journal(
    journal_id: Annotated[int, Path(ge=1, le=2**63 - 1)], caller: Reader, connection: Reading
) -> Json:
    """One journal with its entries and its reason."""
    row = await queries.journal(connection, journal_id)
    if row is None or not caller.may_act_for(row.partner):
        raise http.Problem(404, "No such journal", f"There is no journal {journal_id}.")
    return views.journal(row, await queries.entries(connection, [journal_id]), only_for=caller.partner)


@router.get("/deals/{source}/{deal:path}", tags=["deals"])
async def show_deal(source: Annotated[Id, Path()], deal: Annotated[Id, Path()], caller: Reader, state: Shared) -> Json:
    """What a deal earned each partner, and all the way to it; or why nothing, or what it waits for.

    Touchpoints, share, credited amount, plan version, base, components (rule, rate, bracket), cuts, amount, conversion
    with its exchange rates, account. Where a plan adds up several deals, `settled_in` names the span and where to read
    what comes of it. `receipts` is the money that came or went back; `journals` are what was booked, oldest first. With
    a partner's key: its own earnings and journals alone, and no touchpoints; `explained_at` is where the attribution
    service explains them.
    """
    async with (
        state.database.pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        facts = await Loader().load(connection, [(source, deal)])
        body = await deal_store.load_body(connection, (source, deal))
        booked = await deal_store.load_journals(connection, (source, deal), caller.partner)
    credit = facts.credits[0] if facts.credits else None
    target = facts.target(credit, state.clock()) if credit is not None else Target()
    concerned = [share.partner for share in credit.shares] if credit is not None else []
    concerned += [earning.share.partner for earning in target.earnings]  # recruiters have no share
    mine = any(caller.may_act_for(partner) for partner in concerned)
    if credit is None or body is None or (caller.partner is not None and not mine and not booked):
        raise http.Problem(404, "No such deal", f"No credit was decided for deal {deal!r} of {source!r}.")
    return deal_views.deal(
        credit, target, facts.posted_of(credit), body, booked,
        receipts=facts.known.receipts.get((source, deal), ()), only_for=caller.partner,
    )  # fmt: skip


@router.get("/export", tags=["ledger"], dependencies=[Depends(doors.unbound)], response_class=StreamingResponse)
async def export_books(
    state: Shared, form: Annotated[export.Format, Query(alias="format")] = export.Format.CSV
) -> StreamingResponse:
    """The books, streamed: one CSV line per leg (debit positive), or journals for beancount or hledger."""
    doors.refuse_if_busy(state.exporting, "An export")

    async def parts() -> AsyncIterator[str]:
        async with state.exporting, state.database.engine.connect() as plain:
            connection = await plain.execution_options(isolation_level="REPEATABLE READ")
            balances = await queries.balances(connection)
            async for part in export.write(form, queries.books(connection), balances):
                yield part

    name = f'attachment; filename="tributary-books.{form}"'
    return StreamingResponse(parts(), media_type=export.MEDIA[form], headers={"Content-Disposition": name})


@router.get("/verification", tags=["ledger"], dependencies=[Depends(doors.unbound)])
async def verification(state: Shared) -> Json:
    """Recompute everything the books claim: each check with what it examined, its faults, and the first of them."""
    doors.refuse_if_busy(state.verifying, "A verification")
    async with state.verifying, state.database.pool.acquire() as connection:
        return views.verification(await verify.verify(connection, state.clock()))


@router.get("/summary", tags=["ledger"], dependencies=[Depends(doors.unbound)])
async def summary(connection: Reading) -> Json:
    """Totals per kind of account and currency (debit positive; each currency sums to zero), and per partner."""
    kinds = await queries.totals(connection)
    by_partner: dict[str, list[queries.Row]] = {}
    for row in await queries.balances(connection):
        if row.partner is not None:
            by_partner.setdefault(row.partner, []).append(row)
    return {
        "kinds": [{"kind": row.kind, "total": views.amount(int(row.posted_minor), row.currency)} for row in kinds],
        "partners": [{"partner": name, "balances": views.owed(rows)} for name, rows in sorted(by_partner.items())],
    }


@router.get("/conflicts", tags=["facts"], dependencies=[Depends(doors.unbound)])
async def list_conflicts(connection: Reading, page: Paged) -> Json:
    """Facts that came again with another body under a known key: kept, never applied."""
    rows = await queries.conflicts(connection, after=doors.after(page), limit=page.limit)
    items = [
        {"event": row.event, "key": row.natural_key, "body": row.body, "seen_at": row.seen_at.isoformat()}
        for row in rows
    ]
    return doors.page(items, page, rows[-1].conflict_id if rows else None)
