"""One purchase told by hand: Brightfield Foundry buys direct, and five partners had a part in it.

It has what a partner manager is asked about: who began it, who designed it, who was last; a touch too long ago, one
after the close, one that earns nothing by its kind; and a partner who reports a week late, within the grace.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from examples import oddities

CLOSED_DAYS_AGO: Final = 6
"""Within the grace of 14 days, so that a late report still counts."""
ACCOUNT: Final = {"name": "Brightfield Foundry", "domain": "brightfield.example", "crm_id": "A-1001"}
AMOUNT: Final = {"amount": "48000.00", "currency": "USD"}

_TOUCHES: Final = (  # days before the close, partner, activity, evidence
    (214, "orchard-training", "training", "attendance list no. 311"),  # outside the lookback
    (168, "maple-it", "recommendation", "comparison of five products, page 4"),
    (121, "harbor-distribution", "training", "attendance list no. 327"),
    (64, "millstone-resale", "product_demo", "meeting notes no. 118"),
    (35, "lakeside-integration", "solution_design", "design document no. 204"),
    (12, "lakeside-integration", "implementation", "pilot on line two"),  # weight 0
    (8, "millstone-resale", "product_demo", "meeting notes no. 131"),
    (-2, "harbor-distribution", "training", "course for the new users"),  # after the close
)


@dataclass(frozen=True, slots=True)
class Told:
    """The deal, its touchpoints (without ids), and the report that is still missing."""

    deal: dict[str, Any]
    touchpoints: tuple[dict[str, Any], ...]
    late: dict[str, Any]


def tell(now: datetime) -> Told:
    """The story, ending `CLOSED_DAYS_AGO` days before `now` (midnight UTC)."""
    closed = now - timedelta(days=CLOSED_DAYS_AGO) + timedelta(hours=20, minutes=30)
    deal = {
        "id": "D-1001",
        "version": oddities.version(closed),
        "account": ACCOUNT,
        "name": "Metrology Suite for the casting hall",
        "stage": "won",
        "kind": "new",
        "amount": AMOUNT,
        "created_at": oddities.stamp(closed - timedelta(days=150)),
        "closed_at": oddities.stamp(closed),
    }
    touches = tuple(
        _touch(partner, activity, closed - timedelta(days=days, hours=3), evidence)
        for days, partner, activity, evidence in _TOUCHES
    )
    late = _touch(
        "cobblestone-engineering", "consultation", closed - timedelta(days=1, hours=4), "minutes of the cost review"
    )
    del late["reported_at"]  # it is reported when it is sent
    return Told(deal, touches, late)


def _touch(partner: str, activity: str, happened: datetime, evidence: str) -> dict[str, Any]:
    return {
        "partner": partner,
        "account": {"domain": ACCOUNT["domain"], "name": ACCOUNT["name"]},
        "activity": activity,
        "occurred_at": oddities.stamp(happened),
        "reported_at": oddities.stamp(happened + timedelta(hours=20)),
        "evidence": evidence,
    }
