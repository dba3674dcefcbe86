"""Figures and how they are shown: every figure beside its floor, their ratio, and what is wanted of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from statistics import median, quantiles
from typing import Final

from rich import box
from rich.table import Table
from rich.text import Text

SMALL: Final = 100
"""Below this, a figure is shown with a decimal."""


class Bound(StrEnum):
    """What is bounded: the figure itself, from above or below, or its ratio to the floor."""

    AT_MOST = "≤"
    AT_LEAST = "≥"
    RATIO = "ratio ≥"
    RATIO_AT_MOST = "ratio ≤"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A mark to reach."""

    bound: Bound
    value: float

    def __str__(self) -> str:
        return f"{self.bound} {self.value:,g}"


def ratio(value: float) -> Wanted:
    """At least this part of the floor's figure."""
    return Wanted(Bound.RATIO, value)


def ratio_at_most(value: float) -> Wanted:
    """At most so many times the floor's figure, for what is better when it is less."""
    return Wanted(Bound.RATIO_AT_MOST, value)


def at_most(value: float) -> Wanted:
    return Wanted(Bound.AT_MOST, value)


def at_least(value: float) -> Wanted:
    return Wanted(Bound.AT_LEAST, value)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: a value per repetition, and the floor's values of the same repetitions."""

    section: str
    name: str
    unit: str
    values: tuple[float, ...]
    floor: tuple[float, ...] = ()
    wanted: Wanted | None = None

    @property
    def value(self) -> float:
        return median(self.values)

    @property
    def ratio(self) -> float | None:
        """Median by median."""
        return self.value / median(self.floor) if self.floor else None

    @property
    def reached(self) -> bool | None:
        """Whether the mark is reached; None when there is none."""
        if self.wanted is None:
            return None
        match self.wanted.bound:
            case Bound.AT_MOST:
                return self.value <= self.wanted.value
            case Bound.AT_LEAST:
                return self.value >= self.wanted.value
            case Bound.RATIO:
                return self.ratio is not None and self.ratio >= self.wanted.value
            case Bound.RATIO_AT_MOST:
                return self.ratio is not None and self.ratio <= self.wanted.value

    def as_json(self) -> dict[str, object]:
        """All of it as plain values, for keeping."""
        wanted = str(self.wanted) if self.wanted else None
        return {**asdict(self), "wanted": wanted, "median": self.value, "ratio": self.ratio, "reached": self.reached}


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that `percent` of 100 measurements do not exceed."""
    return quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else values[0]


def shown(values: Sequence[float]) -> str:
    """`12,345 (11,000 - 13,000)`: the median, with the range if there are several."""
    if not values:
        return ""
    middle = _number(median(values))
    return f"{middle} ({_number(min(values))} - {_number(max(values))})" if len(values) > 1 else middle


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= SMALL else f"{value:,.2f}" if abs(value) < 1 else f"{value:,.1f}"


def table(figures: Sequence[Figure]) -> Table:
    """All figures, in their order."""
    result = Table(
        title="median (min - max)",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        header_style="bold",
        pad_edge=False,
    )
    for header in ("section", "figure", "unit"):
        result.add_column(header)
    for header in ("Tributary", "floor", "ratio", "wanted"):
        result.add_column(header, justify="right", no_wrap=True)
    result.add_column("")
    before = ""
    for each in figures:
        if before not in {"", each.section}:
            result.add_section()
        result.add_row(
            "" if each.section == before else each.section, each.name, each.unit, shown(each.values),
            shown(each.floor), "" if each.ratio is None else f"{each.ratio:.2f}", str(each.wanted or ""),
            _mark(each.reached),
        )  # fmt: skip
        before = each.section
    return result


def _mark(reached: bool | None) -> Text:
    if reached is None:
        return Text("")
    return Text("reached", "green") if reached else Text("missed", "bold red")
