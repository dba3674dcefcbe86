"""The doors of Tributary: authenticate, check, append to Kafka, answer 202.

Load-bearing idea: `202` means that Kafka has it. Ingest keeps no facts; a repeat is accepted again and recognised
downstream by its natural key (source, id). The source is that of the API key (or the name of the webhook), never one
the body claims: a CloudEvent's own `source` is required by its specification, and not kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated

import asyncpg
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse

from services.ingest import directory, openapi, requests
from services.ingest.crm import standard_webhooks
from services.ingest.domain import (
    batch,
    deals,
    document,
    exchange_rates,
    programs,
    receipts,
    touchpoints,
    withdrawals,
)
from services.ingest.doors import Doors, Ingest, vendor
from shared import http, telemetry
from shared.access import Caller
from shared.events import deal, exchange, receipt, touchpoint


def create_app(
    ingest: Ingest, *, key_pool: asyncpg.Pool, ready: Callable[[], Awaitable[list[str]]], metrics: telemetry.Metrics
) -> FastAPI:
    """The HTTP application of the ingest service."""
    app = http.create_app(
        service="ingest",
        title="Tributary ingest",
        description="Touchpoints, deals, receipts, exchange rates, partners, accounts and programs come in here. "
        "`202` means the log has them; a repeat with the same id changes nothing.",
        key_pool=key_pool,
        ready=ready,
        metrics=metrics,
    )
    app.state.ingest = ingest
    requests.answer_refusals(app)
    app.include_router(router)
    app.include_router(directory.router)
    return app


router = APIRouter(prefix="/ingest/v1", responses=openapi.RESPONSES)
NO_PROGRAM = (
    "No program is active yet. Activate one with `tributary program activate FILE` or POST /ingest/v1/programs."
)


@router.post("/touchpoints", status_code=202, tags=["facts"], openapi_extra=openapi.TOUCHPOINTS)
async def post_touchpoints(
    request: Request, ingest: Doors, caller: Annotated[Caller, Depends(http.require("touchpoints:write"))]
) -> JSONResponse:
    """Record one touchpoint or up to 1,000. A repeat with the same id changes nothing."""
    form = requests.form(request.headers, touchpoint.RECORDED)
    known = ingest.programs()
    if not known.documents:
        raise http.Problem(409, "No program", NO_PROGRAM)
    body = await request.body()
    now = ingest.clock()
    rules = touchpoints.Rules(known.activities, now, caller.partner, caller.holds("touchpoints:history"))
    items = batch.read(body, touchpoints.SHAPE, rules.objections, form)
    return await ingest.accept(touchpoints.events(items, caller.source, now, telemetry.traceparent()))


@router.post("/touchpoints/withdrawals", status_code=202, tags=["facts"], openapi_extra=openapi.WITHDRAWALS)
async def post_withdrawals(
    request: Request, ingest: Doors, caller: Annotated[Caller, Depends(http.require("touchpoints:write"))]
) -> JSONResponse:
    """Take one touchpoint of the key's own source back, or up to 1,000, for ever. The first withdrawal counts."""
    form = requests.form(request.headers, touchpoint.WITHDRAWN)
    items = batch.read(await request.body(), withdrawals.SHAPE, withdrawals.objections, form)
    now, trace = ingest.clock(), telemetry.traceparent()
    return await ingest.accept(withdrawals.events(items, caller.source, caller.partner, now, trace))


@router.post("/deals", status_code=202, tags=["facts"], openapi_extra=openapi.DEALS)
async def post_deals(
    request: Request, ingest: Doors, caller: Annotated[Caller, Depends(vendor("deals:write"))]
) -> JSONResponse:
    """Show one deal or up to 1,000 as the CRM has them now. The highest version of a deal is its present state."""
    form = requests.form(request.headers, deal.OBSERVED)
    body = await request.body()
    now = ingest.clock()
    items = batch.read(body, deals.SHAPE, partial(deals.objections, now=now), form)
    return await ingest.accept(deals.events(items, caller.source, now, telemetry.traceparent()))


@router.post("/receipts", status_code=202, tags=["facts"], openapi_extra=openapi.RECEIPTS)
async def post_receipts(
    request: Request, ingest: Doors, caller: Annotated[Caller, Depends(vendor("receipts:write"))]
) -> JSONResponse:
    """Tell what customers paid and got back, or that they left: one receipt or up to 1,000. None is ever changed.

    `deal` is one of the key's own source. Tell what went back to a customer here, or by a lower amount of the deal,
    never both.
    """
    form = requests.form(request.headers, receipt.RECORDED)
    body = await request.body()
    now = ingest.clock()
    items = batch.read(body, receipts.SHAPE, partial(receipts.objections, now=now), form)
    return await ingest.accept(receipts.events(items, caller.source, now, telemetry.traceparent()))


@router.post("/exchange-rates", status_code=202, tags=["facts"], openapi_extra=openapi.EXCHANGE_RATES)
async def post_exchange_rates(
    request: Request, ingest: Doors, caller: Annotated[Caller, Depends(vendor("exchange-rates:write"))]
) -> JSONResponse:
    """Tell one exchange rate or up to 1,000. A program names the source whose rates count: that of the key."""
    form = requests.form(request.headers, exchange.PUBLISHED)
    body = await request.body()
    now = ingest.clock()
    items = batch.read(body, exchange_rates.SHAPE, partial(exchange_rates.objections, now=now), form)
    return await ingest.accept(exchange_rates.events(items, caller.source, now, telemetry.traceparent()))


@router.post("/webhooks/{source}", status_code=202, tags=["facts"], openapi_extra=openapi.WEBHOOK)
async def post_webhook(request: Request, ingest: Doors, source: str) -> JSONResponse:
    """Take deals from a CRM by Standard Webhooks 1.0: signed with the source's secret, at most five minutes old."""
    body = await request.body()
    now = ingest.clock()
    if not standard_webhooks.verified(ingest.secrets.get(source, []), request.headers, body, now):
        raise http.Problem(401, "Unauthorized", "The source is unknown, or the signature or its time is not valid.")
    items = standard_webhooks.read(body, partial(deals.objections, now=now))
    return await ingest.accept(deals.events(items, source, now, telemetry.traceparent()))


@router.post("/programs", status_code=202, tags=["program"], openapi_extra=openapi.PROGRAM)
async def post_program(
    request: Request, ingest: Doors, caller: Annotated[Caller, Depends(vendor("programs:write"))]
) -> JSONResponse:
    """Activate a version of the partner program, in YAML or JSON. A version, once activated, never changes."""
    kind = requests.media_type(request.headers)
    if kind not in requests.YAML_TYPES | {batch.Form.JSON}:
        raise http.Problem(415, "Unsupported media type", "Send Content-Type: application/yaml or application/json.")
    body = await request.body()
    if len(body) > document.MAX_BYTES:
        raise http.Problem(413, "Body too large", f"A program has at most {document.MAX_BYTES} bytes.")
    read = document.read_json if kind == batch.Form.JSON else document.read_yaml
    found = await asyncio.to_thread(read, body)  # YAML is slow to read; other requests go on meanwhile
    program = found.parse()
    if ingest.programs().contradicts(program, found.data):
        detail = (
            f"Version {program.version} of {program.program} is active with another text; give this one a new version."
        )
        raise http.Problem(409, "Version exists", detail)
    event = programs.event(program, found.data, caller.source, ingest.clock(), telemetry.traceparent())
    answer = await ingest.accept([event], program=program.program, version=program.version)
    ingest.catalogue.add(program, found.data)
    return answer
