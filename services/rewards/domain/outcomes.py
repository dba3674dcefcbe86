"""What earnings are: the results of the pure functions, with the whole way from base to amount."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from services.rewards.domain.inputs import Credited, Quote, Terms

Exact = int | Fraction
"""An exact number: a whole one is an int where it costs nothing to know, for fractions are slow."""


class State(StrEnum):
    """Where an earning stands: inside its hold, or due."""

    PENDING = "pending"
    PAYABLE = "payable"


class Component(NamedTuple):
    """What one rule pays of one part of the base. `base` and `amount` are in minor units of the deal's currency.

    `rule` is the place of the rule in the plan's `rates`, from zero (where rates are by tier, that of the tier by
    name); `bracket` says which bracket, in words; `rate` is what was applied in the end, None for a fixed amount. `of`
    names the recruit whose credit it is, for an override.
    """

    base: Exact
    amount: Exact
    rule: int
    rate: Fraction | None = None
    activity: str | None = None
    bracket: str | None = None
    of: str | None = None


class Cut(NamedTuple):
    """What a cap, the deal's ceiling, a churn or missing receipts took: from one amount to another, and why.

    Minor units of the deal's currency for an earning, of the program's for a true-up.
    """

    why: str
    before_minor: int
    after_minor: int


class Conversion(NamedTuple):
    """From one currency to another: the exact factor between whole units, and its quotes."""

    factor: Fraction
    quotes: tuple[Quote, ...]


class Earning(NamedTuple):  # made for every share and plan of every deal: a dataclass takes three times as long
    """What one partner earns from one deal under one plan, and why.

    `currency` is the one it is paid in; `pending_minor` and `payable_minor` are in it and make up what is earned.
    `earned_minor` is the same in the deal's currency, before the conversion. `reason` is set when nothing is earned;
    `waits_for` when it is not known yet (then nothing is booked, and what was booked stays); `plan` is None when the
    directory does not know the partner. `due_on` is the day from which (the next part of) it is payable, and
    `payable_on` the last day on which a part became so, where that is another one (`basis: cash`).
    `program_version` is the one it pays by, and `rerate` the order because of which it is not the credit's.
    `measured` is how amounts of the program (fixed ones, caps, bounds) became ones of the deal's currency.
    `by_activity`: the plan rates activities, and how a share divides into them depends on other partners too.
    """

    terms: Terms
    share: Credited
    plan: str | None
    tier: str | None
    currency: str
    program_version: int
    base_minor: int = 0
    components: tuple[Component, ...] = ()
    cuts: tuple[Cut, ...] = ()
    earned_minor: int = 0
    conversion: Conversion | None = None
    pending_minor: int = 0
    payable_minor: int = 0
    due_on: date | None = None
    due_at: datetime | None = None
    reason: str | None = None
    waits_for: str | None = None
    rerate: int | None = None
    line: Line | None = None
    payable_on: date | None = None
    measured: Conversion | None = None
    by_activity: bool = False

    @property
    def amount_minor(self) -> int:
        return self.pending_minor + self.payable_minor

    @property
    def state(self) -> State | None:
        """Pending while any part is."""
        if not self.amount_minor:
            return None
        return State.PENDING if self.pending_minor else State.PAYABLE

    @property
    def rate(self) -> Fraction | None:
        """The one rate that was applied; None when there are several, or amounts."""
        if len(self.components) == 1:  # nearly always; and a fraction's hash is slow
            return self.components[0].rate
        rates = {component.rate for component in self.components}
        return rates.pop() if len(rates) == 1 else None


class Scope(NamedTuple):
    """What a plan settles beyond single deals: a partner's span, or its budget.

    `span` is such as `2026`, `2026-Q3`, `2026-07`, or `ever`; for a `budget` the partner is empty.
    """

    program: str
    plan: str
    partner: str
    span: str


class Line(NamedTuple):
    """A deal's part in a scope: minor units of the program's currency. `earned` = pending + payable of the earning.

    `base_minor` is what the earning's cuts left of the base, in proportion: else a bracket would pay again for money
    that went back.
    """

    scope: Scope
    program_version: int
    base_minor: int


class Total(NamedTuple):
    """The lines of one partner in a scope that one program version governs, added up."""

    partner: str
    program_version: int
    deals: int
    base_minor: int
    pending_minor: int
    payable_minor: int


class Claim(NamedTuple):
    """One line of a budget, in the order in which it is used up: close date, deal, partner."""

    governed_on: date
    deal_source: str
    deal_id: str
    partner: str
    program_version: int
    pending_minor: int
    payable_minor: int


class Bracketed(NamedTuple):
    """One bracket's part in a true-up: minor units of the program's currency."""

    bracket: str
    base: Fraction
    rate: Fraction
    amount: Fraction
    program_version: int


@dataclass(frozen=True, slots=True)
class TrueUp:
    """What a scope adds to, or cuts from, what one partner's deals earned under a plan: to its accounts, and why.

    `plain_minor` is what the deals earned by themselves, `earned_minor` what they earn together. `by_activity`: the
    plan rates activities, and the base depends on how shares divide into them.
    """

    scope: Scope
    partner: str
    currency: str
    program_version: int
    deals: int
    base_minor: int
    plain_minor: int
    earned_minor: int
    brackets: tuple[Bracketed, ...] = ()
    cuts: tuple[Cut, ...] = ()
    pending_minor: int = 0
    payable_minor: int = 0
    due_on: date | None = None
    due_at: datetime | None = None
    effective_on: date | None = None
    by_activity: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """What should stand in the books for a deal. With `waits_for`, that is not known yet and nothing is posted."""

    earnings: Sequence[Earning] = ()
    waits_for: str | None = None

    @property
    def next_due_at(self) -> datetime | None:
        """The first instant at which a pending earning becomes payable."""
        return min((e.due_at for e in self.earnings if e.pending_minor and e.due_at), default=None)
