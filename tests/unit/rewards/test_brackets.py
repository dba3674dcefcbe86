"""What lies in which bracket: bounds, the two ways to apply them, and the mirror below zero."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.rewards.domain.brackets import Part, parts
from shared.program.compensation import Brackets

CENTS = Fraction(100)
STEPS: list[dict[str, Any]] = [
    {"from": 0, "to": 10_000, "rate": "5%"}, {"from": 10_000, "to": 50_000, "rate": "8%"},
    {"from": 50_000, "rate": "10%"},
]  # fmt: skip
OF_QUOTA: list[dict[str, Any]] = [
    {"from": 0, "to": "100%", "rate": "5%"}, {"from": "100%", "to": "120%", "times": "120%"},
    {"from": "120%", "times": "150%"},
]  # fmt: skip


def made(apply: str = "marginal", steps: list[dict[str, Any]] | None = None, **words: Any) -> Brackets:  # noqa: ANN401
    return Brackets.model_validate({"apply": apply, "per": "year", "steps": steps or STEPS, **words})


def found(amount: int, brackets: Brackets, quota: int | None = None) -> Sequence[tuple[str, object]]:
    of = None if quota is None else Fraction(quota)
    return [(part.words, part.amount) for part in parts(Fraction(amount), brackets, CENTS, of)]


def test_marginal_leaves_in_each_bracket_what_lies_in_it() -> None:
    """60,000.00 reach into the third bracket; below zero is the same with the other sign."""
    expected = [("from 0 to 10,000", 1_000_000), ("from 10,000 to 50,000", 4_000_000), ("from 50,000", 1_000_000)]
    assert found(6_000_000, made()) == expected
    assert found(-6_000_000, made()) == [(words, -amount) for words, amount in expected]


@pytest.mark.parametrize(
    ("amount", "bracket"),
    [
        (0, "from 0 to 10,000"), (999_999, "from 0 to 10,000"), (1_000_000, "from 10,000 to 50,000"),
        (5_000_000, "from 50,000"), (-1_000_000, "from 10,000 to 50,000"), (-999_999, "from 0 to 10,000"),
    ],
)  # fmt: skip
def test_whole_takes_the_one_bracket_and_a_bound_belongs_to_the_upper(amount: int, bracket: str) -> None:
    """Exactly 10,000.00 is in the bracket from 10,000."""
    assert found(amount, made("whole")) == [(bracket, amount)]


def test_at_a_bound_marginal_has_no_empty_part() -> None:
    """Exactly 10,000.00 fills the first bracket, and nothing lies in the second; zero lies in the first."""
    assert found(1_000_000, made()) == [("from 0 to 10,000", 1_000_000)]
    assert found(0, made()) == [("from 0 to 10,000", 0)]


def test_bounds_of_a_quota_are_percentages_of_it() -> None:
    """With a quota of 50,000 the brackets begin at 50,000 and 60,000; with one of nothing all is above it."""
    brackets = made(steps=OF_QUOTA, quota={"gold": 50_000})
    assert found(6_100_000, brackets, 50_000) == [
        ("from 0% to 100% of the quota of 50,000", 5_000_000),
        ("from 100% to 120% of the quota of 50,000", 1_000_000),
        ("from 120% of the quota of 50,000", 100_000),
    ]
    assert found(100, brackets, 0) == [("from 120% of the quota of 0", 100)]
    with pytest.raises(ValueError, match="need the quota"):
        found(100, brackets)


def test_bounds_are_shown_as_they_were_written() -> None:
    """Decimals only where there are some."""
    steps: list[dict[str, Any]] = [{"from": 0, "to": 249.5, "rate": "1%"}, {"from": 249.5, "rate": "2%"}]
    assert [words for words, _ in found(100_000, made(steps=steps))] == ["from 0 to 249.50", "from 249.50"]


amounts = st.fractions(-(10**9), 10**9, max_denominator=60)


@given(amounts, st.sampled_from(["marginal", "whole"]), st.fractions(1, 1000, max_denominator=7))
def test_parts_make_up_the_amount_and_mirror_below_zero(amount: Fraction, apply: str, unit: Fraction) -> None:
    """Nothing is lost or made between brackets, whatever the factor between currencies is."""
    made_of = parts(amount, made(apply), unit, None)
    assert sum(part.amount for part in made_of) == amount
    assert parts(-amount, made(apply), unit, None) == [Part(p.step, p.words, -p.amount) for p in made_of]
    assert all(part.amount * amount > 0 for part in made_of) or amount == 0
