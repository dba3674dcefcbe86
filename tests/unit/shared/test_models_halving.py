"""2^(-t/h) in fixed point is, to the digit, what decimal arithmetic of 28 digits gives."""

import random
from datetime import timedelta
from decimal import Context, Decimal
from fractions import Fraction

import pytest

from shared.models.halving import Halving, halving
from tests.unit.shared.models_support import CLOSE, journey, model

LN2 = Decimal("0.6931471805599453094172321214581765680755")
DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)


def _decimal(age: timedelta, half_life: int) -> int:
    context = Context(prec=28)
    exponent = context.divide(Decimal(-(age // timedelta(microseconds=1))), Decimal(half_life * 86_400 * 10**6))
    return int(context.to_integral_value(context.scaleb(context.exp(context.multiply(exponent, LN2)), 12)))


@pytest.mark.parametrize("half_life", [1, 2, 7, 30, 45, 3_650])
def test_any_age_weighs_what_decimal_arithmetic_says(half_life: int) -> None:
    """Thousands of random ages, in microseconds and in full seconds, up to forty half-lives before the close."""
    chance = random.Random(half_life)
    limits = [half_life * 86_400 * factor for factor in (1, 5, 40)]
    ages = [timedelta(seconds=chance.randrange(chance.choice(limits))) for _ in range(4_000)]
    ages += [age + timedelta(microseconds=chance.randrange(10**6)) for age in ages]
    ages = sorted({age for age in ages if age < 3_700 * DAY}, reverse=True)
    table = halving(half_life)
    expected = {age: _decimal(age, half_life) for age in ages}
    assert table.weights([CLOSE - age for age in ages], CLOSE) == list(expected.values())
    near = [age for age in ages if age < 3_650 * DAY]  # in the tables, where the ones above may lie beyond them
    assert table.weights([CLOSE - age for age in near], CLOSE) == [expected[age] for age in near]


@pytest.mark.parametrize("half_life", [1, 7, 90])
def test_where_one_table_ends_and_the_next_begins_nothing_jumps(half_life: int) -> None:
    """The first and last second and microsecond of each part of an age."""
    seconds = [second + around for second in (0, 128, 256, 86_272, 86_400) for around in (-1, 0, 1)]
    moments = [timedelta(seconds=second, microseconds=part) for second in seconds for part in (0, 1, 999_999)]
    ages = [days * DAY + moment for days in (0, half_life, 11 * half_life, 3_649) for moment in moments]
    ages = [age for age in ages if age >= 0 * DAY] + [3_651 * DAY - MICROSECOND, 3_651 * DAY]
    table = halving(half_life)
    found = [table.weights([CLOSE - age], CLOSE) for age in ages]
    assert found == [[_decimal(age, half_life)] for age in ages]


def test_decimal_arithmetic_decides_hardly_any_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes twenty times as long: only what lies near a tie is worth it."""
    chance = random.Random(1)
    decided: list[timedelta] = []

    def exactly(_: Halving, age: timedelta) -> int:
        decided.append(age)
        return 0

    monkeypatch.setattr(Halving, "exactly", exactly)
    ages = [timedelta(microseconds=chance.randrange(90 * 86_400 * 10**6)) for _ in range(20_000)]
    halving(7).weights([CLOSE - age for age in ages], CLOSE)
    assert 0 < len(decided) < len(ages) / 1_000


def test_a_tie_is_decided_as_decimal_arithmetic_decides_it() -> None:
    """Thirteen half-lives are 5^12 / 2 in units of the weight, which the guard bits cannot round."""
    table = halving(7)
    for days in (7 * 12, 7 * 13, 7 * 14):
        assert table.weights([CLOSE - days * DAY], CLOSE) == [_decimal(days * DAY, 7)]


def test_a_touch_after_the_close_weighs_more_than_one_at_it() -> None:
    """The formula holds on both sides of the instant that it counts to."""
    assert halving(7).weights([CLOSE, CLOSE + 7 * DAY], CLOSE) == [10**12, 2 * 10**12]
    assert halving(7).weights([], CLOSE) == []


def test_touches_beyond_all_digits_keep_their_proportions() -> None:
    """So old that every weight rounds to nothing: counted from the latest one, as the formula says."""
    weights = model("time_decay", half_life="1 days").weights(journey("AB", [61 * DAY, 60 * DAY]))
    assert Fraction(weights[0], weights[1]) == Fraction(1, 2)
