"""What deals earn together: the brackets of their sum, whatever order they came in, and never above the cap."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.rewards.domain.brackets import parts
from services.rewards.domain.inputs import Standing
from services.rewards.domain.outcomes import Bracketed, Cut, Total, TrueUp
from services.rewards.domain.trueup import span_targets
from shared import money
from shared.program import Program
from tests.unit.rewards.settled import GOLD, INSIDE, RELEASED, SCOPE, TIMES, brackets, governing, total, versions


def settled(
    totals: Sequence[Total], *programs: Program, now: datetime = INSIDE, standings: Sequence[Standing] = GOLD,
    span: str = "2026",
) -> TrueUp:  # fmt: skip
    [found] = span_targets(SCOPE._replace(span=span), totals, versions(*programs), standings, now)
    return found


def test_sixty_thousand_in_marginal_brackets() -> None:
    """By hand: 500.00 + 3,200.00 + 1,000.00, of which the deals by themselves earn 3,000.00."""
    found = settled([total(6_000_000, deals=12)], governing(brackets=brackets()))
    assert [(item.bracket, item.base, item.rate, item.amount) for item in found.brackets] == [
        ("from 0 to 10,000", Fraction(1_000_000), Fraction(1, 20), Fraction(50_000)),
        ("from 10,000 to 50,000", Fraction(4_000_000), Fraction(2, 25), Fraction(320_000)),
        ("from 50,000", Fraction(1_000_000), Fraction(1, 10), Fraction(100_000)),
    ]
    assert (found.deals, found.base_minor, found.plain_minor, found.earned_minor) == (12, 6_000_000, 300_000, 470_000)
    assert (found.pending_minor, found.payable_minor, found.currency) == (170_000, 0, "USD")


def test_whole_rates_everything_by_the_bracket_of_the_sum() -> None:
    """60,000.00 at 10%; one cent below 50,000.00 all is at 8%."""
    program = governing(brackets=brackets("whole"))
    assert settled([total(6_000_000)], program).earned_minor == 600_000
    assert settled([total(4_999_999, plain=250_000)], program).earned_minor == 400_000


def test_a_late_deal_that_crosses_a_bracket_moves_the_true_up_alone() -> None:
    """49,000.00 and then 2,000.00: one thousand at 8% and one at 10%, with 5% paid by the deal itself."""
    program = governing(brackets=brackets())
    before = settled([total(4_900_000)], program)
    after = settled([total(5_100_000, deals=2)], program)
    assert after.earned_minor - before.earned_minor == 8_000 + 10_000
    assert after.pending_minor - before.pending_minor == 18_000 - 10_000


def test_an_accelerator_multiplies_the_plain_rate() -> None:
    """Deals at a blend of rates: 15,000.00 earn 1,000.00 plain; two thirds once, a third one and a half times."""
    found = settled([total(1_500_000, plain=100_000)], governing(brackets=brackets(steps=TIMES)))
    assert found.earned_minor == money.rounded(Fraction(100_000) * (Fraction(2, 3) + Fraction(1, 3) * Fraction(3, 2)))
    assert found.brackets[1].bracket == "from 10,000 to 50,000, 150% of the plain rate"


def test_a_quota_goes_by_the_tier_on_the_first_day_of_the_span() -> None:
    """A partner that rises in May keeps the year's quota; one that begins in May has that of its first tier."""
    steps: list[dict[str, Any]] = [{"from": 0, "to": "100%", "rate": "5%"}, {"from": "100%", "rate": "10%"}]
    program = governing(brackets=brackets(steps=steps, quota={"silver": 10_000, "gold": 50_000}))
    risen = [Standing(1, "silver", date(2025, 6, 1)), Standing(2, "gold", date(2026, 5, 1))]
    begun = [Standing(1, "gold", date(2026, 5, 1)), Standing(2, "silver", date(2026, 6, 1))]
    assert settled([total(2_000_000)], program, standings=risen).earned_minor == 50_000 + 100_000
    assert settled([total(2_000_000)], program, standings=begun).earned_minor == 100_000
    unknown = settled([total(2_000_000)], program, standings=[Standing(1, "bronze", date(2026, 1, 1))])
    assert (unknown.earned_minor, unknown.plain_minor) == (100_000, 100_000)


def test_the_year_goes_on_over_versions_and_earlier_deals_keep_their_rates() -> None:
    """Version 2 raises the top rate in July: its 20,000.00 begin at 40,000.00, and what is before stays as it was."""
    steps: list[dict[str, Any]] = [{"from": 0, "to": 50_000, "rate": "6%"}, {"from": 50_000, "rate": "20%"}]
    first = governing(brackets=brackets())
    second = governing(2, effective_from="2026-07-01", brackets=brackets(steps=steps))
    alone = settled([total(4_000_000)], first, second)
    both = settled([total(2_000_000, version=2), total(4_000_000)], first, second)
    assert both.earned_minor - alone.earned_minor == 60_000 + 200_000
    assert [item for item in both.brackets if item.program_version == 1] == list(alone.brackets)
    assert (both.program_version, alone.program_version) == (2, 1)


