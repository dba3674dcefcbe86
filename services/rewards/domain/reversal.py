"""Taking a journal back whole: each leg with the opposite sign, once. What is owed for a deal is never taken back so.

A deal's journals follow its facts (see `journal.differences`): to reverse one by hand would only make the next
reconciliation book it again. This is for what people recorded: a payment the bank sent back, an adjustment that was
wrong.
"""

from __future__ import annotations

from datetime import date
from typing import Final

from services.rewards.domain.journal import Journal, Kind, Leg

REVERSIBLE: Final = frozenset({Kind.PAYMENT, Kind.MANUAL, Kind.RECOVERY})
"""What people recorded. A reversal is not taken back: record the payment or the adjustment anew."""


def journal(of: Journal, journal_id: int, *, key: str, effective_on: date, source_event: str, cause: str) -> Journal:
    """The journal that takes back `of`, booked as `journal_id`, and keeps its reference.

    Raises ValueError, worded for a person, for what may not be taken back.
    """
    if of.deal_id is not None:
        raise ValueError(f"journal {journal_id} follows deal {of.deal_source}/{of.deal_id}; change the facts instead")
    if of.scope is not None:
        raise ValueError(f"journal {journal_id} follows the deals of {of.scope} under plan {of.plan!r}")
    if of.kind not in REVERSIBLE:
        raise ValueError(f"journal {journal_id} is a {of.kind}; only what people booked by hand is taken back")
    reference = of.reason.get("reference")
    return of._replace(
        key=key, kind=Kind.REVERSAL, effective_on=effective_on, source_event=source_event, adjusts=journal_id,
        reverses=journal_id, period=None,
        reason={"cause": cause, "own_cause": cause} | ({"reference": reference} if reference is not None else {}),
        legs=tuple(Leg(leg.account, -leg.amount_minor) for leg in of.legs),
    )  # fmt: skip
