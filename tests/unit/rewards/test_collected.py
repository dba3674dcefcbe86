"""What came from the customer and went back, caps, the ceiling, overrides: what is left of an earning, and why."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from services.rewards.domain.inputs import Receipt
from services.rewards.domain.outcomes import Cut
from tests.unit.rewards.builders import CLOSED, LATER, NOW
from tests.unit.rewards.deals import RATE, deal, earning, earnings, known, receipt, ruled, share, standing

SOON = datetime(2026, 4, 6, tzinfo=UTC)
"""35 days after the close."""


@pytest.mark.parametrize(
    ("receipts", "expected", "why"),
    [
        ([receipt("r", "refund", 5_000)], 500, "50.00 of 100.00 USD went back to the customer"),
        ([receipt("r", "refund", 5_000, of="s"), receipt("c", "chargeback", 10_000, of="s")], 0,
         "100.00 of 100.00 USD went back to the customer"),
        ([receipt("r", "refund", 5_000, of="s"), receipt("c", "chargeback", 2_500, of="s")], 500,
         "50.00 of 100.00 USD went back to the customer"),
        ([receipt("r", "refund", 2_000, of="s"), receipt("q", "refund", 2_000, of="s"),
          receipt("x", "refund", 1_000)], 500,
         "50.00 of 100.00 USD went back to the customer"),
        ([receipt("r", "refund", 9_000), receipt("c", "chargeback", 9_000)], 0,
         "100.00 of 100.00 USD went back to the customer"),
    ],
)  # fmt: skip
def test_what_went_back_is_taken_back_once(receipts: list[Receipt], expected: int, why: str) -> None:
    """A refund and a chargeback of one sale are one reversal, the larger; all together never more than the sale."""
    found = earning(deal(share()), known(ruled({"p": {"rate": RATE}}), receipts=receipts))
    assert (found.amount_minor, found.cuts) == (expected, (Cut(why, 1_000, expected),))
    assert found.reason == (None if expected else why)


def test_a_credit_note_has_nothing_to_give_back() -> None:
    """Receipts change nothing of a deal of zero or less, on either basis."""
    plans = {"a": {"rate": RATE}, "b": {"rate": RATE, "basis": "cash"}}
    note = deal(share(minor=-10_000), minor=-10_000)
    found = earnings(note, known(ruled(plans), receipts=[receipt("r", "refund", 5_000)]))
    assert [e.payable_minor for e in found.values()] == [-1_000, -1_000]


def test_money_in_another_currency_waits() -> None:
    """A refund in euros of a deal in dollars is not guessed; a payment matters to `basis: cash` alone."""
    plans = {"a": {"rate": RATE}, "b": {"rate": RATE, "basis": "cash"}}
    paid = earnings(deal(share()), known(ruled(plans), receipts=[receipt("r-1", "payment", 5, currency="EUR")]))
    assert (paid["acme", "a"].amount_minor, paid["acme", "b"].amount_minor) == (1_000, 0)
    words = "payment 'r-1' is in EUR, and the deal in USD; nothing of the deal is booked while they differ"
    assert (paid["acme", "a"].waits_for, paid["acme", "b"].waits_for) == (None, words)
    back = earnings(deal(share()), known(ruled(plans), receipts=[receipt("r-1", "refund", 5, currency="EUR")]))
    assert all(e.waits_for and e.amount_minor == 0 and e.reason is None for e in back.values())


@pytest.mark.parametrize(
    ("receipts", "pending", "payable", "due_on"),
    [
        ([], 0, 0, None),
        ([receipt("1", "payment", 4_000)], 0, 400, date(2026, 4, 1)),
        ([receipt("1", "payment", 4_000), receipt("2", "payment", 3_000, 10)], 300, 400, date(2026, 4, 11)),
        ([receipt("1", "payment", 4_000), receipt("2", "payment", 3_000, 10), receipt("3", "refund", 5_000, 11)],
         200, 0, date(2026, 4, 11)),
        ([receipt("1", "payment", 4_000), receipt("2", "payment", 30_000, 10)], 600, 400, date(2026, 4, 11)),
    ],
)  # fmt: skip
def test_cash_pays_as_the_customer_does(
    receipts: list[Receipt], pending: int, payable: int, due_on: date | None
) -> None:
    """Each payment has its own hold; what went back counts at once; never more than the deal."""
    facts = known(ruled({"p": {"rate": RATE, "basis": "cash"}}), receipts=receipts)
    found = earning(deal(share()), facts, SOON)
    assert (found.pending_minor, found.payable_minor, found.due_on) == (pending, payable, due_on)
    if not receipts:
        assert found.reason == "the customer has paid 0.00 of 100.00 USD"


def test_a_partly_matured_earning_says_which_hold_ended() -> None:
    """`payable_on` is the last hold that ended, `due_on` and `due_at` the next one."""
    payments = [receipt("2", "payment", 3_000, 10), receipt("1", "payment", 4_000)]
    found = earning(deal(share()), known(ruled({"p": {"rate": RATE, "basis": "cash"}}), receipts=payments), SOON)
    assert (found.payable_on, found.due_at) == (date(2026, 4, 1), datetime(2026, 4, 11, tzinfo=UTC))


@pytest.mark.parametrize(
    ("churn", "days", "expected"),
    [
        ({"within": "90 days"}, 89, 0), ({"within": "90 days"}, 90, 1_000),
        ({"within": "90 days", "takes_back": "pro_rata"}, 30, 333),
        ({"within": "90 days", "takes_back": "pro_rata"}, -5, 0), (None, 1, 1_000),
    ],
)  # fmt: skip
def test_a_customer_that_leaves(churn: dict[str, str] | None, days: int, expected: int) -> None:
    """Within the plan's time it takes the earning back, all or what is left of the time; the first time counts."""
    plan = {"rate": RATE} | ({"churn": churn} if churn else {})
    left = [receipt("2", "churn", days=days + 50), receipt("1", "churn", days=days)]
    found = earning(deal(share()), known(ruled({"p": plan}), receipts=left))
    assert found.amount_minor == expected
    if not expected:
        assert found.reason == f"the customer left on {CLOSED + timedelta(days=days)}, within 90 days of the close" + (
            ": 0 days count" if days < 0 else ""
        )


