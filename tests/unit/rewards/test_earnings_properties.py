"""What holds of every deal whatever its program: the rules of money that no combination of words may break."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.rewards.domain.case import Case
from services.rewards.domain.earnings import general, target
from services.rewards.domain.inputs import Credit, Known, Quote, Receipt, Standing
from services.rewards.domain.outcomes import Earning
from shared import money
from tests.unit.rewards.builders import CLOSED, typed
from tests.unit.rewards.deals import HELD, RATE, deal, known, quote, receipt, ruled, share

NAMES = ("acme", "beta", "gamma")
NOWS = st.sampled_from([datetime(*day, tzinfo=UTC) for day in ((2026, 3, 10), (2026, 4, 6), (2027, 1, 1))])
STEPS = [{"from": 0, "to": 100, "times": "50%"}, {"from": 100, "rate": "12.5%"}]

extras = st.fixed_dictionaries({}, optional={
    "basis": st.sampled_from(["booking", "cash"]), "caps": st.just([{"amount": 7, "per": "deal"}]),
    "churn": st.sampled_from([{"within": "90 days"}, {"within": "60 days", "takes_back": "pro_rata"}]),
    "when": st.sampled_from([{"tiers": ["gold"]}, {"products": ["crm"]}]),
    "hold": st.sampled_from(["0 days", "30 days"]),
})  # fmt: skip
rated = st.one_of(
    st.fixed_dictionaries({"rate": st.just(RATE), "on": st.sampled_from(["credited_amount", "margin"])}),
    st.fixed_dictionaries({"rate": st.just(RATE), "brackets": st.builds(
        lambda apply: {"apply": apply, "per": "deal", "steps": STEPS}, st.sampled_from(["marginal", "whole"])
    )}),
    st.just({"on": "fixed", "amount": {"silver": 3, "gold": 11.5}}),
    st.just({"rates": [{"when": {"activities": ["demo"]}, "rate": "33.3%"},
                       {"when": {"tiers": ["gold"]}, "rate": "7%"}]}),
)  # fmt: skip
plan = st.builds(lambda one, other: one | other, rated, extras)
over = st.one_of(
    st.just({"pays": "recruiters", "rate": RATE}),
    st.just({"pays": "recruiters", "on": "recruits_earnings", "of_plan": "a", "rate": RATE}),
)
plans = st.fixed_dictionaries({"a": plan}, optional={"b": plan, "over": over})
movements = st.lists(
    st.tuples(st.sampled_from(["payment", "refund", "chargeback", "churn"]), st.integers(1, 30_000),
              st.integers(-5, 80), st.sampled_from([None, "s"])),
    max_size=6,
).map(lambda rows: [
    receipt(f"r-{index}", kind, 0 if kind == "churn" else minor, days, of=of)
    for index, (kind, minor, days, of) in enumerate(rows)
])  # fmt: skip
standings = st.builds(
    Standing, st.integers(1, 9), st.sampled_from(["silver", "gold"]),
    st.sampled_from([HELD, CLOSED, CLOSED + timedelta(days=1)]),
    recruiter=st.sampled_from([None, *NAMES, "zed"]), currency=st.sampled_from([None, "JPY", "KWD"]),
)  # fmt: skip
partners = st.dictionaries(
    st.sampled_from(NAMES), st.lists(standings, min_size=1, max_size=3, unique_by=lambda s: s.version)
)
QUOTES = [quote("EUR", "USD", "1.0843"), quote("EUR", "JPY", "161.7"), quote("EUR", "KWD", "0.3341")]


@st.composite
def credits_(draw: st.DrawFn) -> Credit:
    """A deal of some amount whose shares make it up."""
    minor = draw(st.integers(-50_000, 50_000))
    weights = draw(st.dictionaries(st.sampled_from(NAMES), st.integers(1, 9), min_size=1))
    parts = {name: Fraction(weight, sum(weights.values())) for name, weight in weights.items()}
    shares = [
        share(name, amount, str(parts[name]), activities={"demo": str(parts[name] / 3)})
        for name, amount in money.allocate(minor, weights).items()
    ]
    margin = draw(st.sampled_from([None, minor // 3, minor]))
    return deal(*shares, minor=minor, margin_minor=margin, product=draw(st.sampled_from([None, "crm"])))


@st.composite
def facts(draw: st.DrawFn, *, receipts: bool = True) -> Known:
    """A program of any plans, and all that is known beside a deal."""
    words: dict[str, Any] = draw(st.fixed_dictionaries({}, optional={
        "ceiling": st.sampled_from(["0%", "5%", "12.3%"]),
        "pays_in": st.sampled_from(["deal_currency", "program_currency", "partner_currency"]),
    }))  # fmt: skip
    rules = ruled(draw(plans), exchange={"source": "ecb", "via": "EUR"}, **words)
    made = known(rules, receipts=draw(movements) if receipts else (), quotes=QUOTES if draw(st.booleans()) else ())
    return replace(made, partners=draw(partners))


def paid(credit: Credit, of: Known, now: datetime) -> Sequence[Earning]:
    return target(credit, of, now).earnings


@settings(max_examples=120, deadline=None)
@given(credits_(), facts(), NOWS)
def test_every_earning_adds_up_and_nothing_is_without_a_reason(credit: Credit, of: Known, now: datetime) -> None:
    """Pending and payable are what is earned, both of its sign; nothing says why, or what it waits for, never both."""
    for e in paid(credit, of, now):
        assert e.pending_minor + e.payable_minor == e.amount_minor
        assert e.pending_minor * e.amount_minor >= 0
        assert e.payable_minor * e.amount_minor >= 0
        assert bool(e.amount_minor) + bool(e.reason) + bool(e.waits_for) == 1
        assert not e.pending_minor or (e.due_at is not None and e.due_at > now)
        if e.amount_minor:
            before = money.rounded(sum((Fraction(c.amount) for c in e.components), Fraction()))
            for cut in e.cuts:
                assert cut.before_minor == before
                assert abs(cut.after_minor) < abs(before)
                before = cut.after_minor
            assert before == e.earned_minor
            assert (e.conversion is None) == (e.currency == e.terms.currency)


@settings(max_examples=60, deadline=None)
@given(credits_(), facts(), NOWS, st.randoms(use_true_random=False))
def test_no_order_changes_anything(credit: Credit, of: Known, now: datetime, random: Random) -> None:
    """Receipts, standings, pairs of currencies and shares in any order: the same earnings."""

    def shuffled(items: Sequence[Any]) -> list[Any]:
        return random.sample(list(items), len(items))

    receipts: dict[tuple[str, str], Sequence[Receipt]] = {k: shuffled(v) for k, v in of.receipts.items()}
    quotes: dict[tuple[str, str, str], Sequence[Quote]] = dict(shuffled(list(of.quotes.items())))
    other = replace(
        of, receipts=receipts, quotes=quotes, partners={k: shuffled(v) for k, v in shuffled(list(of.partners.items()))}
    )
    again = paid(replace(credit, shares=tuple(shuffled(credit.shares))), other, now)
    assert sorted(map(repr, again)) == sorted(map(repr, paid(credit, of, now)))


@settings(max_examples=60, deadline=None)
@given(credits_(), facts(receipts=False), NOWS)
def test_a_credit_note_is_the_exact_mirror_of_its_sale(credit: Credit, of: Known, now: datetime) -> None:
    """Whatever a plan says and cuts, the same deal below zero takes it all back (`booking`)."""
    if any(p.basis == "cash" for program in of.programs.values() for p in program.compensation.plans.values()):
        return
    terms = credit.terms
    assert terms is not None
    if not terms.amount_minor:
        return
    margin = None if terms.margin_minor is None else -terms.margin_minor
    note = replace(
        credit, terms=replace(terms, amount_minor=-terms.amount_minor, margin_minor=margin),
        shares=tuple(replace(s, amount_minor=-s.amount_minor) for s in credit.shares),
    )  # fmt: skip
    sale, back = paid(credit, of, now), paid(note, of, now)
    assert [(e.pending_minor, e.payable_minor) for e in back] == [(-e.pending_minor, -e.payable_minor) for e in sale]


@settings(max_examples=60, deadline=None)
@given(credits_(), facts(), NOWS)
def test_all_together_never_earn_more_than_the_ceiling(credit: Credit, of: Known, now: datetime) -> None:
    """Over all partners, plans and overrides, in the deal's currency."""
    ceiling = of.programs["northwind", 1].compensation.ceiling
    assert credit.terms is not None
    if ceiling is not None:
        assert abs(sum(e.earned_minor for e in paid(credit, of, now))) <= ceiling * abs(credit.terms.amount_minor)


