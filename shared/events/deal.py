"""`deal.observed`: the CRM showed this deal in this state, at this version."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from pydantic import Field

from shared.events.account import AccountRef
from shared.events.base import Contract, Id, Instant, Money, Name

TOPIC: Final = "tributary.deals"
OBSERVED: Final = "deal.observed"


class Stage(StrEnum):
    OPEN = "open"
    WON = "won"
    LOST = "lost"


class Kind(StrEnum):
    NEW = "new"
    RENEWAL = "renewal"
    EXPANSION = "expansion"


class DealObserved(Contract):
    """A snapshot under its natural key (source, id, version); the highest version is the deal's present state.

    A won deal always has an amount and `closed_at` (ingest refuses it otherwise); open and lost ones may lack both.
    A deal that the CRM has `removed`, or merged into another of the same source, earns nothing in whatever stage.
    `milestones` are instants by name, such as `lead_created`; `opportunity_created` is `created_at` unless named.
    `margin` and `first_year_value` are bases of pay beside the amount, in its currency.
    """

    source: Id
    id: Id
    version: int = Field(ge=0, le=2**63 - 1)
    account: AccountRef | None = None
    name: Name | None = None
    stage: Stage
    kind: Kind = Kind.NEW
    amount: Money | None = None
    created_at: Instant | None = None
    closed_at: Instant | None = None
    milestones: dict[Id, Instant] = Field(default_factory=dict)
    region: Id | None = None
    product: Id | None = None
    margin: Money | None = None
    first_year_value: Money | None = None
    removed: bool = False
    merged_into: Id | None = None
    observed_at: Instant
