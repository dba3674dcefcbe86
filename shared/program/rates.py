"""What a plan's rates depend on: conditions, and how much there is."""

from __future__ import annotations

from itertools import pairwise
from typing import Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from shared.events.base import Id
from shared.events.credit import Influence
from shared.events.deal import Kind
from shared.rules import Amount, Bound, Percent, Rule

MAX_STEPS: Final = 20
"""Brackets of one plan; a table a person can read."""

Span = Literal["month", "quarter", "year", "ever"]
"""What a bracket or a cap adds up over, by close date in the program's calendar; `ever` has no end."""


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

    @field_validator("*", mode="before")
    @classmethod
    def _names_something(cls, value: object) -> object:
        if isinstance(value, str):
            raise ValueError(f"write a list, such as [{value}]")  # noqa: TRY004  pydantic reports ValueErrors
        if isinstance(value, list | tuple | set | frozenset) and not value:
            raise ValueError("is empty, so nothing would ever hold; leave it out, which admits everything")
        return value

    def covers(self, other: When) -> bool:
        """Whether it holds wherever the other one does."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in type(self).model_fields)
        return all(mine is None or (its is not None and its <= mine) for mine, its in pairs)


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
    steps: tuple[Step, ...] = Field(max_length=MAX_STEPS)

    @field_validator("steps", mode="before")  # a minimal length would be a second fault beside that of a bad step
    @classmethod
    def _some_step(cls, value: object) -> object:
        if isinstance(value, list | tuple) and not value:
            raise ValueError("needs at least one bracket, the one from 0")
        return value

    @model_validator(mode="after")
    def _quota_of_a_span(self) -> Self:
        if self.per == "deal" and self.quota is not None:
            raise ValueError("a `quota` is for a span of time; with `per: deal` write `from` and `to` as amounts")
        return self

    @model_validator(mode="after")
    def _no_gap(self) -> Self:
        bounds = [bound for step in self.steps for bound in (step.begin, step.end) if bound is not None]
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
