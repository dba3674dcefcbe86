"""Journals of true-ups: in whatever order deals come, the books end where their sum says, and each says why."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.rewards.domain.accounts import Account, Role
from services.rewards.domain.journal import Journal, Kind, Owed, Posted
from services.rewards.domain.outcomes import Cut, Total, TrueUp
from services.rewards.domain.settlement import differences
from services.rewards.domain.trueup import span_targets
from shared.program import Program
from tests.unit.rewards.settled import GOLD, INSIDE, RELEASED, SCOPE, TIMES, brackets, governing, total, versions

EVENT = 'credit.decided ["crm","D-1","1"]'
PROGRAM = governing(brackets=brackets())


class Books:
    """What is posted of one scope, in plain dictionaries."""

    def __init__(self) -> None:
        self.journals: list[Journal] = []
        self.sums: Counter[Account] = Counter()

    def posted(self) -> Posted | None:
        if not self.journals:
            return None
        owed = {
            currency: Owed(*(-self.sums[Account(role, currency, "acme")] for role in (Role.PENDING, Role.PAYABLE)))
            for currency in {account.currency for account in self.sums}
        }
        last = self.journals[-1]
        return Posted(len(self.journals), len(self.journals), last.effective_on, last.reason, owed)

    def settle(
        self, *totals: Total, now: datetime = INSIDE, programs: tuple[Program, ...] = (PROGRAM,), span: str = "2026"
    ) -> tuple[Journal, ...]:
        made: tuple[Journal, ...] = ()
        for true_up in span_targets(SCOPE._replace(span=span), totals, versions(*programs), GOLD, now):
            made += differences(true_up, self.posted(), EVENT)
        self.journals += made
        for journal in made:
            assert sum(leg.amount_minor for leg in journal.legs) == 0
            assert journal.effective_on <= now.date()
            for leg in journal.legs:
                self.sums[leg.account] += leg.amount_minor
        return made


def test_the_life_of_a_span_is_a_chain_of_linked_journals() -> None:
    """A bracket crossed, a late deal, the hold over, a deal lost: one journal each, about the plan and no deal."""
    books = Books()
    assert books.settle(total(900_000)) == ()
    books.settle(total(6_000_000, deals=12))
    books.settle(total(7_000_000, deals=13))
    books.settle(total(7_000_000, deals=13), now=RELEASED)
    books.settle(total(900_000, deals=1), now=RELEASED)
    legs = [[(str(leg.account.role), leg.amount_minor) for leg in j.legs] for j in books.journals]
    assert [(j.kind, j.adjusts, of_it) for j, of_it in zip(books.journals, legs, strict=True)] == [
        (Kind.ACCRUAL, None, [("commission", 170_000), ("pending", -170_000)]),
        (Kind.ADJUSTMENT, 1, [("commission", 50_000), ("pending", -50_000)]),
        (Kind.MATURITY, 2, [("pending", 220_000), ("payable", -220_000)]),
        (Kind.REVERSAL, 3, [("commission", -220_000), ("payable", 220_000)]),
    ]
    assert [str(j.effective_on) for j in books.journals] == ["2026-07-01", "2026-07-01", "2027-01-31", "2026-12-31"]
    assert [j.reason["cause"] for j in books.journals] == [
        "12 deals of 2026 together: 60,000.00 of base; brackets add 1,700.00",
        "13 deals of 2026 together: 70,000.00 of base; brackets add 2,200.00",
        "the hold of 2026 ended on 2027-01-31",
        "1 deal of 2026 together: 9,000.00 of base; nothing is added or cut",
    ]
    first = books.journals[0]
    assert (first.deal_source, first.deal_id, first.plan, first.scope) == (None, None, "growth", "2026")
    assert first.key == '["scope","northwind","growth","acme","2026","USD","1"]'


def test_a_reason_has_the_whole_way_from_base_to_amount() -> None:
    """Each bracket with its base, rate and amount; what the deals earn; the cap that cut."""
    books = Books()
    capped = governing(brackets=brackets(), caps=[{"amount": 4_000, "per": "year"}])
    [journal] = books.settle(total(6_000_000, deals=12), programs=(capped,))
    assert journal.reason == {
        "cause": "12 deals of 2026 together: 60,000.00 of base; brackets add 1,700.00; "
        "the plan's cap of 4,000.00 USD per year: 4,700.00 -> 4,000.00",
        "own_cause": journal.reason["cause"], "span": "2026", "deals": 12, "currency": "USD", "base": "60000.00",
        "plain": "3000.00", "earned": "4000.00", "due_on": "2027-01-31", "program_version": 1,
        "brackets": [
            {"bracket": name, "base": base, "rate": rate, "amount": amount, "program_version": 1}
            for name, base, rate, amount in (
                ("from 0 to 10,000", "10000.00", "5%", "500.00"),
                ("from 10,000 to 50,000", "40000.00", "8%", "3200.00"), ("from 50,000", "10000.00", "10%", "1000.00"),
            )
        ],
        "cuts": [{"why": "the plan's cap of 4,000.00 USD per year", "before": "4700.00", "after": "4000.00"}],
    }  # fmt: skip


def test_a_blended_rate_is_shown_as_near_as_a_program_writes_rates() -> None:
    """A third of a percent more, told as about; below zero with its sign."""
    programs = (governing(brackets=brackets("whole", TIMES)),)
    for base, plain, rate, amount in (
        (1_500_000, 100_000, "10%", "1500.00"), (1_500_000, -70_000, "-7%", "-1050.00"),
        (3_500_000, 70_001, "about 3%", "1050.02"),
    ):  # fmt: skip
        [journal] = Books().settle(total(base, plain=plain), programs=programs)
        (told,) = journal.reason["brackets"]
        assert told["bracket"] == "from 10,000 to 50,000, 150% of the plain rate"
        assert (told["rate"], told["amount"]) == (rate, amount)


def test_a_budget_and_deals_that_are_gone_are_told_as_such() -> None:
    """No span is named where there is none."""
    scope = SCOPE._replace(partner="", span="budget")
    cut = TrueUp(
        scope, "acme", "USD", 1, 2, 0, 60_000, 20_000, (), (Cut("the plan's budget is used up", 60_000, 20_000),),
        -10_000, -30_000, effective_on=date(2026, 7, 1),
    )  # fmt: skip
    [journal] = differences(cut, None, EVENT)
    assert journal.reason["cause"] == (
        "2 deals under the plan's budget together: 0.00 of base; the plan's budget is used up: 600.00 -> 200.00"
    )
    assert (journal.partner, journal.scope) == ("acme", "budget")
    books = Books()
    books.settle(total(6_000_000))
    [gone] = books.settle(total(0, deals=0))
    assert (gone.kind, gone.reason["cause"]) == (Kind.REVERSAL, "no deals of 2026 are left")


def test_nothing_is_dated_at_a_hold_that_has_not_ended() -> None:
    """Deals mature inside the year: the cut follows them from pending to payable, on the day it is booked."""
    books = Books()
    capped = governing(caps=[{"amount": 1_000, "per": "year"}])
    books.settle(total(0, plain=150_000, pending=150_000), programs=(capped,))
    [matured] = books.settle(total(0, plain=150_000), programs=(capped,))
    assert (matured.kind, str(matured.effective_on)) == (Kind.MATURITY, "2026-07-01")
    assert matured.reason["cause"] == "the holds of deals of 2026 ended"
    mixed = Books()
    mixed.settle(total(1_000_000, plain=40_000))
    [moved] = mixed.settle(total(1_000_000, plain=40_000, pending=-20_000))
    assert (moved.kind, str(moved.effective_on)) == (Kind.ADJUSTMENT, "2026-07-01")


def test_two_currencies_have_keys_of_their_own() -> None:
    """A program that changed its currency settles both in one go; neither takes the other back."""
    both = (governing(currency="EUR", brackets=brackets()), governing(2, effective_from="2026-07-01",
            brackets=brackets()))  # fmt: skip
    books = Books()
    made = books.settle(total(6_000_000), total(7_000_000, version=2), programs=both)
    assert len({journal.key for journal in made}) == 2
    assert books.settle(total(6_000_000), total(7_000_000, version=2), programs=both) == ()


def test_a_journal_of_a_deal_keeps_the_fingerprint_it_always_had() -> None:
    """Keys are for ever: only a scope that is set counts."""
    plain = Journal("k", Kind.ACCRUAL, date(2026, 1, 1), "acme", (), EVENT, {}, plan="growth")
    assert plain.fingerprint.hex() == "27450f4584d21876407e0d56d396c8f76fa97687e9700e8d64b7f12aa65153aa"
    scoped = Journal("k", Kind.ACCRUAL, date(2026, 1, 1), "acme", (), EVENT, {}, plan="growth", scope="2026")
    assert scoped.fingerprint != plain.fingerprint


amounts = st.integers(-(10**6), 10**6)
deals = st.lists(st.tuples(st.integers(-(10**7), 10**7), amounts, amounts), max_size=5)


@given(
    deals, deals, st.sampled_from(["marginal", "whole"]), st.sampled_from([None, TIMES]),
    st.sampled_from([INSIDE, RELEASED]), st.randoms(use_true_random=False),
)  # fmt: skip
def test_deals_in_any_order_end_in_the_same_books(
    early: list[tuple[int, int, int]], late: list[tuple[int, int, int]], apply: str,
    steps: list[dict[str, Any]] | None, now: datetime, random: Any,  # noqa: ANN401  hypothesis' own
) -> None:  # fmt: skip
    """Settled after each deal, before or after the hold, or once at the end: the same balances, and then no more."""
    caps = [{"amount": 4_000, "per": "year"}]
    programs = (
        governing(brackets=brackets(apply, steps), caps=caps),
        governing(2, effective_from="2026-07-01", brackets=brackets(), caps=caps),
    )
    arrivals = [(1, deal) for deal in early] + [(2, deal) for deal in late]
    random.shuffle(arrivals)
    books, at_once = Books(), Books()
    for count in range(1, len(arrivals) + 1):
        books.settle(*_totals(arrivals[:count]), now=random.choice([INSIDE, now]), programs=programs)
    books.settle(*_totals(arrivals), now=now, programs=programs)
    at_once.settle(*_totals(arrivals), now=now, programs=programs)
    assert {a: n for a, n in books.sums.items() if n} == {a: n for a, n in at_once.sums.items() if n}
    assert books.settle(*_totals(arrivals), now=now, programs=programs) == ()


def _totals(arrivals: list[tuple[int, tuple[int, int, int]]]) -> list[Total]:
    return [
        Total("acme", version, len(found), *(sum(column) for column in zip(*found, strict=True)))
        for version in (2, 1)
        if (found := [deal for of, deal in arrivals if of == version])
    ]
