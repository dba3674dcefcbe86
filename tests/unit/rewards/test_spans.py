"""Spans of the calendar: which one a day lies in, and where it begins and ends."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.rewards.domain import spans
from shared.program.compensation import Span

PERIODS: list[Span] = ["month", "quarter", "year", "ever"]


@pytest.mark.parametrize(
    ("day", "names"),
    [
        ("2026-01-01", ("2026-01", "2026-Q1", "2026", "ever")), ("2026-07-31", ("2026-07", "2026-Q3", "2026", "ever")),
        ("2026-12-31", ("2026-12", "2026-Q4", "2026", "ever")),
    ],
)  # fmt: skip
def test_a_day_lies_in_one_span_of_each_kind(day: str, names: tuple[str, ...]) -> None:
    """They are named as people write them."""
    assert tuple(spans.label(date.fromisoformat(day), per) for per in PERIODS) == names


def test_ever_and_a_budget_neither_begin_nor_end() -> None:
    """So nothing waits for their end."""
    assert [(spans.starts_on(name), spans.ends_on(name)) for name in ("ever", "budget")] == [(None, None)] * 2


@given(st.dates(date(1970, 1, 1), date(2099, 12, 31)), st.sampled_from(PERIODS[:3]))
def test_a_span_is_all_days_of_its_name_and_no_other(day: date, per: Span) -> None:
    """Its first and last day have its name, the days beside them another."""
    name = spans.label(day, per)
    first, last = spans.starts_on(name), spans.ends_on(name)
    assert first is not None
    assert last is not None
    assert first <= day <= last
    assert {spans.label(found, per) for found in (first, last)} == {name}
    beside = (first - timedelta(days=1), last + timedelta(days=1))
    assert name not in {spans.label(found, per) for found in beside}
