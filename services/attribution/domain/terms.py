"""What a deal's credit says beside its shares, for plans that ask.

Where and what was sold, its margin and first-year value, and when the account's first deal was.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from services.attribution.domain import words
from services.attribution.domain.credit import Decision
from services.attribution.domain.facts import Deal
from shared import money
from shared.events.credit import Status

CALLED: Final = {
    "region": "region",
    "product": "product",
    "margin": "margin",
    "first_year_value": "first-year value",
    "first_closed_on": "first deal's close",
}
"""The fields of `credit.decided` and what a cause calls them."""


def terms(deal: Deal, decision: Decision) -> dict[str, Any]:
    """Each of these fields of `credit.decided`, as JSON; a deal that is not won has none of them."""
    if decision.status is Status.NOT_WON:
        return dict.fromkeys(CALLED)
    return {
        "region": deal.region,
        "product": deal.product,
        "margin": amount(deal.margin_minor, decision.currency),
        "first_year_value": amount(deal.first_year_minor, decision.currency),
        "first_closed_on": decision.first_closed_on,
    }


def amount(minor: int | None, currency: str | None) -> dict[str, str] | None:
    """Money as events write it."""
    if minor is None or currency is None:
        return None
    return {"amount": money.to_decimal(minor, currency), "currency": currency}


def changed(published: Mapping[str, Any], deal: Deal, decision: Decision) -> list[str]:
    """How the terms differ from those of a published snapshot, in words: `margin 400.00 USD -> 350.00 USD`.

    Snapshots from before they were told lack them; then one that is there now was not told.
    """
    now = {name: _word(value) for name, value in terms(deal, decision).items()}
    before = {name: _word(published[name]) if name in published else "not told" for name in CALLED}
    return [
        f"{called} {before[name]} -> {now[name]}"
        for name, called in CALLED.items()
        if now[name] != before[name] and (name in published or now[name] != _NONE)
    ]


_NONE: Final = "none"


def _word(value: str | date | Mapping[str, str] | None) -> str:
    if value is None:
        return _NONE
    if isinstance(value, Mapping):
        return words.amount(money.to_minor(value["amount"], value["currency"]), value["currency"])
    return str(value)
