"""Figures, bars and marks, drawn with what the terminal can show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from rich.console import Console

_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"


@dataclass(frozen=True, slots=True)
class Look:
    """`unicode`: whether block characters and ticks can be written."""

    unicode: bool

    @classmethod
    def of(cls, console: Console) -> Look:
        return cls(console.encoding.lower().startswith("utf"))

    @property
    def tick(self) -> str:
        return "✓" if self.unicode else "+"

    @property
    def cross(self) -> str:
        return "✗" if self.unicode else "x"

    @property
    def arrow(self) -> str:
        return "→" if self.unicode else "->"

    def bar(self, part: Decimal, whole: Decimal, width: int) -> str:
        """A bar of `part` in `whole`, at most `width` characters; something positive is never invisible."""
        if part <= 0 or whole <= 0:
            return ""
        if not self.unicode:
            return "#" * max(1, round(part * width / whole))
        eighths = max(1, round(part * width * 8 / whole))
        return "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")


def value(money: dict[str, Any]) -> Decimal:
    """The number of an amount on the wire, exactly."""
    return Decimal(money["amount"])


def figure(number: Decimal) -> str:
    """`1,234.50`."""
    return f"{number:,.2f}"


def signed(number: Decimal) -> str:
    """`+1,234.50` or `-1,234.50`."""
    return f"{number:+,.2f}"


def day(instant: str) -> str:
    """A day without its year: `day("2026-06-02T17:30:00Z") == "Jun 2"`."""
    moment = datetime.fromisoformat(instant)
    return f"{moment:%b} {moment.day}"


def percent(share: str | Fraction) -> str:
    """A share as a person reads it: `percent("2/15") == "13.3%"`."""
    return f"{Decimal(Fraction(share).numerator) / Decimal(Fraction(share).denominator) * 100:.1f}%"
