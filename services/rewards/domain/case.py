"""A deal with all that its earnings depend on, and an earning while it is being made."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time
from fractions import Fraction
from functools import cached_property

from services.rewards.domain import exchange
from services.rewards.domain.inputs import Credited, Known, Receipt, Standing, Terms
from services.rewards.domain.outcomes import Component, Conversion, Cut
from shared import money
from shared.program import Plan, Program


@dataclass(frozen=True)
class Case:
    """One deal, the program version it pays by, and today in that program's zone."""

    terms: Terms
    known: Known
    program: Program
    rerate: int | None
    receipts: tuple[Receipt, ...]
    today: date

    @cached_property
    def measured(self) -> Conversion:
        """From the program's currency to the deal's, on the close date. Raises `Unknown` without an exchange rate."""
        own, theirs = self.program.currency, self.terms.currency
        return exchange.conversion(self.known, self.program, own, theirs, self.terms.governed_on)

    @cached_property
    def unit(self) -> Fraction:
        """How many minor units of the deal one whole unit of the program's currency is. Raises `Unknown` likewise."""
        return self.measured.factor * Fraction(10) ** money.DECIMALS[self.terms.currency]

    @property
    def sign(self) -> int:
        """A credit note mirrors a sale."""
        return -1 if self.terms.amount_minor < 0 else 1

    def instant(self, day: date) -> datetime:
        """When a day begins in the program's zone."""
        return datetime.combine(day, time.min, self.program.zone)


@dataclass(slots=True)
class Draft:
    """What a partner earns under a plan in the deal's currency, before the ceiling and the conversion.

    `due_minor` is the part that payments past their hold cover, None where the whole amount has one hold. `counted` is
    the part of the base, in minor units, that counts towards what the plan adds up: what was cut away does not, or
    brackets above single deals would pay it again. It is None when the deal does not count at all.
    """

    plan: str
    rules: Plan
    share: Credited
    standing: Standing | None
    base: Fraction = Fraction()
    components: tuple[Component, ...] = ()
    cuts: list[Cut] = field(default_factory=list)
    amount_minor: int = 0
    due_minor: int | None = None
    counted: Fraction | None = None
    reason: str | None = None
    waits_for: str | None = None

    def cut(self, why: str, after_minor: int) -> None:
        """Bring the amount down, and what is due and what counts with it, in proportion."""
        before = self.amount_minor
        if after_minor == before:
            return
        self.cuts.append(Cut(why, before, after_minor))
        left = Fraction(after_minor, before)
        self.amount_minor = after_minor
        self.reason = None if after_minor else why
        if self.due_minor is not None:
            self.due_minor = money.rounded(self.due_minor * left)
        if self.counted is not None:
            self.counted *= left
