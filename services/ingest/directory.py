"""The doors of the directory: partners and their tiers, and statements about who is who."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from services.ingest import openapi
from services.ingest.domain import accounts, batch, fields, partner_merges, partners
from services.ingest.doors import Doors, Ingest, json_body, vendor
from shared import http, telemetry
from shared.access import Caller
from shared.events.envelope import Event

T = TypeVar("T")
Events = Callable[[Sequence[T], str, datetime, str | None], list[Event]]

router = APIRouter(prefix="/ingest/v1", responses=openapi.RESPONSES, tags=["directory"])
PartnersKey = Annotated[Caller, Depends(vendor("partners:write"))]
AccountsKey = Annotated[Caller, Depends(vendor("accounts:write"))]


@router.put("/partners/{partner_id}", status_code=202, openapi_extra=openapi.PARTNER)
async def put_partner(
    request: Request,
    ingest: Doors,
    partner_id: fields.Id,
    caller: PartnersKey,
) -> JSONResponse:
    """State a partner's name and the tier it holds from a day on. Earlier tiers keep their time."""
    check = partial(partners.Rules(_tiers(ingest)).body_objections, partner=partner_id)
    items = batch.read(await json_body(request), partners.BODY, check)
    if len(items) != 1:
        raise http.Problem(422, "Invalid request", "Send one partner here; POST /ingest/v1/partners takes several.")
    partner: partners.Partner = {**items[0], "id": partner_id}
    return await ingest.accept(partners.events([partner], caller.source, ingest.clock(), telemetry.traceparent()))


@router.post("/partners", status_code=202, openapi_extra=openapi.PARTNERS)
async def post_partners(request: Request, ingest: Doors, caller: PartnersKey) -> JSONResponse:
    """State one partner or up to 1,000, each with its id."""
    rules = partners.Rules(_tiers(ingest))
    items = batch.read(await json_body(request), partners.SHAPE, rules.objections)
    return await ingest.accept(partners.events(items, caller.source, ingest.clock(), telemetry.traceparent()))


@router.post("/partners/merges", status_code=202, openapi_extra=openapi.PARTNER_MERGES)
async def post_partner_merges(request: Request, ingest: Doors, caller: PartnersKey) -> JSONResponse:
    """State that one partner became part of another, or undo it; one statement or up to 1,000."""
    return await _stated(
        request, ingest, caller, partner_merges.SHAPE, partner_merges.objections, partner_merges.events
    )


@router.post("/accounts", status_code=202, openapi_extra=openapi.ACCOUNTS)
async def post_accounts(request: Request, ingest: Doors, caller: AccountsKey) -> JSONResponse:
    """State all names of one customer company, or undo it; one statement or up to 1,000."""
    return await _stated(request, ingest, caller, accounts.LINKED, accounts.link_objections, accounts.link_events)


@router.post("/accounts/merges", status_code=202, openapi_extra=openapi.ACCOUNT_MERGES)
async def post_account_merges(request: Request, ingest: Doors, caller: AccountsKey) -> JSONResponse:
    """State that several accounts are one company, or undo it; one statement or up to 1,000."""
    return await _stated(request, ingest, caller, accounts.MERGES, accounts.merge_objections, accounts.merge_events)


@router.post("/accounts/separations", status_code=202, openapi_extra=openapi.ACCOUNT_SEPARATIONS)
async def post_account_separations(request: Request, ingest: Doors, caller: AccountsKey) -> JSONResponse:
    """State that an account is a company of its own, or undo it; one statement or up to 1,000."""
    return await _stated(
        request, ingest, caller, accounts.SEPARATIONS, accounts.separation_objections, accounts.separation_events
    )


async def _stated(
    request: Request, ingest: Ingest, caller: Caller, shape: batch.Shape[T], check: batch.Check[T], events: Events[T]
) -> JSONResponse:
    items = batch.read(await json_body(request), shape, check)
    return await ingest.accept(events(items, caller.source, ingest.clock(), telemetry.traceparent()))


def _tiers(ingest: Ingest) -> frozenset[str] | None:
    known = ingest.programs()
    return known.tiers if known.documents else None
