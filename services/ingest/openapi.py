"""The documentation of request bodies: endpoints read raw bytes, so their schemas are stated here."""

from __future__ import annotations

from typing import Any, Final

from services.ingest.domain import (
    accounts,
    deals,
    exchange_rates,
    partner_merges,
    partners,
    receipts,
    touchpoints,
    withdrawals,
)
from services.ingest.domain.batch import MAX_ITEMS, Form, Shape

_TOUCHPOINT: Final = {
    "id": "demo-2026-0042",
    "partner": "alpine-consulting",
    "account": {"domain": "acme.example", "name": "Acme"},
    "activity": "product_demo",
    "occurred_at": "2026-03-02T14:30:00+01:00",
    "evidence": "https://alpine.example/reports/42",
}
_WITHDRAWAL: Final = {"id": "demo-2026-0042", "reason": "The demonstration was cancelled at short notice."}
_DEAL: Final = {
    "id": "D-1001",
    "version": 1772461800000000,
    "account": {"crm_id": "001A", "domain": "acme.example", "name": "Acme"},
    "name": "Acme, first order",
    "stage": "won",
    "amount": {"amount": "12500.00", "currency": "USD"},
    "created_at": "2026-01-10T09:00:00Z",
    "closed_at": "2026-03-20T17:00:00Z",
    "milestones": {"lead_created": "2026-01-05T09:00:00Z"},
    "region": "EMEA",
    "product": "calibration",
    "margin": {"amount": "4000.00", "currency": "USD"},
    "first_year_value": {"amount": "5000.00", "currency": "USD"},
}
_RECEIPT: Final = {
    "id": "P-2001",
    "deal": "D-1001",
    "kind": "payment",
    "amount": {"amount": "6250.00", "currency": "USD"},
    "on": "2026-04-15",
}
_REFUND: Final = {
    "id": "R-2001",
    "deal": "D-1001",
    "kind": "refund",
    "amount": {"amount": "1250.00", "currency": "USD"},
    "of": "P-2001",
    "on": "2026-05-02",
}
_EXCHANGE_RATE: Final = {"base": "EUR", "quote": "USD", "on": "2026-03-20", "rate": "1.0842"}
_PARTNER: Final = {
    "name": "Alpine Consulting",
    "tier": "silver",
    "tier_since": "2026-01-01",
    "kind": "consultant",
    "recruiter": "summit-advisers",
    "currency": "EUR",
}
_PARTNER_MERGE: Final = {
    "id": "alpine-takeover",
    "partner": "summit-advisers",
    "into": "alpine-consulting",
    "effective_from": "2026-04-01",
    "evidence": "Commercial register, entry of 2026-03-28",
}
_ACCOUNT: Final = {
    "id": "acme",
    "version": 1,
    "name": "Acme Instruments",
    "aliases": ["Acme Instruments Ltd.", "ACME"],
    "domains": ["acme.example", "acme-instruments.example"],
    "crm_ids": [{"id": "001A"}, {"crm": "apac", "id": "77"}],
    "duns": "15-048-3782",
    "vat": "DE 136.695.976",
}
_ACCOUNT_MERGE: Final = {
    "id": "acme-buys-zenith",
    "version": 1,
    "accounts": [{"crm_id": "001A"}, {"domain": "zenith.example"}],
    "effective_from": "2026-04-01",
    "evidence": "Press release of 2026-03-30",
}
_SEPARATION: Final = {
    "id": "acme-foundation",
    "version": 1,
    "account": {"domain": "acme-foundation.example", "crm_id": "002F"},
    "evidence": "Ticket 4711: another legal entity with purchases of its own",
}
_PROGRAM: Final = """\
program: northwind-partners
version: 1
effective_from: 2026-01-01
currency: USD
time_zone: America/New_York
activities:
  product_demo: {means: A live demonstration to people of the buying company., weight: 2}
attribution:
  model: {kind: position, first: 40%, middle: 20%, last: 40%}
  considers: {lookback: 180 days, grace: 14 days}
compensation:
  plans:
    influence:
      rate: {registered: 3%, silver: 5%}
      hold: 30 days
tiers:
  registered:
  silver:
"""

_PROBLEM: Final = {
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}

