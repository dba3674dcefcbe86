"""What a deal's credit is worth: rates, holds, and a reason wherever nothing is earned."""

from datetime import UTC, date, datetime
from fractions import Fraction

import pytest

from services.rewards.domain.earnings import target
from services.rewards.domain.inputs import Credit, Credited, Known, Standing, Terms, standing_on
from services.rewards.domain.outcomes import State, Target
from tests.unit.rewards.builders import CLOSED, LATER, NOW, typed

GOLD = [Standing(1, "gold", date(2026, 1, 1))]


def credit(*shares: tuple[str, int], currency: str = "USD", version: int = 1) -> Credit:
    return Credit(
        "crm", "D-1", 1, "first decision", Terms("northwind", version, CLOSED, currency),
        tuple(Credited(name, "1/2", minor) for name, minor in shares),
    )  # fmt: skip


def test_rate_of_the_tier_times_credited_amount() -> None:
    """An earning is the tier's rate times the credited amount, pending until the hold ends."""
    (earning,) = target(credit(("acme", 100_050)), Known({"acme": GOLD}, {("northwind", 1): typed()}), NOW).earnings
    assert (earning.amount_minor, earning.rate, earning.state) == (8_004, Fraction(8, 100), State.PENDING)
    assert earning.due_on == date(2026, 4, 1)


@pytest.mark.parametrize(("minor", "expected"), [(10, 1), (9, 0), (-10, -1), (30, 2), (-30, -2), (29, 1)])
def test_a_half_is_rounded_away_from_zero(minor: int, expected: int) -> None:
    """Rounding is to the nearest minor unit; negatives mirror positives."""
    silver = {"acme": [Standing(1, "silver", date(2026, 1, 1))]}
    (earning,) = target(credit(("acme", minor)), Known(silver, {("northwind", 1): typed()}), NOW).earnings
    assert earning.amount_minor == expected


def test_a_hold_ends_at_midnight_of_the_programs_time_zone() -> None:
    """New York's 1 April begins at 04:00 UTC: before it the earning is pending, from it on payable."""
    programs = {("northwind", 1): typed(zone="America/New_York")}

    def state(now: datetime) -> tuple[State | None, datetime | None]:
        found = target(credit(("acme", 1_000)), Known({"acme": GOLD}, programs), now)
        return found.earnings[0].state, found.next_due_at

    due = datetime(2026, 4, 1, 4, tzinfo=UTC)
    assert state(datetime(2026, 4, 1, 3, 59, tzinfo=UTC)) == (State.PENDING, due)
    assert state(due) == (State.PAYABLE, None)


def test_tier_is_that_of_the_close_date_whatever_came_later() -> None:
    """The latest `since` not after the day wins, then the highest version; the order of facts does not matter."""
    facts = [
        Standing(1, "registered", date(2025, 1, 1)), Standing(4, "gold", date(2026, 6, 1)),
        Standing(2, "silver", date(2026, 1, 1)), Standing(3, "gold", date(2026, 1, 1)),
    ]  # fmt: skip
    found = [standing_on(order, day) for order in (facts, facts[::-1]) for day in (CLOSED, date(2025, 12, 31))]
    assert [standing.tier for standing in found if standing] == ["gold", "registered"] * 2
    assert standing_on(facts, date(2024, 12, 31)) is None


@pytest.mark.parametrize(
    ("tiers", "minor", "rates", "reason"),
    [
        ({}, 1_000, None, "the partner is not in the directory; the earning waits until it is"),
        ({"acme": [Standing(1, "gold", date(2026, 3, 3))]}, 1_000, None, "the partner held no tier on 2026-03-02"),
        ({"acme": [Standing(1, "wood", date(2026, 1, 1))]}, 1_000, None, "the plan has no rate for tier 'wood'"),
        ({"acme": GOLD}, 1_000, {"silver": "5%", "gold": "0%"}, "the plan's rate for tier 'gold' is 0%"),
        ({"acme": GOLD}, 0, None, "the credited amount is zero"),
        ({"acme": GOLD}, 5, None, "the amount is below half a minor unit"),
    ],
)
def test_nothing_earned_says_why(
    tiers: dict[str, list[Standing]], minor: int, rates: dict[str, str] | None, reason: str
) -> None:
    """Each way to earn nothing is told apart."""
    (earning,) = target(credit(("acme", minor)), Known(tiers, {("northwind", 1): typed(rates=rates)}), NOW).earnings
    assert (earning.amount_minor, earning.state, earning.reason) == (0, None, reason)


def test_an_unknown_program_version_parks_the_deal() -> None:
    """Without the governing version the target is unknown, which is not the same as nothing."""
    found = target(credit(("acme", 1_000), version=2), Known({"acme": GOLD}, {("northwind", 1): typed()}), NOW)
    assert found == Target(waits_for="program 'northwind' version 2 is not known yet")


def test_every_plan_pays_for_itself() -> None:
    """Two plans are two earnings, each with its own hold."""
    rate = {"silver": "1%", "gold": "2%"}
    plans = {"b": {"rate": rate, "hold": "90 days"}, "a": {"rate": rate, "hold": "0 days"}}
    program = typed(plans=plans)
    earnings = target(credit(("acme", 1_000)), Known({"acme": GOLD}, {("northwind", 1): program}), LATER).earnings
    assert [(e.plan, e.amount_minor, e.state) for e in earnings] == [("a", 20, State.PAYABLE), ("b", 20, State.PENDING)]


def test_amounts_stay_in_the_deals_currency() -> None:
    """A deal in yen earns yen, rounded to whole yen."""
    (earning,) = target(
        credit(("acme", 101), currency="JPY"), Known({"acme": GOLD}, {("northwind", 1): typed()}), NOW
    ).earnings
    assert (earning.amount_minor, earning.terms.currency) == (8, "JPY")