@settings(max_examples=60, deadline=None)
@given(credits_(), facts(), NOWS)
def test_what_is_taken_back_is_never_more_than_was_earned(credit: Credit, of: Known, now: datetime) -> None:
    """With any refunds, chargebacks and churn an earning keeps its sign, and is at most what it is without them."""
    without = {(e.share.partner, e.plan): e for e in paid(credit, replace(of, receipts={}), now)}
    rules = of.programs["northwind", 1].compensation
    if rules.ceiling is not None or any(plan.basis == "cash" for plan in rules.plans.values()):
        return  # under a ceiling one partner's refund plan leaves more to another; cash earns nothing without payments
    for e in paid(credit, of, now):
        before = without[e.share.partner, e.plan].earned_minor
        assert e.earned_minor * before >= 0
        assert abs(e.earned_minor) <= abs(before)


@settings(max_examples=60, deadline=None)
@given(credits_(), facts(receipts=False))
def test_cash_that_is_all_paid_earns_what_booking_does(credit: Credit, of: Known) -> None:
    """The same amounts, when the customer has paid everything and every hold is over."""
    now = datetime(2027, 1, 1, tzinfo=UTC)
    program = of.programs["northwind", 1]
    assert credit.terms is not None

    def on(basis: str) -> Known:
        made = {name: p.model_copy(update={"basis": basis}) for name, p in program.compensation.plans.items()}
        rules = program.compensation.model_copy(update={"plans": made})
        full = [receipt("1", "payment", max(1, credit.terms.amount_minor) if credit.terms else 1)]
        programs = {("northwind", 1): program.model_copy(update={"compensation": rules})}
        return replace(of, programs=programs, receipts={("crm", "D-1"): full})

    cash, booking = paid(credit, on("cash"), now), paid(credit, on("booking"), now)
    assert [(e.pending_minor, e.payable_minor) for e in cash] == [(e.pending_minor, e.payable_minor) for e in booking]


@settings(max_examples=60, deadline=None)
@given(credits_(), partners, NOWS)
def test_the_short_way_of_plain_programs_is_the_general_one(
    credit: Credit, held: dict[str, Any], now: datetime
) -> None:
    """A rate by tier pays rate x credited amount, rounded; both ways tell the same in every field."""
    program = typed(rates={"silver": "2.345%", "gold": "0%"})
    of = replace(known(program), partners=held, receipts={})
    assert credit.terms is not None
    short = target(credit, of, now).earnings
    case = Case(credit.terms, of, program, None, (), now.astimezone(program.zone).date())
    assert short == general(credit.shares, case)
    for e in short:
        if e.tier == "silver":
            assert e.amount_minor == money.rounded(Fraction(2345, 100_000) * e.share.amount_minor)
