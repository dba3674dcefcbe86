"""An adjustment by hand as a journal, and when it takes two."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.rewards.domain import adjustment, reversal
from services.rewards.domain.accounts import Account, Role
from services.rewards.domain.adjustment import Adjustment
from services.rewards.domain.journal import Journal, Kind

BONUS = Adjustment("acme", Role.PAYABLE, 1_250, "USD", date(2026, 3, 2), "a bonus", "ticket 7", "crm", "D-1")


@given(st.integers(-(10**15), 10**15).filter(bool), st.sampled_from([Role.PENDING, Role.PAYABLE]))
def test_an_adjustment_balances_and_is_in_the_partners_favour_when_positive(minor: int, account: Role) -> None:
    """Two legs that cancel out; the partner's account is credited with the amount."""
    journal = adjustment.journal(replace(BONUS, amount_minor=minor, account=account), 7)
    assert sum(leg.amount_minor for leg in journal.legs) == 0
    assert {leg.account: leg.amount_minor for leg in journal.legs}[Account(account, "USD", "acme")] == -minor


def test_an_adjustment_names_its_deal_and_is_not_of_it() -> None:
    """As a journal of the deal the next computation would take it back."""
    journal = adjustment.journal(BONUS, 7)
    assert (journal.kind, journal.deal_source, journal.deal_id, journal.key) == (
        Kind.MANUAL,
        None,
        None,
        '["manual","7"]',
    )
    assert journal.reason == {
        "cause": "a bonus", "reference": "ticket 7", "adjustment": 7, "adjusted": "12.50", "deal_source": "crm",
        "deal_id": "D-1",
    }  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"partner": "beta"}, {"account": Role.PENDING}, {"amount_minor": 1}, {"currency": "EUR"},
        {"effective_on": date(2026, 3, 3)}, {"reason": "x"}, {"reference": "x"}, {"deal_id": "D-2"},
        {"deal_source": None, "deal_id": None},
    ],
)  # fmt: skip
def test_any_change_is_another_adjustment(change: dict[str, object]) -> None:
    """Nothing of a request may change unnoticed under its key."""
    assert replace(BONUS, **change).fingerprint != BONUS.fingerprint  # type: ignore[arg-type]  # fields by name


@pytest.mark.parametrize(
    ("minor", "currency", "two"),
    [
        (100_000, "USD", False), (100_001, "USD", True), (-100_000, "USD", False), (-100_001, "USD", True),
        (1_000, "JPY", False), (1_001, "JPY", True), (1_000_000, "KWD", False), (1_000_001, "KWD", True),
    ],
)  # fmt: skip
def test_more_than_the_limit_takes_two_whatever_its_sign_and_currency(minor: int, currency: str, two: bool) -> None:
    """The limit is in whole units: 1000 dollars, 1000 yen, 1000 dinars."""
    assert adjustment.needs_approval(minor, currency, 1_000) is two


def taken_back(of: Journal) -> Journal:
    return reversal.journal(of, 9, key="k", effective_on=date(2026, 4, 1), source_event="test", cause="a mistake")


def test_a_reversal_takes_back_each_leg_and_keeps_the_reference() -> None:
    """The partner reads the reason as its own."""
    of = adjustment.journal(BONUS, 7)
    back = taken_back(of)
    assert [leg.amount_minor for leg in back.legs] == [-leg.amount_minor for leg in of.legs]
    assert (back.kind, back.reverses, back.adjusts) == (Kind.REVERSAL, 9, 9)
    assert back.reason == {"cause": "a mistake", "own_cause": "a mistake", "reference": "ticket 7"}


def test_deals_and_reversals_are_not_taken_back() -> None:
    """A deal's journal would come back by itself, and a reversal is undone by booking anew."""
    of = adjustment.journal(BONUS, 7)
    with pytest.raises(ValueError, match="follows deal crm/D-1; change the facts instead"):
        taken_back(of._replace(deal_source="crm", deal_id="D-1", kind=Kind.ACCRUAL))
    with pytest.raises(ValueError, match="is a reversal; only what people booked by hand"):
        taken_back(taken_back(of))
