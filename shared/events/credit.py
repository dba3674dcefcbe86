"""`credit.decided`: the full snapshot of a deal's credit, published only when it changed."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Final

from shared.events.base import AccountKey, Contract, Id, Instant, Money, Name, Text
from shared.events.deal import Kind

TOPIC: Final = "tributary.credits"
DECIDED: Final = "credit.decided"

MAX_TOUCHPOINTS_PER_SHARE: Final = 20
"""Touchpoints listed per share in the event; `touchpoint_count` tells the rest. It keeps the largest message far below
Kafka's 1 MB; the complete list is always in the attribution service."""


class Status(StrEnum):
    CREDITED = "credited"
    UNATTRIBUTED = "unattributed"
    NOT_WON = "not_won"


class CreditedTouchpoint(Contract):
    """A touchpoint behind a share. `share` is its exact part of the whole deal, as a fraction such as `2/15`."""

    source: Id
    id: Id
    activity: Id
    occurred_at: Instant
    share: str


class Influence(StrEnum):
    """What a partner was for a deal: exactly one of these."""

    SOURCED = "sourced"
    INFLUENCED = "influenced"
    DELIVERED = "delivered"


class ActivityShare(Contract):
    """The part of a share that comes from touchpoints of one activity, as a fraction of the whole deal."""

    activity: Id
    share: str


class Share(Contract):
    """What one partner is credited with: an exact fraction of the deal and its amount.

    `originating` is the part of the share (a fraction of the deal) that it keeps from the account's first deal; it and
    `activities` (sorted by name) make up the share.
    """

    partner: Id
    share: str
    amount: Money
    influence: Influence | None = None
    originating: str | None = None
    activities: tuple[ActivityShare, ...] = ()
    touchpoint_count: int
    touchpoints: tuple[CreditedTouchpoint, ...] = ()


class Participant(Contract):
    """A partner that took part in a deal, with a share or without."""

    partner: Id
    influence: Influence


class Unattributed(Contract):
    """A part of a deal that no partner is credited with, and why: a stable code and words."""

    reason: Id
    text: Text
    share: str
    amount: Money


class CreditDecided(Contract):
    """Credit of one deal at one revision, under its natural key (source, id, revision).

    The sum of the shares' amounts plus `unattributed` is `amount`, exactly. `reason` says why nothing was credited
    (then `shares` is empty); `cause` says what changed since the revision before. `governed_on` is the deal's close
    date in the program's time zone: it picks the program version, and the partner's tier. `unattributed_parts` make up
    `unattributed`; `participants` are all partners that took part; `account` are the keys whose touchpoints counted.
    `margin`, `first_year_value`, `region` and `product` are the deal's, for plans that ask; `first_closed_on` is the
    day the account's first deal of kind `new` closed, told only when a plan of some program version asks for it.
    """

    source: Id
    id: Id
    name: Name | None = None
    revision: int
    status: Status
    governed_on: date | None = None
    program: Id | None = None
    program_version: int | None = None
    model: Text | None = None
    amount: Money | None = None
    unattributed: Money | None = None
    reason: Text | None = None
    shares: tuple[Share, ...] = ()
    deal_kind: Kind | None = None
    unattributed_parts: tuple[Unattributed, ...] = ()
    region: Id | None = None
    product: Id | None = None
    margin: Money | None = None
    first_year_value: Money | None = None
    first_closed_on: date | None = None
    participants: tuple[Participant, ...] = ()
    account: tuple[AccountKey, ...] = ()
    cause: Text
    decided_at: Instant