@pytest.mark.parametrize(("minor", "expected"), [(10_000, 500), (-10_000, -500), (4_000, 400)])
def test_a_cap_per_deal(minor: int, expected: int) -> None:
    """What is above the cap is cut, with the cap in words; a credit note is capped like its sale."""
    rules = ruled({"p": {"rate": RATE, "caps": [{"amount": 5, "per": "deal"}]}})
    found = earning(deal(share(minor=minor), minor=minor), known(rules))
    assert (found.amount_minor, found.earned_minor) == (expected, expected)
    assert [cut.why for cut in found.cuts] == (["cap of 5.00 USD per deal"] if abs(minor) == 10_000 else [])


def test_the_ceiling_is_of_all_that_a_deal_pays() -> None:
    """Two plans and an override together earn 25.00 of 100.00: a ceiling of 10% leaves each its part, exactly."""
    plans = {
        "a": {"rate": RATE}, "b": {"rate": RATE}, "over": {"pays": "recruiters", "rate": RATE | {"gold": "5%"}}
    }  # fmt: skip
    partners = {"acme": standing(recruiter="beta"), "beta": standing()}
    facts = known(ruled(plans, ceiling="10%"), partners)
    found = earnings(deal(share()), facts)
    assert [e.amount_minor for e in found.values()] == [400, 400, 200]
    assert {cut.why for e in found.values() for cut in e.cuts} == {"cut to the deal's ceiling"}
    half = known(ruled(plans, ceiling="10%"), partners, receipts=[receipt("r", "refund", 5_000)])
    assert sum(e.amount_minor for e in earnings(deal(share()), half).values()) == 500
    note = earnings(deal(share(minor=-10_000), minor=-10_000), facts)
    assert [e.amount_minor for e in note.values()] == [-400, -400, -200]


