"""What a journal tells: the whole way from base to amount, what changed, and nothing booked that is not known yet."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import orjson
from hypothesis import assume, given
from hypothesis import strategies as st

from services.rewards import deal_views, views
from services.rewards.domain import telling
from services.rewards.domain.earnings import target
from services.rewards.domain.inputs import Credit, Known, Rerate
from services.rewards.domain.journal import Journal, Kind, Owed, Posted, differences
from tests.unit.rewards.builders import CLOSED, LATER
from tests.unit.rewards.deals import RATE, deal, known, quote, receipt, ruled, share, standing

ECB = {"source": "ecb"}


def posted(journal: Journal, currency: str, pending: int = 0, payable: int = 0) -> dict[tuple[str, str], Posted]:
    """A journal as the ledger holds it."""
    reason = orjson.loads(orjson.dumps(journal.reason))
    held = Posted(1, 1, journal.effective_on, reason, {currency: Owed(pending, payable)})
    return {(journal.partner, journal.plan or ""): held}


def book(
    credit: Credit, of: Known, now: datetime = LATER, before: dict[tuple[str, str], Posted] | None = None
) -> Journal:
    (made,) = differences(credit, target(credit, of, now), before or {})
    return made


def test_the_whole_way_is_told_and_is_the_partners_own() -> None:
    """Version, base, components, cuts and conversion with its quotes, in JSON; a partner reads all of it."""
    rules = ruled(
        {"p": {"rate": RATE, "caps": [{"amount": 4, "per": "deal"}]}}, pays_in="program_currency", exchange=ECB
    )
    credit = deal(share(minor=9_999), minor=9_999, currency="EUR")
    reason = book(credit, known(rules, quotes=[quote("EUR", "USD", "1.25")])).reason
    way = {
        "share": "1", "credited": "99.99", "currency": "EUR", "tier": "gold", "rate": "10%", "earned": "3.20",
        "due_on": "2026-04-01", "nothing_earned": None, "plan_version": 1, "base": "99.99",
        "components": [{"base": "99.99", "rate": "10%", "amount": "9.999", "rule": 0}],
        "cuts": [{"why": "cap of 4.00 USD per deal", "before": "10.00", "after": "3.20"}],
        "conversion": {
            "currency": "USD", "amount": "4.00", "factor": "1.25",
            "quotes": [{"source": "ecb", "base": "EUR", "quote": "USD", "on": "2026-03-02", "rate": "1.25"}],
        },
        "rerate": None,
        "measured": {
            "factor": "0.8",
            "quotes": [{"source": "ecb", "base": "EUR", "quote": "USD", "on": "2026-03-02", "rate": "1.25"}],
        },
    }  # fmt: skip
    assert reason == {"cause": "first decision", "own_cause": "credited", "revision": 1} | way
    assert views.reason("accrual", reason, only_for="acme") == {"cause": "credited"} | way
    assert orjson.loads(orjson.dumps(reason)) == reason


def test_what_waits_leaves_the_books_alone_and_the_rest_is_booked() -> None:
    """A refund in another currency parks what was booked; the other plan's first earning is booked all the same."""
    rules = ruled({"a": {"rate": RATE}, "b": {"rate": RATE, "basis": "cash"}})
    credit = deal(share())
    first = target(credit, known(rules), LATER)
    (made,) = differences(credit, first, {})
    assert made.plan == "a"
    held = posted(made, "USD", payable=1_000)
    parked = known(rules, receipts=[receipt("r", "refund", 5_000, currency="EUR")])
    assert differences(credit, target(credit, parked, LATER), held) == ()
    paid = known(rules, receipts=[receipt("r", "payment", 5_000, currency="EUR")])
    assert differences(replace(credit, shares=(share(minor=20_000),)), target(credit, paid, LATER), held) == ()


def test_a_re_rate_is_the_cause() -> None:
    """The order, the version and the rate are told; the journal is of the version that pays."""
    rules = [ruled({"p": {"rate": RATE}}), ruled({"p": {"rate": {"silver": "1%", "gold": "20%"}}}, 2)]
    credit = deal(share())
    before = posted(book(credit, known(rules)), "USD", payable=1_000)
    order = Rerate(7, "northwind", 2, CLOSED, CLOSED, "the rate was wrong")
    journal = book(credit, known(rules, rerates=[order]), before=before)
    assert (journal.reason["cause"], journal.reason["own_cause"], journal.program_version) == (
        "re-rate 7 ordered",
        "re-rate 7 ordered; your rate changed: 10% -> 20%; the version of the program changed: 1 -> 2", 2,
    )  # fmt: skip
    late = replace(credit, revision=2, cause="late touchpoint")
    both = book(late, known(rules, rerates=[order]), before=before)
    assert both.reason["cause"] == "late touchpoint; re-rate 7 ordered"


