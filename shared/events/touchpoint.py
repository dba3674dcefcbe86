"""`touchpoint.recorded`: a partner did something that may have influenced a purchase; `touchpoint.withdrawn`: no."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from shared.events.account import AccountRef
from shared.events.base import Contract, Id, Instant, Text

TOPIC: Final = "tributary.touchpoints"
RECORDED: Final = "touchpoint.recorded"
WITHDRAWN: Final = "touchpoint.withdrawn"


class TouchpointRecorded(Contract):
    """The fact, under its natural key (source, id). A repeat changes nothing; another body is a conflict.

    `received_at` is when it was first reported: it decides whether a touchpoint came within the program's grace.
    """

    source: Id
    id: Id
    partner: Id
    account: AccountRef
    activity: Id
    occurred_at: Instant
    received_at: Instant
    evidence: Text | None = None
    details: dict[Id, Text] = Field(default_factory=dict)


class TouchpointWithdrawn(Contract):
    """The sender takes a touchpoint of its own back, for ever. Natural key (source, id) of the touchpoint.

    It may come before the touchpoint. The first withdrawal counts; the touchpoint is kept, and earns nothing. With
    `partner` (that of the API key) it takes back that partner's touchpoint alone, for keys may share a source.
    """

    source: Id
    id: Id
    partner: Id | None = None
    reason: Text
    received_at: Instant