def test_a_version_without_brackets_counts_into_the_sum_and_pays_plainly() -> None:
    """Its deals fill the lower brackets for those after it, and their own part is told as such."""
    first = governing(caps=[{"amount": 1_000_000, "per": "year"}])
    second = governing(2, effective_from="2026-07-01", brackets=brackets())
    found = settled([total(1_000_000), total(1_000_000, version=2)], first, second)
    assert [(item.bracket, item.amount) for item in found.brackets] == [
        ("without brackets", Fraction(50_000)), ("from 10,000 to 50,000", Fraction(80_000))
    ]  # fmt: skip


def test_two_currencies_of_a_program_are_never_added_up() -> None:
    """A program that changes its currency has a true-up in each, with the year of each by itself."""
    euros = governing(currency="EUR", brackets=brackets())
    dollars = governing(2, effective_from="2026-07-01", brackets=brackets())
    totals = [total(6_000_000), total(6_000_000, version=2)]
    found = span_targets(SCOPE, totals, versions(euros, dollars), GOLD, INSIDE)
    assert [(item.currency, item.earned_minor) for item in found] == [("EUR", 470_000), ("USD", 470_000)]


CAPPED = governing(caps=[{"amount": 5_000, "per": "year"}])


def test_a_cap_cuts_what_is_pending_first_and_says_why() -> None:
    """6,000.00 earned, of which 2,000.00 pending: 4,000.00 stay payable, 1,000.00 pending; below zero alike."""
    found = settled([total(0, plain=600_000, pending=200_000)], CAPPED)
    assert found.cuts == (Cut("the plan's cap of 5,000.00 USD per year", 600_000, 500_000),)
    assert (found.pending_minor, found.payable_minor, found.due_at) == (-100_000, 0, None)
    assert settled([total(0, plain=-600_000)], CAPPED).earned_minor == -500_000
    ever = settled([total(0, plain=90_000)], governing(amount={"silver": 500, "gold": 500}, on="fixed",
                   caps=[{"amount": 500, "per": "ever"}]), span="ever")  # fmt: skip
    assert ever.cuts == (Cut("the plan's cap of 500.00 USD in all", 90_000, 50_000),)


def test_the_cap_is_that_of_the_last_version_with_deals() -> None:
    """A version that governs no deal yet changes nothing."""
    raised = governing(2, effective_from="2026-07-01", caps=[{"amount": 9_000, "per": "year"}])
    totals = [total(0, plain=600_000), total(0, plain=0, version=2, deals=0)]
    assert settled(totals, CAPPED, raised).earned_minor == 500_000
    totals[1] = total(0, plain=100, version=2)
    assert settled(totals, CAPPED, raised).earned_minor == 600_100


def test_what_brackets_add_is_payable_when_the_span_and_its_hold_are_over() -> None:
    """The year ends in December, its hold of 30 days in January: from 31 January on, in the program's zone."""
    program = governing(brackets=brackets())
    held = settled([total(6_000_000)], program, now=datetime(2027, 1, 30, 23, 59, tzinfo=UTC))
    assert (held.pending_minor, held.payable_minor) == (170_000, 0)
    assert (held.due_on, held.due_at) == (date(2027, 1, 31), RELEASED)
    assert held.effective_on == date(2026, 12, 31)
    released = settled([total(6_000_000)], program, now=RELEASED)
    assert (released.pending_minor, released.payable_minor, released.due_at) == (0, 170_000, None)
    assert settled([total(6_000_000)], program).effective_on == date(2026, 7, 1)


def test_what_brackets_of_ever_add_follows_its_deals() -> None:
    """There is no end to wait for: with a third of the deals' earnings payable, a third of what is added is."""
    program = governing(brackets=brackets(per="ever"))
    found = settled([total(6_000_000, pending=200_000)], program, span="ever")
    assert (found.pending_minor, found.payable_minor) == (113_333, 56_667)
    assert (found.due_on, found.due_at) == (None, None)


def test_without_deals_nothing_is_left() -> None:
    """The true-up of a span whose deals are all gone is zero, so that what is posted is taken back."""
    gone = settled([total(0, deals=0)], governing(brackets=brackets()))
    assert (gone.deals, gone.earned_minor, gone.pending_minor, gone.payable_minor) == (0, 0, 0, 0)
    assert span_targets(SCOPE, [], {}, GOLD, INSIDE) == []


bases = st.integers(-(10**7), 10**7)
applied = st.sampled_from(["marginal", "whole"])
stepped = st.sampled_from([None, TIMES])
moments = st.sampled_from([INSIDE, RELEASED])
amounts = st.integers(-(10**6), 10**6)


