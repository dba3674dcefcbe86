"""The example deal divided by a model: the production code's weights and money, and nothing computed beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from services.attribution.domain import split
from shared import money
from shared.models.base import ModelRule
from shared.rules import percent
from tributary.pictures import deal

_HUNDREDTHS: Final = 10_000
"""100% in hundredths of a percent."""
LONGEST_FRACTION: Final = 1_000
"""A denominator beyond it says nothing to a reader."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A part of the deal, exactly, and its amount in minor units."""

    part: Fraction
    amount_minor: int

    @property
    def _exact(self) -> bool:
        return (self.part * _HUNDREDTHS).denominator == 1

    @property
    def percentage(self) -> str:
        """With the decimals it needs, at most two; rounded where it needs more."""
        if self._exact:
            return percent(self.part)
        hundredths = money.rounded(self.part * _HUNDREDTHS)
        return f"{hundredths // 100}.{hundredths % 100:02d}%"

    @property
    def fraction(self) -> str:
        """The exact part where the percentage is rounded and the fraction is short; else nothing."""
        return "" if self._exact or self.part.denominator > LONGEST_FRACTION else str(self.part)

    @property
    def amount(self) -> str:
        """The amount as a person writes it, such as `$1,234.50`."""
        units, decimals = money.to_decimal(self.amount_minor, deal.CURRENCY).split(".")
        return f"${int(units):,}.{decimals}"


NOTHING: Final = Figure(Fraction(0), 0)
WHOLE: Final = Figure(Fraction(1), deal.AMOUNT_MINOR)


@dataclass(frozen=True, slots=True)
class Shares:
    """What each partner and each touchpoint gets; touchpoints in the deal's order."""

    partners: Mapping[str, Figure]
    touches: Sequence[Figure]

    @property
    def total(self) -> Figure:
        """All partners together: the deal, or more where the model is for reports only."""
        figures = self.partners.values()
        return Figure(
            sum((figure.part for figure in figures), Fraction(0)), sum(figure.amount_minor for figure in figures)
        )


def shares(model: ModelRule) -> Shares:
    """The deal over its partners, then each partner's part over its touchpoints, as credit is computed.

    A model for reports gives every partner the whole deal.
    """
    weights = split.weighed(model, deal.JOURNEY)
    amounts = split.split(model, deal.JOURNEY, deal.AMOUNT_MINOR)
    scale = sum(weights)
    own: dict[str, dict[str, int]] = {partner: {} for partner in deal.PARTNERS}
    for index, (touch, weight) in enumerate(zip(deal.TOUCHES, weights, strict=True)):
        own[touch.partner][f"{index:03d}"] = weight
    partners: dict[str, Figure] = {}
    touches: dict[str, Figure] = {}
    for partner, lines in own.items():
        sums = sum(lines.values())
        figure = Figure(Fraction(sums, scale), amounts[partner]) if sums else NOTHING
        partners[partner] = figure if model.pays else WHOLE
        touches.update(_lines(partners[partner], lines, sums))
    return Shares(partners, [touches[name] for name in sorted(touches)])


def _lines(whole: Figure, weights: Mapping[str, int], sums: int) -> dict[str, Figure]:
    """A partner's part over its touchpoints."""
    if not sums:
        return dict.fromkeys(weights, NOTHING)
    amounts = money.allocate(whole.amount_minor, weights)
    return {name: Figure(whole.part * Fraction(weight, sums), amounts[name]) for name, weight in weights.items()}
