"""The models against published and hand-computed figures. Sources stand beside each case."""

from collections import Counter
from fractions import Fraction

import pytest

from services.attribution.domain.credit import decide
from tests.unit.attribution.support import U_SHAPED, amounts, path, rules, shares, touch, won

FIRST, LAST, LINEAR = {"kind": "first"}, {"kind": "last"}, {"kind": "linear"}
J_SHAPED = {"kind": "position", "first": "20%", "middle": "20%", "last": "60%"}
INVERSE_J = {"kind": "position", "first": "60%", "middle": "20%", "last": "20%"}
WEEK = {"kind": "time_decay", "half_life": "7 days"}


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (FIRST, {"direct": 2, "search": 8}),
        (LAST, {"direct": 2, "email": 8}),
        (LINEAR, {"direct": 2, "email": "19/6", "search": "19/6", "social": "5/3"}),
        (U_SHAPED, {"direct": 2, "email": "7/2", "search": "7/2", "social": 1}),
    ],
)
def test_won_paths_are_credited_as_published(model: dict[str, str], expected: dict[str, int | str]) -> None:
    """Deals credited per partner over ten won paths (eeghor/mta test suite)."""
    paths = [(("direct",), 2), (("search", "email"), 3), (("search", "social", "email"), 5)]
    credited: Counter[str] = Counter()
    for partners, deals in paths:
        for partner, share in shares(path(model, *partners)).items():
            credited[partner] += share * deals  # type: ignore[assignment]  # a Counter of fractions
    assert dict(credited) == {partner: Fraction(value) for partner, value in expected.items()}


@pytest.mark.parametrize(
    ("model", "partners", "amount_minor", "expected"),
    [
        (LINEAR, "AAAB", 10_000, {"A": 7_500, "B": 2_500}),  # by definition: equal per touch
        (U_SHAPED, "A", 10_000, {"A": 10_000}),  # this and the next five: Adobe Analytics, models.md
        (U_SHAPED, "AB", 10_001, {"A": 5_001, "B": 5_000}),
        (J_SHAPED, "A", 10_000, {"A": 10_000}),
        (J_SHAPED, "AB", 10_000, {"A": 2_500, "B": 7_500}),
        (INVERSE_J, "A", 10_000, {"A": 10_000}),
        (INVERSE_J, "AB", 10_000, {"A": 7_500, "B": 2_500}),
        (J_SHAPED, "ABC", 10_000, {"A": 2_000, "B": 2_000, "C": 6_000}),
        (INVERSE_J, "ABC", 10_000, {"A": 6_000, "B": 2_000, "C": 2_000}),
        (U_SHAPED, "ABC", 10_000, {"A": 4_000, "B": 2_000, "C": 4_000}),  # by definition 40/20/40
        (U_SHAPED, "ABCD", 10_000, {"A": 4_000, "B": 1_000, "C": 1_000, "D": 4_000}),
        (U_SHAPED, "ABCDE", 10_000, {"A": 4_000, "B": 667, "C": 667, "D": 666, "E": 4_000}),
        # Two touches with 30/20/50: the middle is dropped and the rest renormalised (Adobe, eeghor/mta).
        ({"kind": "position", "first": "30%", "middle": "20%", "last": "50%"}, "AB", 10_000, {"A": 3_750, "B": 6_250}),
        # All credit for a middle nobody holds: shared evenly, for somebody did the work.
        ({"kind": "position", "first": "0%", "middle": "100%", "last": "0%"}, "AB", 10_000, {"A": 5_000, "B": 5_000}),
    ],
)  # fmt: skip
def test_positions_pay_as_defined(
    model: dict[str, str], partners: str, amount_minor: int, expected: dict[str, int]
) -> None:
    """Amounts by partner of paths with one, two, three and more touchpoints."""
    assert amounts(path(model, *partners, amount_minor=amount_minor)) == expected


def test_touches_at_the_first_instant_share_its_position() -> None:
    """A and B thirty days before, C at the close: no middle, so 25/25/50, whoever is listed first."""
    touches = [touch("A", 30), touch("B", 30), touch("C", 0)]
    for listed in (touches, touches[::-1]):
        assert shares(decide(won(), listed, rules())) == {"A": Fraction(1, 4), "B": Fraction(1, 4), "C": Fraction(1, 2)}


def test_touches_of_one_instant_alone_are_equal() -> None:
    """With a single instant there is neither first nor last: everyone is alike in every position model."""
    for model in (U_SHAPED, FIRST, LAST, J_SHAPED):
        touches = [touch(partner, 3) for partner in "ABC"]
        assert set(shares(decide(won(), touches, rules(model))).values()) == {Fraction(1, 3)}


@pytest.mark.parametrize(
    ("days", "amount_minor", "expected"),
    [
        ([28, 14, 7, 0], 10_000, [345, 1_379, 2_759, 5_517]),  # shares 1, 4, 8 and 16 of 29, by definition 2^(-t/h)
        # coreyhaines31/marketingskills prints 175/290/575/3415/7545 for this one, rounded each alone.
        ([38, 33, 26, 8, 0], 1_200_000, [17_519, 28_744, 57_488, 341_704, 754_545]),
    ],
)
def test_time_decay_halves_every_half_life(days: list[int], amount_minor: int, expected: list[int]) -> None:
    """Amounts in the order of the touchpoints, with a half-life of seven days."""
    touches = [touch(partner, age) for partner, age in zip("ABCDE", days, strict=False)]
    assert list(amounts(decide(won(amount_minor), touches, rules(WEEK))).values()) == expected


def test_decay_beyond_all_digits_keeps_the_proportions() -> None:
    """Touchpoints so old that every weight rounds to nothing still share the deal as the formula says."""
    touches = [touch("A", 61), touch("B", 60)]
    decided = decide(won(), touches, rules({"kind": "time_decay", "half_life": "1 days"}))
    assert shares(decided) == {"A": Fraction(1, 3), "B": Fraction(2, 3)}
