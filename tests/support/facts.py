"""Facts for end-to-end tests, as the systems that send them would write them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

JsonObject = dict[str, Any]


def document(**changes: object) -> JsonObject:
    """A partner program: position 40/20/40, three tiers, one plan, 30 days of hold."""
    return {
        "program": "northwind-partners", "version": 1, "effective_from": "2016-01-01", "currency": "USD",
        "time_zone": "UTC",
        "activities": {
            "recommendation": {"means": "The partner named us to a buyer.", "weight": 2},
            "education": {"means": "A course or talk on what the product does.", "weight": 1},
            "demo": {"means": "A live demonstration.", "weight": 2},
            "requirements": {"means": "Help with the buyer's requirements.", "weight": 2},
            "closing": {"means": "Negotiating and signing the order.", "weight": 1},
        },
        "attribution": {
            "model": {"kind": "position", "first": "40%", "middle": "20%", "last": "40%"},
            "considers": {"lookback": "180 days", "grace": "14 days"},
        },
        "compensation": {
            "plans": {"influence": {"rate": {"registered": "3%", "silver": "5%", "gold": "8%"}, "hold": "30 days"}}
        },
        "tiers": {"registered": {}, "silver": {}, "gold": {}},
    } | changes  # fmt: skip


def ago(days: float) -> datetime:
    """A moment that many days before now, to the second."""
    return (datetime.now(UTC) - timedelta(days=days)).replace(microsecond=0)


def partner(name: str, tier: str = "silver", since: str = "2016-01-01") -> JsonObject:
    return {"id": name, "name": name.title(), "tier": tier, "tier_since": since, "version": 1}


def touchpoint(
    number: str, partner_id: str, activity: str, when: datetime, *, domain: str | None = None,
    crm_id: str | None = None, reported: datetime | None = None,
) -> JsonObject:  # fmt: skip
    account = {key: value for key, value in (("domain", domain), ("crm_id", crm_id)) if value}
    body: JsonObject = {
        "id": number, "partner": partner_id, "account": account, "activity": activity, "occurred_at": when.isoformat()
    }  # fmt: skip
    return body | ({"reported_at": reported.isoformat()} if reported else {})


def deal(
    number: str, account: Mapping[str, str], amount: str, closed: datetime | None, *, stage: str = "won",
    version: int = 1, kind: str = "new", currency: str = "USD",
) -> JsonObject:  # fmt: skip
    body: JsonObject = {"id": number, "version": version, "account": dict(account), "stage": stage, "kind": kind}
    if closed:
        body["closed_at"] = closed.isoformat()
    if amount:
        body["amount"] = {"amount": amount, "currency": currency}
    return body