def test_a_refund_is_the_cause_and_so_is_its_end() -> None:
    """A cut that came is told by its words to both, once; one that went, as no longer there."""
    rules, credit = ruled({"p": {"rate": RATE}}), deal(share())
    half = known(rules, receipts=[receipt("r", "refund", 5_000)])
    why = "50.00 of 100.00 USD went back to the customer"
    cut = book(credit, half, before=posted(book(credit, known(rules)), "USD", payable=1_000))
    assert (cut.reason["cause"], cut.reason["own_cause"]) == (why, why)
    back = book(credit, known(rules), before=posted(cut, "USD", payable=500))
    assert (back.reason["cause"], back.reason["own_cause"]) == (f"no longer: {why}",) * 2
    whole = known(rules, receipts=[receipt("r", "refund", 10_000)])
    gone = book(credit, whole, before=posted(cut, "USD", payable=500))
    assert (gone.kind, gone.reason["own_cause"]) == (Kind.REVERSAL, "100.00 of 100.00 USD went back to the customer")


def test_a_part_of_cash_matures_on_the_day_its_own_hold_ends() -> None:
    """The next payment's hold is still to come: the journal counts on the day of the one that ended."""
    payments = [receipt("1", "payment", 4_000), receipt("2", "payment", 3_000, 10)]
    of, credit = known(ruled({"p": {"rate": RATE, "basis": "cash"}}), receipts=payments), deal(share())
    first = book(credit, of, datetime(2026, 3, 20, tzinfo=UTC))
    journal = book(credit, of, datetime(2026, 4, 6, tzinfo=UTC), posted(first, "USD", pending=700))
    assert (journal.kind, journal.effective_on) == (Kind.MATURITY, date(2026, 4, 1))
    assert journal.reason["own_cause"] == "the hold ended on 2026-04-01"


def test_a_partner_is_not_told_what_others_earn_of_a_deal() -> None:
    """Of the ceiling it reads that it applied; of an override the recruits it knows, and no other partner."""
    plans = {"own": {"rate": RATE}, "over": {"pays": "recruiters", "rate": RATE}}
    partners = {"acme": standing(recruiter="gamma"), "beta": standing(), "gamma": standing()}
    of = known(ruled(plans, ceiling="5%"), partners)
    credit = deal(share("acme", 5_000, "1/2"), share("beta", 5_000, "1/2"))
    made = {j.partner: j for j in differences(credit, target(credit, of, LATER), {})}
    shown = {name: orjson.dumps(views.reason(j.kind, j.reason, only_for=name)).decode() for name, j in made.items()}
    assert all("cut to the deal's ceiling" in text for text in shown.values())
    mentioned = {name: {other for other in partners if other in text} for name, text in shown.items()}
    assert mentioned == {"acme": set(), "beta": set(), "gamma": {"acme"}}


SPLITS = st.fixed_dictionaries({}, optional={
    name: st.sampled_from(["1/9", "1/6", "1/4"]) for name in ("demo", "workshop", "other")
})  # fmt: skip
BY_ACTIVITY = [
    {"when": {"activities": ["demo"]}, "rate": "5%"}, {"when": {"activities": ["workshop"]}, "rate": "15%"},
    {"when": {"activities": ["other"]}, "rate": "0%"},
]  # fmt: skip
REST = {"when": {"tiers": ["gold"]}, "rate": "10%"}
HALVES = [{"from": 0, "to": 0.1, "times": "50%"}, {"from": 0.1, "times": "200%"}]


@given(
    SPLITS, SPLITS, st.integers(0, 60), st.sampled_from([[], [REST]]),
    st.sampled_from([{}, {"caps": [{"amount": 0.02, "per": "deal"}]}, {"caps": [{"amount": 9, "per": "year"}]},
                     {"brackets": {"apply": "marginal", "per": "deal", "steps": HALVES}}]),
)  # fmt: skip
def test_how_a_share_divides_is_not_told_to_its_partner(
    one: dict[str, str], other: dict[str, str], minor: int, rest: list[Any], more: dict[str, Any]
) -> None:
    """As long as its amount stays, whatever its touchpoints are among those of others: every byte is the same."""
    plans = {"p": {"rates": BY_ACTIVITY + rest} | more}
    of = known(ruled(plans, activities=("workshop", "other"), pays_in="program_currency"))
    made = [
        target(deal(share(minor=minor, part="3/4", activities=split)), of, LATER).earnings[0] for split in (one, other)
    ]
    assume(made[0].earned_minor == made[1].earned_minor)
    assume([cut.before_minor for cut in made[0].cuts] == [cut.before_minor for cut in made[1].cuts])
    first, second = (
        (telling.as_own(telling.told(e)), deal_views.earning(e, {}, {}, only_for="acme")) for e in made
    )  # fmt: skip
    assert first == second