def override(base: str, **plan: Any) -> dict[str, Any]:  # noqa: ANN401  any words of a plan
    return {
        "own": {"rate": RATE},
        "over": {"pays": "recruiters", "on": base, "rate": {"silver": "1%", "gold": "5%"}} | plan,
    }


RECRUITED = {"acme": standing("silver", recruiter="gamma"), "beta": standing(recruiter="gamma"), "gamma": standing()}


def test_an_override_names_its_base_and_its_recruits() -> None:
    """5% of what two recruits are credited with, by the recruiter's tier: one earning with a component for each."""
    found = earnings(
        deal(share("beta", 6_000, "3/5"), share("acme", 4_000, "2/5")),
        known(ruled(override("credited_amount")), RECRUITED),
    )
    made = found["gamma", "over"]
    assert [(c.of, c.base, c.amount) for c in made.components] == [("acme", 4_000, 200), ("beta", 6_000, 300)]
    assert (made.amount_minor, made.share.share, made.share.amount_minor, made.tier) == (500, "0", 0, "gold")


def test_an_override_of_what_recruits_earn_follows_their_cuts() -> None:
    """5% of earnings is not 5% of the deal: 10.00 + 5.00 less half that went back give 0.38, cut once."""
    rules = ruled(override("recruits_earnings", of_plan="own"))
    shares = (share("acme", 10_000, "1/2"), share("beta", 10_000, "1/2"))
    back = [receipt("r", "refund", 10_000)]
    found = earnings(deal(*shares, minor=20_000), known(rules, RECRUITED, receipts=back))["gamma", "over"]
    assert ([(c.of, c.base) for c in found.components], found.amount_minor, found.cuts) == (
        [("acme", 250), ("beta", 500)], 38, ()
    )  # fmt: skip


def test_an_override_of_a_cash_plan_is_due_as_that_is() -> None:
    """It has a hold of its own per payment of the customer."""
    plans = override("recruits_earnings", of_plan="own", hold="60 days")
    plans["own"]["basis"] = "cash"
    paid = [receipt("1", "payment", 2_500, -40), receipt("2", "payment", 2_500)]
    found = earnings(deal(share()), known(ruled(plans), RECRUITED, receipts=paid), SOON)["gamma", "over"]
    assert (found.pending_minor, found.payable_minor) == (6, 7)


@pytest.mark.parametrize(
    ("partners", "reason"),
    [
        ({"acme": standing(recruiter="zed")}, "the recruiter is not in the directory; the earning waits until it is"),
        ({"acme": standing(recruiter="zed"), "zed": standing(since=date(2026, 3, 3))},
         "the recruiter held no tier on 2026-03-02"),
        ({"acme": standing(recruiter="acme")}, "a partner is not its own recruiter"),
    ],
)  # fmt: skip
def test_an_override_of_nothing_says_why(partners: dict[str, Any], reason: str) -> None:
    """A recruiter must be known, hold a tier, and be somebody else."""
    found = earnings(deal(share()), known(ruled(override("credited_amount")), partners))
    (made,) = (e for e in found.values() if e.plan == "over")
    assert (made.amount_minor, made.reason) == (0, reason)


def test_holds_of_a_booking_plan_are_as_ever() -> None:
    """With receipts the amount changes, its hold does not."""
    facts = known(ruled({"p": {"rate": RATE}}), receipts=[receipt("r", "refund", 5_000)])
    found = [earning(deal(share()), facts, now) for now in (NOW, LATER)]
    assert [(e.pending_minor, e.payable_minor) for e in found] == [(500, 0), (0, 500)]
