"""A month of accounting is its first day; people write it YYYY-MM."""

from __future__ import annotations

from datetime import date
from typing import Final

PATTERN: Final = r"^(19[7-9]\d|20\d\d)-(0[1-9]|1[0-2])$"


def first_day(name: str) -> date:
    """The month of this name, which matches PATTERN."""
    return date.fromisoformat(f"{name}-01")


def name(first: date) -> str:
    """The month as people write it."""
    return first.strftime("%Y-%m")
