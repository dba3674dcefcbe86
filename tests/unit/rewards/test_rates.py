"""Bases, conditions, rules and brackets of single deals, and the words wherever nothing is earned."""

from datetime import date
from fractions import Fraction
from typing import Any

import pytest

from services.rewards.domain.inputs import Rerate
from shared.events.credit import Influence
from shared.events.deal import Kind
from tests.unit.rewards.builders import CLOSED
from tests.unit.rewards.deals import RATE, deal, earning, earnings, known, ruled, share, standing

STEPS = [{"from": 0, "to": 50, "rate": "10%"}, {"from": 50, "times": "200%"}]


def only(**plan: Any) -> dict[str, Any]:  # noqa: ANN401  any words of a plan
    return {"p": {"rate": RATE} | plan if "rates" not in plan and "amount" not in plan else plan}


@pytest.mark.parametrize(
    ("on", "terms", "expected", "reason"),
    [
        ("margin", {"margin_minor": 3_001}, 150, None),
        ("margin", {}, 0, "the deal has no margin"),
        ("margin", {"margin_minor": 0}, 0, "the deal's margin is zero"),
        ("margin", {"margin_minor": -5}, 0, "the deal's margin is below zero"),
        ("first_year_value", {"first_year_minor": 4_000}, 200, None),
        ("first_year_value", {}, 0, "the deal has no first-year value"),
    ],
)  # fmt: skip
def test_a_base_is_the_partners_part_of_it(on: str, terms: dict[str, Any], expected: int, reason: str | None) -> None:
    """Half of the margin or first-year value, exactly; one that is missing pays nothing and says so."""
    found = earning(deal(share(minor=5_000, part="1/2"), **terms), known(ruled(only(on=on))))
    assert (found.amount_minor, found.reason) == (expected, reason)


@pytest.mark.parametrize(
    ("plan", "terms", "reason"),
    [
        ({"starts": "2026-03-03"}, {}, "the plan pays for deals closed from 2026-03-03"),
        ({"ends": "2026-03-01"}, {}, "the plan pays for deals closed to 2026-03-01"),
        ({"when": {"tiers": ["silver"]}}, {}, "the partner's tier is 'gold'; the plan pays for 'silver'"),
        ({"when": {"partner_types": ["si", "msp"]}}, {},
         "the partner's type is 'reseller'; the plan pays for 'msp' or 'si'"),
        ({"when": {"classes": ["delivered"]}}, {}, "the influence is 'sourced'; the plan pays for 'delivered'"),
        ({"when": {"deal_kinds": ["renewal"]}}, {}, "the deal's kind is 'new'; the plan pays for 'renewal'"),
        ({"when": {"products": ["crm"]}}, {}, "the deal's product is not known; the plan pays for 'crm'"),
        ({"when": {"regions": ["eu"]}}, {"region": "us"}, "the deal's region is 'us'; the plan pays for 'eu'"),
        ({"recurring": "0 months"}, {"kind": Kind.RENEWAL}, "the plan does not pay for renewals and expansions"),
        ({"recurring": "12 months"}, {"kind": Kind.EXPANSION},
         "the plan pays for renewals for a time, and the account's first deal is not known"),
        ({"recurring": "12 months"}, {"kind": Kind.RENEWAL, "first_closed_on": date(2025, 3, 2)},
         "the plan pays for renewals and expansions closed before 2026-03-02, 12 months after the first deal"),
        ({"rates": [{"when": {"regions": ["eu"]}, "rate": "5%"}]}, {},
         ("no rate of the plan holds: the partner's tier is 'gold', the partner's type is 'reseller', "
          "the influence is 'sourced', the deal's kind is 'new'")),
        ({"rates": [{"rate": "0%"}]}, {}, "the rate that holds is 0%"),
    ],
)  # fmt: skip
def test_what_does_not_hold_is_named(plan: dict[str, Any], terms: dict[str, Any], reason: str) -> None:
    """Each condition says what it asks for and what there is; nothing is earned."""
    facts = known(ruled(only(**plan)), {"acme": standing(kind="reseller")})
    found = earning(deal(share(influence=Influence.SOURCED), **terms), facts)
    assert (found.amount_minor, found.reason, found.line) == (0, reason, None)


def test_a_renewal_pays_up_to_the_end_of_its_months() -> None:
    """The day before the months are over still pays; a plan without `recurring` pays renewals like any deal."""
    renewal: dict[str, Any] = {"kind": Kind.RENEWAL, "first_closed_on": date(2025, 3, 3)}
    assert earning(deal(share(), **renewal), known(ruled(only(recurring="12 months")))).amount_minor == 1_000
    assert earning(deal(share(), kind=Kind.RENEWAL), known(ruled(only()))).amount_minor == 1_000


