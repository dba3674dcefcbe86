"""Spans of the program's calendar that brackets and caps add up over, by name: `2026`, `2026-Q3`, `2026-07`, `ever`."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from shared.program.compensation import Span

EVER: Final = "ever"
"""The span without an end."""
BUDGET: Final = "budget"
"""What stands in a span's place where a plan settles its budget."""


def label(day: date, per: Span) -> str:
    """The span a day lies in."""
    match per:
        case "month":
            return f"{day.year}-{day.month:02d}"
        case "quarter":
            return f"{day.year}-Q{(day.month + 2) // 3}"
        case "year":
            return f"{day.year}"
        case "ever":
            return EVER


def starts_on(name: str) -> date | None:
    """The first day of a span, None for one without a beginning."""
    return _days(name)[0] if name not in {EVER, BUDGET} else None


def ends_on(name: str) -> date | None:
    """The last day of a span, None for one without an end."""
    return _days(name)[1] if name not in {EVER, BUDGET} else None


def _days(name: str) -> tuple[date, date]:
    year, _, part = name.partition("-")
    if not part:
        first, months = 1, 12
    elif part.startswith("Q"):
        first, months = 3 * int(part[1:]) - 2, 3
    else:
        first, months = int(part), 1
    beyond = int(year) * 12 + first - 1 + months  # the month after, counted from year 0
    after = date(beyond // 12, beyond % 12 + 1, 1)
    return date(int(year), first, 1), after - timedelta(days=1)
