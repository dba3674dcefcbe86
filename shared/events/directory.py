"""`partner.upserted`: who a partner is, and the tier it holds from a date on."""

from __future__ import annotations

from datetime import date
from typing import Final

from pydantic import Field

from shared.events.base import Contract, Id, Instant, Name

TOPIC: Final = "tributary.directory"
PARTNER_UPSERTED: Final = "partner.upserted"


class PartnerUpserted(Contract):
    """A fact under its natural key (id, version).

    The tier at a date is that of the fact with the latest `tier_since` not after it; among equal dates the highest
    version wins. So tiers have a history, and a promotion today does not change what last year's deals paid.
    """

    id: Id
    version: int = Field(ge=0, le=2**63 - 1)
    name: Name
    tier: Id
    tier_since: date
    kind: Id | None = None
    received_at: Instant
