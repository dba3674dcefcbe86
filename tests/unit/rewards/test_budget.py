"""A plan's budget: the earliest closes have it, whatever order they came in, and nobody is paid above it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.rewards.domain.budget import budget_targets
from services.rewards.domain.outcomes import Claim, Cut, Scope, Total, TrueUp
from shared.program import Program
from tests.unit.rewards.settled import INSIDE, governing, versions

SCOPE = Scope("northwind", "growth", "", "budget")
FIRST = date(2026, 3, 1)
THOUSAND = governing(budget=1_000)


def claim(deal: str, payable: int, *, partner: str = "acme", pending: int = 0, day: int = 0, version: int = 1) -> Claim:
    return Claim(FIRST + timedelta(days=day), "crm", deal, partner, version, pending, payable)


def settled(claims: Sequence[Claim], *programs: Program) -> dict[str, TrueUp]:
    sums: dict[tuple[str, int], Total] = {}
    for item in claims:
        old = sums.get((item.partner, item.program_version), Total(item.partner, item.program_version, 0, 0, 0, 0))
        sums[item.partner, item.program_version] = old._replace(
            deals=old.deals + 1, pending_minor=old.pending_minor + item.pending_minor,
            payable_minor=old.payable_minor + item.payable_minor,
        )  # fmt: skip
    found = budget_targets(SCOPE, claims, list(sums.values()), versions(*(programs or (THOUSAND,))), INSIDE)
    return {item.partner: item for item in found}


def test_the_earliest_closes_have_the_budget() -> None:
    """800.00 and 600.00 of 1,000.00: the later one gets 200.00, the pending part of it is cut first."""
    found = settled([claim("D-2", 50_000, pending=10_000, day=2, partner="beta"), claim("D-1", 80_000)])
    acme, beta = found["acme"], found["beta"]
    assert (acme.earned_minor, acme.pending_minor, acme.payable_minor, acme.cuts) == (80_000, 0, 0, ())
    assert (beta.earned_minor, beta.pending_minor, beta.payable_minor) == (20_000, -10_000, -30_000)
    assert beta.cuts == (Cut("the plan's budget of 1,000.00 USD is used up", 60_000, 20_000),)
    assert (beta.deals, beta.effective_on) == (1, date(2026, 7, 1))


def test_a_deal_that_closed_earlier_and_came_later_moves_the_cut() -> None:
    """What is left for the later close shrinks, however it was booked before."""
    late = [claim("D-9", 90_000, day=9, partner="beta")]
    assert settled(late)["beta"].cuts == ()
    assert settled([*late, claim("D-1", 70_000)])["beta"].earned_minor == 30_000


def test_a_credit_note_takes_back_what_the_budget_paid_and_no_more() -> None:
    """Its partner ends at nothing, not below; what it frees is there for closes after it."""
    claims = [
        claim("D-1", 80_000), claim("D-2", 80_000, partner="beta", day=1),
        claim("D-3", -80_000, partner="beta", day=2), claim("D-4", 50_000, partner="gamma", day=3),
    ]  # fmt: skip
    found = settled(claims)
    assert {name: item.earned_minor for name, item in found.items()} == {"acme": 80_000, "beta": 0, "gamma": 20_000}
    assert found["beta"].cuts == (
        Cut("the plan's budget of 1,000.00 USD is used up", 0, -60_000),
        Cut("a credit note takes back no more than the budget has paid", -60_000, 0),
    )


def test_a_version_with_a_higher_budget_has_what_was_not_paid() -> None:
    """What an earlier version cut stays cut; the budget counts what was paid."""
    raised = governing(2, effective_from="2026-07-01", budget=2_000)
    claims = [claim("D-1", 150_000), claim("D-2", 150_000, day=200, partner="beta", version=2)]
    assert [item.earned_minor for item in settled(claims, THOUSAND, raised).values()] == [100_000, 100_000]


def test_a_partner_whose_claims_are_gone_has_nothing_cut() -> None:
    """Its true-up is zero, so that what is posted is taken back."""
    [gone] = budget_targets(SCOPE, [], [Total("acme", 1, 0, 0, 0, 0)], versions(THOUSAND), INSIDE)
    assert (gone.deals, gone.pending_minor, gone.payable_minor) == (0, 0, 0)


minor = st.integers(0, 90_000)
claims_of_any = st.lists(
    st.builds(
        lambda deal, partner, day, sign, pending, payable: claim(
            f"D-{deal}", sign * payable, partner=partner, pending=sign * pending, day=day
        ),
        st.integers(1, 10**6), st.sampled_from(["acme", "beta", "gamma"]), st.integers(0, 3),
        st.sampled_from([1, 1, -1]), minor, minor,
    ),
    max_size=8, unique_by=lambda item: item.deal_id,
)  # fmt: skip


@given(claims_of_any, st.randoms(use_true_random=False))
def test_any_order_pays_the_same_and_never_above_the_budget(claims: list[Claim], random: Any) -> None:  # noqa: ANN401  hypothesis' own
    """All partners together are paid between nothing and the budget; each has its parts add up."""
    shuffled = list(claims)
    random.shuffle(shuffled)
    found = settled(claims)
    assert settled(shuffled) == found
    assert 0 <= sum(item.earned_minor for item in found.values()) <= 100_000
    for name, item in found.items():
        plain = sum(c.pending_minor + c.payable_minor for c in claims if c.partner == name)
        assert item.earned_minor >= 0
        assert item.plain_minor == plain
        assert plain + item.pending_minor + item.payable_minor == item.earned_minor


@given(claims_of_any)
def test_a_budget_that_is_large_enough_cuts_nothing(claims: list[Claim]) -> None:
    """The claims above zero alone: a credit note without its sale takes nothing back, see above."""
    found = settled([c for c in claims if c.payable_minor >= 0 <= c.pending_minor], governing(budget=10_000))
    assert all((item.pending_minor, item.payable_minor, item.cuts) == (0, 0, ()) for item in found.values())
