"""From a model's weights to each partner's cents, without anything else of a deal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.attribution.domain.split import split
from shared.models import Journey, LastNonDirect, Linear, LinearPartner, UFirstLast

CLOSE = datetime(2026, 3, 1, tzinfo=UTC)


def journey(partners: str, activity_weights: tuple[int, ...] = (), activity: str = "visit") -> Journey:
    """One touchpoint a day, the last one on the day of the close."""
    days = range(len(partners) - 1, -1, -1)
    return Journey(
        instants=[CLOSE - timedelta(days=day) for day in days], closed_at=CLOSE, partners=list(partners),
        activities=[activity] * len(partners), activity_weights=activity_weights,
    )  # fmt: skip


def test_a_partner_gets_what_its_touchpoints_weigh() -> None:
    """Several touchpoints of one partner are added up, then the amount is divided once."""
    assert split(UFirstLast(kind="u_first_last"), journey("abca"), 10_001) == {"a": 8_001, "b": 1_000, "c": 1_000}


def test_activities_multiply_unless_the_model_counts_them_itself() -> None:
    """An activity's weight decides between partners, but not where every partner gets the same."""
    weighted = journey("ab", (3, 1))
    assert split(Linear(kind="linear"), weighted, 100) == {"a": 75, "b": 25}
    assert split(LinearPartner(kind="linear_partner"), weighted, 100) == {"a": 50, "b": 50}


def test_without_weight_there_is_no_part() -> None:
    """A partner that weighs nothing is left out; where nobody weighs anything, the caller must say why."""
    assert split(Linear(kind="linear"), journey("ab", (1, 0)), 100) == {"a": 100}
    with pytest.raises(ValueError, match="weights"):
        split(Linear(kind="linear"), journey("ab", (0, 0)), 100)
    with pytest.raises(ValueError, match="weights"):
        split(LastNonDirect(kind="last_non_direct", direct=frozenset({"direct"})), journey(""), 100)


@given(st.text("abc", min_size=1, max_size=8), st.integers(-(10**12), 10**12))
def test_the_parts_are_the_amount(partners: str, amount: int) -> None:
    """Whatever the journey, nothing is lost and nothing added."""
    assert sum(split(UFirstLast(kind="u_first_last"), journey(partners), amount).values()) == amount
