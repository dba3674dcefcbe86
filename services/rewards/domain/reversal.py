"""Taking a journal back whole: each leg with the opposite sign, once. What is owed for a deal is never taken back so.

A deal's journals follow its facts (see `journal.differences`): to reverse one by hand would only make the next
reconciliation book it again. This is for what people recorded: a payment the bank sent back.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from services.rewards.domain.journal import Journal, Kind, Leg


def journal(of: Journal, journal_id: int, *, key: str, effective_on: date, source_event: str, cause: str) -> Journal:
    """The journal that takes back `of`, booked as `journal_id`. Raises ValueError for a deal's journal."""
    if of.deal_id is not None:
        raise ValueError(f"journal {journal_id} follows deal {of.deal_source}/{of.deal_id}; change the facts instead")
    return replace(
        of, key=key, kind=Kind.REVERSAL, effective_on=effective_on, source_event=source_event, adjusts=journal_id,
        reverses=journal_id, period=None, reason={"cause": cause},
        legs=tuple(Leg(leg.account, -leg.amount_minor) for leg in of.legs),
    )  # fmt: skip
