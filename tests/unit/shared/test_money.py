"""Money is exact: what is split sums to the whole, mirrors for negatives, and never depends on order."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import money

weights = st.dictionaries(st.text("abcdef", min_size=1), st.integers(0, 10**12), min_size=1).filter(
    lambda split: any(split.values())
)


@pytest.mark.parametrize(
    ("total", "split", "expected"),
    [
        (100, {"p01": 2, "p02": 3, "p03": 1}, {"p01": 33, "p02": 50, "p03": 17}),
        (9_999, {"p01": 100, "p02": 100}, {"p01": 5_000, "p02": 4_999}),
        (10_000, {"a": 30, "b": 20, "c": 40, "d": 40}, {"a": 2_308, "b": 1_538, "c": 3_077, "d": 3_077}),
        (2, {"a": 1, "b": 1, "c": 1, "d": 1}, {"a": 1, "b": 1, "c": 0, "d": 0}),
        (10_000, {"a": 1, "b": 1, "c": 1}, {"a": 3_334, "b": 3_333, "c": 3_333}),
        (-10_000, {"a": 1, "b": 1, "c": 1}, {"a": -3_334, "b": -3_333, "c": -3_333}),
        (9_999, {"a": 75, "b": 25}, {"a": 7_499, "b": 2_500}),  # a published library gives 75.00 / 24.99
        (10, {"a": 6, "b": 6, "c": 2}, {"a": 4, "b": 4, "c": 2}),  # Alabama: one more unit …
        (11, {"a": 6, "b": 6, "c": 2}, {"a": 5, "b": 5, "c": 1}),  # … takes one away from c
        (5, {"b": 1, "a": 1}, {"a": 3, "b": 2}),  # a tie goes to the smaller key, not to the first listed
    ],
)
def test_reference_allocations(total: int, split: dict[str, int], expected: dict[str, int]) -> None:
    """The published cases of the method of largest remainders come out to the unit."""
    assert money.allocate(total, split) == expected


@given(st.integers(-money.MAX_MINOR, money.MAX_MINOR), weights)
def test_parts_sum_to_the_whole_and_stay_within_a_unit(total: int, split: dict[str, int]) -> None:
    """Conservation, the quota rule, zero for zero, the mirror, and independence of order."""
    parts = money.allocate(total, split)
    scale = sum(split.values())
    assert sum(parts.values()) == total
    assert all(abs(parts[key] - Fraction(total * weight, scale)) < 1 for key, weight in split.items())
    assert all(parts[key] == 0 for key, weight in split.items() if weight == 0)
    assert money.allocate(-total, split) == {key: -part for key, part in parts.items()}
    assert money.allocate(total, dict(reversed(split.items()))) == parts


@pytest.mark.parametrize("split", [{}, {"a": 0}, {"a": 2, "b": -1}])
def test_nothing_to_split_by_is_an_error(split: dict[str, int]) -> None:
    """Without a positive weight the caller must say why an amount stays unattributed."""
    with pytest.raises(ValueError, match="weights"):
        money.allocate(100, split)


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [("1234.50", "USD", 123_450), ("-0.05", "EUR", -5), ("7", "JPY", 7), ("1.234", "KWD", 1_234), ("0.0001", "CLF", 1)],
)
def test_amounts_read_and_write_exactly(text: str, currency: str, minor: int) -> None:
    """A decimal string becomes minor units and back, with the currency's own number of decimals."""
    assert money.to_minor(text, currency) == minor
    assert money.to_minor(money.to_decimal(minor, currency), currency) == minor


@pytest.mark.parametrize(
    ("text", "currency", "complaint"),
    [
        ("1.005", "USD", "2 decimals"), ("1.5", "JPY", "0 decimals"), ("1,000.00", "USD", "separators"),
        ("1e3", "USD", "not a decimal"), ("NaN", "USD", "not a decimal"), ("", "USD", "not a decimal"),
        ("١٢", "USD", "not a decimal"), ("1", "XXX", "unknown currency"), ("1", "usd", "unknown currency"),
        ("99999999999999.00", "USD", "beyond"),
    ],
)  # fmt: skip
def test_a_bad_amount_says_what_is_wrong(text: str, currency: str, complaint: str) -> None:
    """Each kind of malformed amount has a message a person can act on."""
    with pytest.raises(ValueError, match=complaint):
        money.to_minor(text, currency)


@given(st.integers(-(10**15), 10**15), st.sampled_from(["USD", "JPY", "KWD", "CLF"]))
def test_every_amount_survives_the_wire(minor: int, currency: str) -> None:
    """Writing an amount and reading it again is the identity."""
    assert money.to_minor(money.to_decimal(minor, currency), currency) == minor


@pytest.mark.parametrize(
    ("value", "whole"), [("1/2", 1), ("-1/2", -1), ("3/2", 2), ("49/100", 0), ("-7/3", -2), ("0", 0)]
)
def test_a_half_is_rounded_away_from_zero(value: str, whole: int) -> None:
    """Rounding mirrors, so a reversal is the exact negative."""
    assert money.rounded(Fraction(value)) == whole
