"""Figures: what is compared, and when a mark counts as reached."""

from __future__ import annotations

import pytest

from bench import report
from bench.report import Figure, Wanted
from bench.sizes import Sizes


def test_ratio_compares_medians() -> None:
    """One slow repetition of either side does not change the ratio."""
    figure = Figure("s", "f", "1/s", values=(60.0, 10.0, 61.0), floor=(100.0, 101.0, 900.0))
    assert figure.ratio == pytest.approx(60 / 101)


@pytest.mark.parametrize(
    ("wanted", "reached"),
    [
        (None, None),
        (report.at_most(50), True),
        (report.at_most(49.9), False),
        (report.at_least(50), True),
        (report.at_least(50.1), False),
        (report.ratio(0.5), True),
        (report.ratio(0.51), False),
        (report.ratio_at_most(0.5), True),
        (report.ratio_at_most(0.49), False),
    ],
)
def test_a_mark_is_reached_by_the_median(wanted: Wanted | None, reached: bool | None) -> None:
    """Bounds from above, from below, and of the ratio are each judged by the median; a bound itself is inside."""
    assert Figure("s", "f", "ms", (1.0, 50.0, 99.0), (100.0,), wanted).reached is reached


def test_a_ratio_without_a_floor_is_never_reached() -> None:
    """A floor that was not measured cannot be passed."""
    assert Figure("s", "f", "1/s", (1.0,), wanted=report.ratio(0.0)).reached is False


def test_percentiles() -> None:
    """Of 101 values from 0 to 100, the 99th percentile is 99; a single value is its own."""
    values = [float(value) for value in reversed(range(101))]
    assert report.percentile(values, 50) == 50
    assert report.percentile(values, 99) == 99
    assert report.percentile([7.0], 99) == 7


def test_shown_with_its_range() -> None:
    """Repetitions show their median and range, a single measurement itself."""
    assert report.shown([11_000.0, 13_000.0, 12_345.4]) == "12,345 (11,000 - 13,000)"
    assert report.shown([12.34]) == "12.3"
    assert not report.shown([])


def test_scaling_leaves_shapes_alone() -> None:
    """A smaller run has fewer deals and accounts, never smaller batches or fewer touchpoints per deal."""
    small = Sizes().scaled(0.001)
    assert (small.chain_deals, small.heavy_accounts, small.intake_touchpoints, small.peers_journeys) == (
        20, 2, 100, 100,
    )  # fmt: skip
    assert (small.chain_per_deal, small.intake_batch, small.intake_connections, small.ledger_partners) == (
        25, 500, 8, 1_000,
    )  # fmt: skip