_MEANINGS: Final = {
    400: "The body is not JSON; the detail says where.",
    401: "No valid API key, or no valid signature.",
    403: "The key lacks the right, in whole or for the items named.",
    409: "It contradicts what stands, or no program is active yet.",
    413: "The body is too large; split the batch.",
    415: "The content type is none of those above.",
    422: "Every bad item and field is named; nothing of the request was kept.",
    503: "Kafka does not answer; send the same request again after Retry-After.",
}

RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    status: {"description": meaning, "content": {"application/problem+json": {"schema": _PROBLEM}}}
    for status, meaning in _MEANINGS.items()
}


def _one_or_many(shape: Shape[Any], *given: object) -> dict[str, Any]:
    item = _inlined(shape.schema())
    return {
        "schema": {"oneOf": [item, {"type": "array", "items": item, "minItems": 1, "maxItems": MAX_ITEMS}]},
        "examples": {"one": {"value": given[0]}, "several": {"value": list(given)}},
    }


def _with_events(shape: Shape[Any], event_type: str, *given: dict[str, Any]) -> dict[str, Any]:
    event = {
        "specversion": "1.0", "type": event_type, "source": "/crm/eu", "id": "b1e2", "data": given[0]
    }  # fmt: skip
    schema = {
        "type": "object",
        "required": ["specversion", "type", "source", "id", "data"],
        "properties": {"type": {"const": event_type}, "data": _inlined(shape.schema())},
    }
    content = {
        Form.JSON.value: _one_or_many(shape, *given),
        Form.EVENT.value: {"schema": schema, "example": event},
        Form.EVENTS.value: {"schema": {"type": "array", "items": schema, "maxItems": MAX_ITEMS}, "example": [event]},
    }
    return _body(content)


def _body(content: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": content}}


def _inlined(schema: Any, definitions: dict[str, Any] | None = None) -> Any:  # noqa: ANN401  JSON Schema
    """A schema without references: OpenAPI would look for them elsewhere."""
    if isinstance(schema, list):
        return [_inlined(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    known = definitions or schema.get("$defs", {})
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        return {**_inlined(known[name], known), **rest}
    return {key: _inlined(value, known) for key, value in schema.items() if key != "$defs"}


TOUCHPOINTS: Final = _with_events(touchpoints.SHAPE, "touchpoint.recorded", _TOUCHPOINT)
WITHDRAWALS: Final = _with_events(withdrawals.SHAPE, "touchpoint.withdrawn", _WITHDRAWAL)
DEALS: Final = _with_events(deals.SHAPE, "deal.observed", _DEAL)
RECEIPTS: Final = _with_events(receipts.SHAPE, "receipt.recorded", _RECEIPT, _REFUND)
EXCHANGE_RATES: Final = _with_events(exchange_rates.SHAPE, "rate.published", _EXCHANGE_RATE)
WEBHOOK: Final = _body(
    {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["type", "data"],
                "properties": {
                    "type": {"const": "deal.observed"},
                    "timestamp": {"type": "string", "format": "date-time"},
                    "data": _one_or_many(deals.SHAPE, _DEAL)["schema"],
                },
            },
            "example": {"type": "deal.observed", "timestamp": "2026-03-20T17:00:01Z", "data": _DEAL},
        }
    }
)
PARTNER: Final = _body({"application/json": {"schema": _inlined(partners.BODY.schema()), "example": _PARTNER}})
PARTNERS: Final = _body({"application/json": _one_or_many(partners.SHAPE, {"id": "alpine-consulting", **_PARTNER})})
PARTNER_MERGES: Final = _body({"application/json": _one_or_many(partner_merges.SHAPE, _PARTNER_MERGE)})
ACCOUNTS: Final = _body({"application/json": _one_or_many(accounts.LINKED, _ACCOUNT)})
ACCOUNT_MERGES: Final = _body({"application/json": _one_or_many(accounts.MERGES, _ACCOUNT_MERGE)})
ACCOUNT_SEPARATIONS: Final = _body({"application/json": _one_or_many(accounts.SEPARATIONS, _SEPARATION)})
PROGRAM: Final = _body(
    {
        "application/yaml": {"schema": {"type": "object"}, "example": _PROGRAM},
        "application/json": {"schema": {"type": "object"}},
    }
)
