"""What credit is worth: plans, their bases, rates, brackets, caps and budgets.

Amounts are written in the program's currency. Everything is pinned to the deal's close date: program version, tier,
partner type and exchange rate. How each word is computed is in `services/rewards/domain`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from shared import money
from shared.events.base import Id
from shared.events.credit import Influence
from shared.events.deal import Kind
from shared.rules import Amount, Bound, Days, Months, Part, Percent, Rule

MAX_RATES: Final = 200
"""Rules of one plan: products times regions times tiers of a large vendor stay below."""
MAX_STEPS: Final = 20
"""Brackets of one plan; a table a person can read."""
EARNINGS: Final = "recruits_earnings"

Span = Literal["month", "quarter", "year", "ever"]
"""What a bracket or a cap adds up over, by close date in the program's calendar; `ever` has no end."""
Settled = Literal["month", "quarter", "year", "ever", "budget"]
"""What a plan settles over: a span of time for each partner, or its budget for all partners."""
Basis = Literal["credited_amount", "margin", "first_year_value", "fixed", "recruits_earnings"]


class When(Rule):
    """What must hold, all of it; a list holds when one of its members does, one that is left out always.

    `activities` speaks of the touchpoints a share comes from: such a rule rates that part of the share alone.
    """

    tiers: frozenset[Id] | None = None
    partner_types: frozenset[Id] | None = None
    activities: frozenset[Id] | None = None
    classes: frozenset[Influence] | None = None
    deal_kinds: frozenset[Kind] | None = None
    products: frozenset[Id] | None = None
    regions: frozenset[Id] | None = None


class Rate(Rule):
    """A percentage of the base, or with `on: fixed` an amount, for what `when` names."""

    when: When = When()
    rate: Percent | None = None
    amount: Amount | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.rate is None) == (self.amount is None):
            raise ValueError("needs either `rate` or `amount`")
        return self


class Step(Rule):
    """A bracket from its lower bound up to, and without, its upper one; the last has none.

    Bounds are amounts of the base, or percentages of the quota where there is one. `rate` takes the place of the
    plan's rate, `times` multiplies it (an accelerator: `times: 150%`).
    """

    begin: Bound = Field(alias="from")
    end: Bound | None = Field(default=None, alias="to")
    rate: Percent | None = None
    times: Percent | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.rate is None) == (self.times is None):
            raise ValueError("needs either `rate` or `times`")
        return self


class Brackets(Rule):
    """Rates that depend on how much there is: of one deal, or of all deals of a partner in a span of time.

    `marginal` rates each part by its own bracket, `whole` everything by the bracket the sum falls in. What a span's
    brackets add to the plain rates of its deals (or take from them) is one true-up per partner and span, so that no
    order of arrival matters.
    """

    apply: Literal["marginal", "whole"]
    per: Literal["deal", "month", "quarter", "year", "ever"]
    quota: dict[Id, Amount] | None = None  # by tier
    steps: tuple[Step, ...] = Field(min_length=1, max_length=MAX_STEPS)

    @model_validator(mode="after")
    def _no_gap(self) -> Self:
        bounds = [bound for step in self.steps for bound in (step.begin, step.end) if bound is not None]
        if self.per == "deal" and self.quota is not None:
            raise ValueError("`quota` is of a span of time: `per: deal` has none")
        if any(bound.value and bound.of_quota != (self.quota is not None) for bound in bounds):
            raise ValueError(
                "`from` and `to` are percentages where there is a `quota`, and amounts where there is none"
            )
        if self.steps[0].begin.value:
            raise ValueError("steps.0.from must be 0, or what is below would have no rate")
        if self.steps[-1].end is not None:
            raise ValueError(f"steps.{len(self.steps) - 1}.to must be left out: the last bracket has no end")
        for index, (step, following) in enumerate(pairwise(self.steps)):
            if step.end is None or step.end.value > following.begin.value:
                raise ValueError(f"steps.{index} and steps.{index + 1} overlap: `to` must be the next one's `from`")
            if step.end.value < following.begin.value:
                raise ValueError(f"steps.{index} and steps.{index + 1} leave a gap: `to` must be the next one's `from`")
            if step.end.value <= step.begin.value:
                raise ValueError(f"steps.{index} is empty: `to` must be more than `from`")
        return self