def summed(deals: Sequence[tuple[int, int, int]], version: int = 1) -> Total:
    """Deals as (base, pending, payable), added up."""
    base, pending, payable = (sum(column) for column in zip(*deals, strict=True)) if deals else (0, 0, 0)
    return Total("acme", version, len(deals), base, pending, payable)


deals = st.lists(st.tuples(bases, amounts, amounts), min_size=1, max_size=6)


@given(bases, amounts, applied)
def test_one_version_pays_the_brackets_of_the_sum(base: int, plain: int, apply: str) -> None:
    """Against the definition: the parts of the sum, each at its rate. A sum of zero pays what the deals do."""
    program = governing(brackets=brackets(apply))
    rules = program.compensation.plans["growth"].brackets
    assert rules is not None
    expected = sum(part.amount * (part.step.rate or 0) for part in parts(Fraction(base), rules, Fraction(100), None))
    found = settled([total(base, plain=plain)], program)
    assert found.earned_minor == (money.rounded(Fraction(expected)) if base else plain)


@given(deals, deals, applied, stepped)
def test_later_versions_leave_what_an_earlier_one_pays(
    early: list[tuple[int, int, int]], late: list[tuple[int, int, int]], apply: str, steps: list[dict[str, Any]] | None
) -> None:
    """Year-to-date goes on, and no deal is rated anew by rules that came after it."""
    first = governing(brackets=brackets(apply, steps))
    second = governing(2, effective_from="2026-07-01", brackets=brackets("whole"))
    assert _of_first(settled([summed(early), summed(late, 2)], first, second)) == _of_first(
        settled([summed(early)], first)
    )


def _of_first(found: TrueUp) -> list[Bracketed]:
    return [item for item in found.brackets if item.program_version == 1 and item.bracket != "without brackets"]


@given(bases, bases, amounts)
def test_two_versions_with_the_same_marginal_brackets_pay_like_one(early: int, late: int, plain: int) -> None:
    """A new version that changes nothing changes nothing, for brackets that replace the rate."""
    first = governing(brackets=brackets())
    second = governing(2, effective_from="2026-07-01", brackets=brackets())
    totals = [total(early, plain=plain if not early else 0), total(late, plain=plain if not late else 0, version=2)]
    found = settled(totals, first, second)
    together = settled([total(early + late)], first)
    left_plain = sum(t.payable_minor for t in totals)
    expected = together.earned_minor if early + late else 0
    assert found.earned_minor == expected + left_plain


@given(deals, deals, applied, st.integers(0, 9_000), moments)
def test_nothing_is_payable_above_the_cap_and_the_parts_make_up_the_whole(
    early: list[tuple[int, int, int]], late: list[tuple[int, int, int]], apply: str, cap: int, now: datetime
) -> None:
    """With what the deals earn by themselves, pending and payable are what is earned, within the cap."""
    rules: dict[str, Any] = {"brackets": brackets(apply), "caps": [{"amount": cap, "per": "year"}]}
    first, second = governing(**rules), governing(2, effective_from="2026-07-01", **rules)
    totals = [summed(early), summed(late, 2)]
    found = settled(totals, first, second, now=now)
    payable = sum(item.payable_minor for item in totals) + found.payable_minor
    pending = sum(item.pending_minor for item in totals) + found.pending_minor
    assert pending + payable == found.earned_minor
    assert payable <= found.earned_minor <= cap * 100
    assert found.earned_minor >= -cap * 100


@given(deals, applied, stepped, st.integers(0, 9_000))
def test_below_zero_is_the_mirror(
    early: list[tuple[int, int, int]], apply: str, steps: list[dict[str, Any]] | None, cap: int
) -> None:
    """Credit notes of the same sizes earn exactly the negative."""
    program = governing(brackets=brackets(apply, steps), caps=[{"amount": cap, "per": "year"}])
    mirrored = [(-base, -pending, -payable) for base, pending, payable in early]
    assert settled([summed(mirrored)], program).earned_minor == -settled([summed(early)], program).earned_minor


@given(bases.filter(bool), amounts, applied)
def test_times_one_is_what_the_deals_earn_whatever_their_rates(base: int, plain: int, apply: str) -> None:
    """The blended rate is exact: a multiplier of 100% in every bracket adds nothing, not a cent."""
    steps: list[dict[str, Any]] = [
        {"from": 0, "to": 7, "times": "100%"}, {"from": 7, "to": 33.33, "times": "100%"},
        {"from": 33.33, "times": "100%"},
    ]  # fmt: skip
    found = settled([total(base, plain=plain)], governing(brackets=brackets(apply, steps)))
    assert (found.earned_minor, found.pending_minor, found.payable_minor) == (plain, 0, 0)
    assert sum(item.amount for item in found.brackets) == plain


def test_a_version_that_is_not_known_is_an_error_of_the_caller() -> None:
    """Lines come from versions that are known."""
    with pytest.raises(KeyError):
        settled([total(100, version=7)], CAPPED)