def test_the_first_rule_that_holds_counts_for_each_part_of_a_share() -> None:
    """A share from two activities and an originating rest: each part by its own rule, the rest by none of theirs."""
    rates = [
        {"when": {"activities": ["demo"]}, "rate": "10%"},
        {"when": {"activities": ["advice"]}, "rate": "20%"},
        {"rate": "1%"},
    ]  # fmt: skip
    part = share(minor=6_000, part="3/5", activities={"demo": "1/5", "advice": "3/10"})
    found = earning(deal(part), known(ruled(only(rates=rates), activities=["advice"])))
    assert [(c.activity, c.base, c.rule, c.amount) for c in found.components] == [
        ("advice", 3_000, 1, 600), ("demo", 2_000, 0, 200), (None, 1_000, 2, 10)
    ]  # fmt: skip
    assert (found.amount_minor, found.base_minor, found.rate) == (810, 6_000, None)


def test_a_rule_of_an_activity_never_rates_what_comes_from_none() -> None:
    """Without touchpoints of it the rule does not hold, and no other does."""
    rates = [{"when": {"activities": ["demo"]}, "rate": "10%"}]
    found = earning(deal(share()), known(ruled(only(rates=rates))))
    assert found.reason == "what the plan pays for the activities of this credit comes to nothing"


@pytest.mark.parametrize(("minor", "apply", "expected"), [
    (10_000, "marginal", 1_500), (10_000, "whole", 2_000), (5_000, "marginal", 500), (4_990, "whole", 499),
])  # fmt: skip
def test_brackets_of_a_single_deal(minor: int, apply: str, expected: int) -> None:
    """A step's rate replaces the plan's 10%, its times multiply it; a credit note is the exact mirror."""
    rules = ruled(only(brackets={"apply": apply, "per": "deal", "steps": STEPS}))
    for sign in (1, -1):
        found = earning(deal(share(minor=sign * minor), minor=sign * minor), known(rules))
        assert (found.amount_minor, sum(c.amount for c in found.components)) == (sign * expected, sign * expected)
        assert all(c.bracket for c in found.components)


def test_brackets_take_every_part_in_proportion() -> None:
    """Half of a deal at 0% and half at 20%: the accelerated bracket holds half of each."""
    rates = [{"when": {"activities": ["demo"]}, "rate": "20%"}, {"rate": "0%"}]
    steps = [{"from": 0, "to": 50, "times": "100%"}, {"from": 50, "times": "200%"}]
    rules = ruled(only(rates=rates, brackets={"apply": "marginal", "per": "deal", "steps": steps}))
    found = earning(deal(share(activities={"demo": "1/2"})), known(rules))
    assert [c.amount for c in found.components] == [500, 0, 1_000, 0]


def test_a_fixed_amount_is_per_deal_and_partner() -> None:
    """It is not multiplied by the share, needs one, and a credit note takes it back."""
    rules = ruled(only(on="fixed", amount={"silver": 10, "gold": 25.5}))
    assert earning(deal(share(minor=1, part="1/10000")), known(rules)).amount_minor == 2_550
    assert earning(deal(share(minor=-10_000), minor=-10_000), known(rules)).amount_minor == -2_550
    assert earning(deal(share(minor=0, part="0")), known(rules)).reason == "the share is zero"


def test_a_re_rate_names_the_version_and_the_last_one_counts() -> None:
    """Deals of its days pay by the ordered version; of two orders the later one; outside nothing changes."""
    rules = [ruled(only(), 1), ruled(only(rate={"silver": "1%", "gold": "2%"}), 2), ruled(only(), 3)]
    orders = [Rerate(8, "northwind", 2, CLOSED, CLOSED, "wrong rate"), Rerate(7, "northwind", 3, CLOSED, CLOSED, "")]
    found = earning(deal(share()), known(rules, rerates=orders))
    assert (found.amount_minor, found.program_version, found.rerate) == (200, 2, 8)
    other = earning(deal(share(), governed_on=date(2026, 3, 1)), known(rules, rerates=orders))
    assert (other.amount_minor, other.program_version, other.rerate) == (1_000, 1, None)


def test_what_a_deal_counts_for_in_a_span_and_a_budget() -> None:
    """The line names its scope, and its base is what is left after the cuts, so that brackets do not pay them again."""
    steps = [{"from": 0, "rate": "0%"}]
    plans = {
        "a": {"rate": RATE, "brackets": {"apply": "whole", "per": "quarter", "steps": steps},
              "caps": [{"amount": 5, "per": "deal"}]},
        "b": {"rate": RATE, "budget": 100},
    }  # fmt: skip
    found = earnings(deal(share()), known(ruled(plans, pays_in="program_currency")))
    a, b = found["acme", "a"].line, found["acme", "b"].line
    assert a is not None
    assert b is not None
    assert (tuple(a.scope), a.base_minor, a.program_version) == (("northwind", "a", "acme", "2026-Q1"), 5_000, 1)
    assert (tuple(b.scope), b.base_minor) == (("northwind", "b", "", "budget"), 10_000)
    assert found["acme", "a"].rate == Fraction(1, 10)
