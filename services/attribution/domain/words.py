"""Figures as people read them."""

from __future__ import annotations

from collections.abc import Sequence

from shared import money
from shared.events.base import MAX_TEXT


def amount(minor: int, currency: str) -> str:
    """`1,234.50 USD`."""
    whole, point, decimals = money.to_decimal(abs(minor), currency).partition(".")
    return f"{'-' if minor < 0 else ''}{int(whole):,}{point}{decimals} {currency}"


def some(names: Sequence[str], most: int) -> str:
    """The first of the names, and how many more there are: `a, b and 3 more`."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def clipped(text: str) -> str:
    """A text as long as a message may carry it."""
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 3]}..."


def count(number: int, noun: str) -> str:
    """`1 touchpoint`, `3 touchpoints`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
