"""What counts as influence, and how a won deal is split: the attribution part of a program."""

from __future__ import annotations

from enum import StrEnum
from fractions import Fraction
from typing import Literal

from pydantic import Field, field_validator

from shared.events.base import Id, Text
from shared.events.deal import Kind
from shared.models import Model, ModelRule
from shared.models.base import Phase, Role
from shared.rules import Days, Part, Rule, Weight

MAX_COUNT = 10_000
"""The largest number of touchpoints a cap may name; more is no cap."""


class Repeats(StrEnum):
    """Which of a partner's repeated touchpoints on a deal count. Of equals, the earliest."""

    EVERY = "every"
    ONCE_PER_DAY = "once_per_day"
    ONCE_PER_ACTIVITY = "once_per_activity"
    HIGHEST_WEIGHT_PER_PARTNER = "highest_weight_per_partner"


class Activity(Rule):
    """What counts as influence. No activity goes live without saying what it means.

    `role` says what it does for a deal; `counts` and `at_most` bound how often one partner's may count on one deal.
    """

    means: Text = Field(min_length=1)
    weight: Weight = Fraction(1)
    role: Role = Role.INFLUENCER
    counts: Literal["every", "once_per_day", "once"] = "every"
    at_most: int | None = Field(default=None, ge=1, le=MAX_COUNT)
    example: Text | None = None


class Considers(Rule):
    """Which touchpoints are looked at, and on which deals. A list that is left out admits everything.

    `lookback` is how long before the close a touchpoint may have happened, `grace` how late it may be reported after
    it. `deal_kinds`, `regions` and `products` are about the deal: one that is not among them is not credited at all.
    """

    lookback: Days = 180
    grace: Days = 14
    activities: frozenset[Id] | None = None
    stages: frozenset[Phase] | None = None
    partner_types: frozenset[Id] | None = None
    deal_kinds: frozenset[Kind] | None = None
    regions: frozenset[Id] | None = None
    products: frozenset[Id] | None = None


class AtMost(Rule):
    """How many of a partner's touchpoints may count on one deal, the earliest ones: all together, and per activity.

    Applied before shares are computed, so that many small touchpoints do not outweigh one large one.
    """

    per_partner: int | None = Field(default=None, ge=1, le=MAX_COUNT)
    per_activity: int | None = Field(default=None, ge=1, le=MAX_COUNT)


class Excluded(Rule):
    """Partners that are never credited, and accounts (by key, such as `domain:acme.com` or `crm:crm:A-1`) nobody is."""

    partners: frozenset[Id] = frozenset()
    accounts: frozenset[Id] = frozenset()


class Sourced(Rule):
    """When a partner has *sourced* a deal: it did one of these things before this milestone (or at its instant).

    A partner has *delivered* when everything it did on the deal is an implementer's activity, and *influenced* it in
    every other case. So the three classes are disjoint for each partner and deal.
    """

    roles: frozenset[Role] = frozenset({Role.SOURCER})
    before: Literal["lead_created", "opportunity_created", "close"] = "opportunity_created"


class Renewals(Rule):
    """What the partners that sourced an account's first deal keep of its later deals, whoever is touched then.

    The n-th figure is for the n-th year after the first deal, counted by the nearest anniversary (and the first year
    for anything earlier). After the last figure nothing is kept. It is divided like their shares of the first deal.
    """

    originating_partner_keeps: tuple[Part, ...] = Field(min_length=1, max_length=20)
    per: Literal["year"] = "year"
    deal_kinds: frozenset[Kind] = frozenset({Kind.RENEWAL, Kind.EXPANSION})


class Attribution(Rule):
    """The attribution policy of a program version.

    `same_instant`: touchpoints of one instant share a position, or stand in the order of their ids. `pool` is the part
    of a deal that is divided; the vendor's `our_own_team` keeps its part of the pool. A partner whose share of what the
    model divides is below `minimum_share` gets nothing and the others its part (unless nobody reaches it). What
    implementers do up to `delivered_within` after the close is looked at to tell who delivered; it is never credited.
    """

    model: Model
    governed_by: Literal["close_date"] = "close_date"
    considers: Considers = Considers()
    repeats: Repeats = Repeats.EVERY
    at_most: AtMost = AtMost()
    same_instant: Literal["share", "by_id"] = "share"
    pool: Part = Fraction(1)
    our_own_team: Part = Fraction(0)
    minimum_share: Part = Fraction(0)
    excluded: Excluded = Excluded()
    sourced_when: Sourced = Sourced()
    delivered_within: Days = 90
    renewals: Renewals | None = None

    @field_validator("model")  # of the field, so that the fault names the line of the model
    @classmethod
    def _pays(cls, value: ModelRule) -> ModelRule:
        if not value.pays:
            raise ValueError(
                f"{value.kind} is for reports and never a basis of pay, for its shares add up to more than 100%; "
                "use linear_partner to give every partner the same, or another model of `tributary program models`"
            )
        return value
