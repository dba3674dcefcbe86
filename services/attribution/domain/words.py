"""Figures as people read them."""

from __future__ import annotations

from shared import money


def amount(minor: int, currency: str) -> str:
    """`1,234.50 USD`."""
    whole, point, decimals = money.to_decimal(abs(minor), currency).partition(".")
    return f"{'-' if minor < 0 else ''}{int(whole):,}{point}{decimals} {currency}"


def count(number: int, noun: str) -> str:
    """`1 touchpoint`, `3 touchpoints`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
