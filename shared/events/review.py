"""`review.decided`: a person settled what the rules alone could not."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from pydantic import Field

from shared.events.base import AccountKey, Contract, Id, Instant, Text

TOPIC: Final = "tributary.reviews"
DECIDED: Final = "review.decided"


class Kind(StrEnum):
    """What waits in the review list, in the order it is listed."""

    AMBIGUOUS_ACCOUNT = "ambiguous_account"
    CONFLICT = "conflict"
    LATE_CLAIM = "late_claim"
    PROPOSAL = "proposal"
    UNMATCHED_DEAL = "unmatched_deal"
    UNMATCHED_TOUCHPOINT = "unmatched_touchpoint"


class Verdict(StrEnum):
    """What was decided. `ACCEPT` does what the item asks for, `REJECT` leaves things as they are and settles it.

    Accepting links (ambiguous and unmatched: to `account`), applies the other content (conflict), lets the touchpoint
    count (late claim), or takes the name for the account's (proposal).
    """

    ACCEPT = "accept"
    REJECT = "reject"


class ReviewDecided(Contract):
    """A decision, a fact under its own `id`. Of several on one item the latest (`decided_at`, then `id`) counts.

    `item` is the item's own key as the review list shows it. `account` is a key of the account that was chosen.
    `by` is the person, `key` the API key it came with, `why` the reason.
    """

    id: Id
    kind: Kind
    item: tuple[str, ...] = Field(min_length=1, max_length=8)
    verdict: Verdict
    account: AccountKey | None = None
    why: Text = Field(min_length=1)
    by: Id
    key: Id
    decided_at: Instant
