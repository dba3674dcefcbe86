"""What credit is worth: plans, their bases, rates, brackets, caps and budgets.

Amounts are written in the program's currency. Everything is pinned to the deal's close date: program version, tier,
partner type and exchange rate. How each word is computed is in `services/rewards/domain`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from fractions import Fraction
from functools import cached_property
from typing import Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from shared import money
from shared.events.base import Id
from shared.program.rates import Brackets, Rate, Span, Step, When
from shared.rules import Amount, Days, Months, Part, Percent, Rule

__all__ = [
    "Brackets", "Cap", "Churn", "Compensation", "Exchange", "Plan", "Rate", "Settled", "Span", "Step", "Tier", "When",
]  # fmt: skip

MAX_RATES: Final = 200
"""Rules of one plan: products times regions times tiers of a large vendor stay below."""
MAX_QUOTE_AGE: Final = 31
"""Days. An older exchange rate says little of the close, and one that arrives late is looked up for so many days."""
EARNINGS: Final = "recruits_earnings"

Settled = Literal["month", "quarter", "year", "ever", "budget"]
"""What a plan settles over: a span of time for each partner, or its budget for all partners."""
Basis = Literal["credited_amount", "margin", "first_year_value", "fixed", "recruits_earnings"]


class Cap(Rule):
    """The most one partner earns under the plan: per deal, or in a span of time."""

    amount: Amount
    per: Literal["deal", "month", "quarter", "year", "ever"]


class Churn(Rule):
    """A customer that leaves within this time after the close takes the earning back: all of it, or what is left."""

    within: Days
    takes_back: Literal["all", "pro_rata"] = "all"

    @field_validator("within")
    @classmethod
    def _some_time(cls, value: int) -> int:
        if not value:
            raise ValueError("must be at least 1 day; leave `churn` out if a customer that leaves changes nothing")
        return value


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
        if sum((self.rate is not None, self.amount is not None, bool(self.rates))) != 1:
            raise ValueError("needs exactly one of `rate`, `amount` and `rates`")
        fixed = self.on == "fixed"
        if fixed != (self.amount is not None or any(r.amount is not None for r in self.rates)) or (
            fixed and any(r.rate is not None for r in self.rates)
        ):
            raise ValueError("`on: fixed` needs amounts, every other base needs rates")
        return self

    @model_validator(mode="after")
    def _every_rule_is_reached(self) -> Self:
        for index, rule in enumerate(self.rates):
            first = next((i for i, before in enumerate(self.rates[:index]) if before.when.covers(rule.when)), None)
            if first is not None:
                raise ValueError(
                    f"rates.{index} is never reached: rates.{first} holds wherever it does, and the first one counts; "
                    "put it first, or leave it out"
                )
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
                rate=value if self.rate is not None else None,
                amount=value if self.amount is not None else None,
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

    @field_validator("at_most")
    @classmethod
    def _recent(cls, value: int) -> int:
        if value > MAX_QUOTE_AGE:
            raise ValueError(f"must not be more than {MAX_QUOTE_AGE} days: an older rate says little of the close")
        return value

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
                    paying = sorted(other for other, found in self.plans.items() if found.pays != "recruiters")
                    raise ValueError(
                        f"plans.{name}.of_plan is {plan.of_plan!r}, and must name a plan that pays partners with "
                        f"credit: {', '.join(paying) or 'there is none'}"
                    )
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
