"""What a partner was paid too much: claimed from it, or paid back by it.

Without a claim a negative payable is carried forward and later earnings offset it. A claim moves it to the partner's
recoverable account, so that later earnings are paid in full; what is not got back in the end is written off by an
adjustment of that account.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from services.rewards.domain.accounts import Account, Role
from services.rewards.domain.journal import Journal, Kind, Leg
from shared import keys, money


class Step(StrEnum):
    """What happened."""

    CLAIMED = "claimed"
    REPAID = "repaid"


def journal(
    step: Step, *, source: str, key: str, partner: str, amount_minor: int, currency: str, on: date, reference: str
) -> Journal:
    """CLAIMED: Dr recoverable / Cr payable. REPAID: Dr cash clearing / Cr recoverable. The first leg is used up.

    `source` and `key` (the request's idempotency key) make it unique.
    """
    used, gained = {Step.CLAIMED: (Role.PAYABLE, Role.RECOVERABLE), Step.REPAID: (Role.RECOVERABLE, Role.PAID)}[step]
    return Journal(
        key=keys.pack("recovery", source, key), kind=Kind.RECOVERY, effective_on=on, partner=partner,
        legs=(
            Leg(Account(used, currency, partner), -amount_minor), Leg(Account(gained, currency, partner), amount_minor)
        ),
        source_event=f"recovery {keys.pack(source, key)}",
        reason={
            "cause": f"{step} from the partner" if step is Step.CLAIMED else f"{step} by the partner",
            "reference": reference, "recovered": money.to_decimal(amount_minor, currency),
        },
    )  # fmt: skip