class Cap(Rule):
    """The most one partner earns under the plan: per deal, or in a span of time."""

    amount: Amount
    per: Literal["deal", "month", "quarter", "year", "ever"]


class Churn(Rule):
    """A customer that leaves within this time after the close takes the earning back: all of it, or what is left."""

    within: Days
    takes_back: Literal["all", "pro_rata"] = "all"


class Plan(Rule):
    """A compensation plan. `rate` and `amount` are short for `rates` by tier; the first rule that holds counts.

    `on` is what the rate is of: the partner's share of the deal's amount, margin or first-year value, nothing
    (`fixed` amounts), or what the recruit earns under `of_plan`. `pays: recruiters` pays the partner that recruited
    the one with credit, one level up, beside it. `basis: cash` pays in proportion to what the customer has paid.
    `starts` and `ends` bound the close date, both included. `budget` is what the plan pays to all partners together,
    the earliest closes first. `recurring` is how long after an account's first deal its renewals and expansions pay.
    """

    pays: Literal["partners with credit", "recruiters"] = "partners with credit"
    on: Basis = "credited_amount"
    of_plan: Id | None = None
    rate: dict[Id, Percent] | None = None
    amount: dict[Id, Amount] | None = None
    rates: tuple[Rate, ...] = Field(default=(), max_length=MAX_RATES)
    when: When = When()
    brackets: Brackets | None = None
    caps: tuple[Cap, ...] = Field(default=(), max_length=5)
    budget: Amount | None = None
    starts: date | None = None
    ends: date | None = None
    recurring: Months | None = None
    basis: Literal["booking", "cash"] = "booking"
    churn: Churn | None = None
    hold: Days = 30

    @field_validator("when")
    @classmethod
    def _no_part_of_a_share(cls, value: When) -> When:
        if value.activities is not None:
            raise ValueError("activities rate a part of a share: name them in `rates`")
        return value

    @model_validator(mode="after")
    def _rated(self) -> Self:
        if sum(map(bool, (self.rate, self.amount, self.rates))) != 1:
            raise ValueError("needs exactly one of `rate`, `amount` and `rates`")
        fixed = self.on == "fixed"
        if fixed != (self.amount is not None or any(r.amount is not None for r in self.rates)) or (
            fixed and any(r.rate is not None for r in self.rates)
        ):
            raise ValueError("`on: fixed` needs amounts, every other base needs rates")
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.on == EARNINGS) != (self.of_plan is not None):
            raise ValueError("`on: recruits_earnings` and `of_plan` belong together")
        if self.on == EARNINGS and self.pays != "recruiters":
            raise ValueError("`on: recruits_earnings` needs `pays: recruiters`")
        if self.on == "fixed" and self.brackets is not None:
            raise ValueError("`brackets` need a base that is a sum of money, not `on: fixed`")
        if self.starts is not None and self.ends is not None and self.ends < self.starts:
            raise ValueError("`ends` must not be before `starts`")
        if len(self._spans) + (self.budget is not None) > 1:
            raise ValueError("`brackets`, `caps` and `budget` must add up over one span of time; make it several plans")
        spans = [cap.per for cap in self.caps]
        if len(set(spans)) != len(spans):
            raise ValueError("`caps` has two caps for one span; keep the lower one")
        return self

    @cached_property  # asked for every share
    def rules(self) -> tuple[Rate, ...]:
        """Its rates as a list of rules, the first that holds counts."""
        if self.rates:
            return self.rates
        tiers = {**(self.rate or {}), **(self.amount or {})}
        return tuple(
            Rate.model_construct(
                when=When(tiers=frozenset({tier})),
                rate=value if self.rate else None,
                amount=value if self.amount else None,
            )
            for tier, value in sorted(tiers.items())  # by name: a stored document does not keep their order
        )

    @cached_property
    def plain(self) -> bool:
        """Whether it says no more than a rate by tier and a hold: what most plans are, and what is quickest to pay."""
        return self.rate is not None and all(
            getattr(self, name) == field.get_default()
            for name, field in type(self).model_fields.items()
            if name not in {"rate", "hold"}
        )

    @cached_property
    def by_activity(self) -> bool:
        """Whether a rule rates the parts of a share by the activities they come from."""
        return any(rule.when.activities is not None for rule in self.rules)

    @cached_property
    def has_amounts_per_deal(self) -> bool:
        """Whether it has amounts of the program's currency to compare with a single deal, or to pay for it."""
        return (
            self.on == "fixed"
            or any(cap.per == "deal" for cap in self.caps)
            or (self.brackets is not None and self.brackets.per == "deal")
        )

    @property
    def settled_per(self) -> Settled | None:
        """What it adds up its deals over; None when each deal stands alone."""
        if self.budget is not None:
            return "budget"
        return next(iter(self._spans), None)

    @property
    def _spans(self) -> set[Span]:
        of_brackets = {self.brackets.per} if self.brackets is not None else set()
        return {per for per in of_brackets | {cap.per for cap in self.caps} if per != "deal"}

    @property
    def amounts(self) -> Iterator[Fraction]:
        """Every amount it names, in whole units of the program's currency."""
        yield from (rule.amount for rule in self.rules if rule.amount is not None)
        yield from (cap.amount for cap in self.caps)
        yield from () if self.budget is None else (self.budget,)
        if self.brackets is not None:
            yield from (self.brackets.quota or {}).values()
            bounds = (bound for step in self.brackets.steps for bound in (step.begin, step.end) if bound is not None)
            yield from (bound.value for bound in bounds if not bound.of_quota)


