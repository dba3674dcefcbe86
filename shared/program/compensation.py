"""What credit is worth: plans, rates and tiers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shared.events.base import Id
from shared.rules import Days, Percent, Rule


class Plan(Rule):
    """A compensation plan: a rate by tier on the credited amount, payable after a hold that starts at the close."""

    pays: Literal["partners with credit"] = "partners with credit"
    on: Literal["credited_amount"] = "credited_amount"
    rate: dict[Id, Percent]
    hold: Days = 30


class Compensation(Rule):
    governed_by: Literal["close_date"] = "close_date"
    plans: dict[Id, Plan] = Field(min_length=1)


class Tier(Rule):
    """A tier exists by being named; requirements come with a later version of the document."""