class Exchange(Rule):
    """Which exchange rates count: of this source, of the close date or the last one before it, not older than this.

    `via` is the currency a source quotes everything in (EUR for the ECB): two of its rates make one.
    """

    source: Id
    at_most: Days = 7
    via: str | None = None

    @field_validator("via")
    @classmethod
    def _known_currency(cls, value: str | None) -> str | None:
        if value is not None and value not in money.DECIMALS:
            raise ValueError("use an ISO 4217 currency code such as EUR")
        return value


class Compensation(Rule):
    """All plans. Each pays beside the others; `ceiling` bounds what they pay together for one deal.

    It is a percentage of the deal's amount; what is above is cut in proportion. Partners are paid in the deal's
    currency, the program's, or their own (`pays_in`).
    """

    governed_by: Literal["close_date"] = "close_date"
    pays_in: Literal["deal_currency", "program_currency", "partner_currency"] = "deal_currency"
    exchange: Exchange | None = None
    ceiling: Part | None = None
    plans: dict[Id, Plan] = Field(min_length=1)

    @model_validator(mode="after")
    def _plans_fit(self) -> Self:
        for name, plan in self.plans.items():
            if plan.settled_per is not None and self.pays_in != "program_currency":
                raise ValueError(
                    f"plans.{name} adds up several deals (a budget, or brackets or caps per span of time): "
                    "that needs one currency; set `pays_in: program_currency`"
                )
            if plan.of_plan is not None:
                of = self.plans.get(plan.of_plan)
                if of is None or of.pays == "recruiters":
                    raise ValueError(f"plans.{name}.of_plan must name a plan that pays partners with credit")
        if self.pays_in == "partner_currency" and self.exchange is None:
            raise ValueError("`pays_in: partner_currency` needs `exchange`: which rates count")
        return self

    @cached_property
    def plain(self) -> bool:
        """Whether all its plans are, without a ceiling over them."""
        return self.ceiling is None and all(plan.plain for plan in self.plans.values())

    @property
    def recurs(self) -> bool:
        """Whether a plan asks when an account's first deal was."""
        return any(plan.recurring is not None for plan in self.plans.values())


class Tier(Rule):
    """A tier exists by being named; requirements come with a later version of the document."""
