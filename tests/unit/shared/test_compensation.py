"""Compensation in the program document: what can be written, and that every fault names its place and the remedy."""

from __future__ import annotations

from copy import deepcopy
from datetime import date
from fractions import Fraction
from typing import Any

import pytest

from shared import program
from shared.errors import Invalid
from shared.program.compensation import Plan, When
from tests.unit.shared.test_program import DOCUMENT

RATE = {"silver": "2.5%", "gold": "8%"}
STEPS = [{"from": 0, "to": 10_000, "rate": "5%"}, {"from": 10_000, "rate": "8%"}]
YEAR = {"apply": "marginal", "per": "year", "steps": STEPS}
RECRUITERS = {"pays": "recruiters", "on": "recruits_earnings", "of_plan": "influence"}


def written(plan: dict[str, Any], *, currency: str = "USD", **compensation: Any) -> dict[str, Any]:  # noqa: ANN401  words of the document
    """The document with a plan `growth` beside `influence`, paid in the program's currency."""
    document = deepcopy(DOCUMENT)
    document["currency"] = currency
    document["compensation"] |= {"pays_in": "program_currency", **compensation}
    document["compensation"]["plans"]["growth"] = plan
    return document


def parsed(plan: dict[str, Any], **changes: Any) -> Plan:  # noqa: ANN401  whatever `written` takes
    return program.parse(written(plan, **changes)).compensation.plans["growth"]


def test_a_plan_with_every_word_is_read_exactly() -> None:
    """Amounts are fractions of whole units, periods are days and months."""
    plan = parsed({
        "pays": "partners with credit", "on": "margin", "basis": "cash", "recurring": "24 months", "hold": "10 days",
        "starts": "2026-01-01", "ends": "2026-03-31", "churn": {"within": "90 days", "takes_back": "pro_rata"},
        "when": {"deal_kinds": ["new"], "regions": ["EMEA"], "products": ["lab"], "partner_types": ["reseller"]},
        "rates": [
            {"when": {"tiers": ["gold"], "activities": ["demo"]}, "rate": "12.5%"},
            {"when": {"classes": ["sourced"]}, "rate": "10%"}, {"rate": "5%"},
        ],
        "brackets": {
            "apply": "whole", "per": "quarter", "quota": {"silver": 10_000, "gold": 249.50},
            "steps": [{"from": 0, "to": "100%", "times": "100%"}, {"from": "100%", "times": "150%"}],
        },
        "caps": [{"amount": 500, "per": "deal"}, {"amount": 5_000, "per": "quarter"}],
    })  # fmt: skip
    assert [rule.rate for rule in plan.rules] == [Fraction(1, 8), Fraction(1, 10), Fraction(1, 20)]
    assert plan.rules[2].when == When()
    assert (plan.starts, plan.ends, plan.recurring, plan.hold) == (date(2026, 1, 1), date(2026, 3, 31), 24, 10)
    assert plan.brackets is not None
    assert plan.brackets.quota == {"silver": 10_000, "gold": Fraction(499, 2)}
    assert tuple(plan.brackets.steps[1].begin) == (Fraction(1), True)
    assert plan.settled_per == "quarter"


def test_rates_and_amounts_by_tier_are_rules_by_tier() -> None:
    """The short form is rules in the order of their tiers' names; an amount of 0 is an amount."""
    assert [(rule.when.tiers, rule.rate) for rule in parsed({"rate": RATE}).rules] == [
        (frozenset({"gold"}), Fraction(2, 25)), (frozenset({"silver"}), Fraction(1, 40))
    ]  # fmt: skip
    fixed = parsed({"on": "fixed", "amount": {"silver": 0, "gold": 250}})
    assert [(rule.rate, rule.amount) for rule in fixed.rules] == [(None, Fraction(250)), (None, Fraction(0))]


@pytest.mark.parametrize(
    ("words", "settled"),
    [
        ({}, None), ({"budget": 1_000}, "budget"), ({"caps": [{"amount": 1, "per": "ever"}]}, "ever"),
        ({"caps": [{"amount": 1, "per": "deal"}]}, None), ({"brackets": YEAR | {"per": "deal"}}, None),
        ({"brackets": YEAR | {"per": "deal"}, "budget": 9}, "budget"),
        ({"brackets": YEAR, "caps": [{"amount": 1, "per": "year"}]}, "year"),
    ],
)  # fmt: skip
def test_what_a_plan_adds_up_over(words: dict[str, Any], settled: str | None) -> None:
    """Only what looks beyond one deal is settled beyond it."""
    assert parsed({"rate": RATE} | words).settled_per == settled


def steps(*found: dict[str, Any], **words: Any) -> dict[str, Any]:  # noqa: ANN401  words of the brackets
    return {"rate": RATE, "brackets": YEAR | {"steps": list(found)} | words}


PLAN = "compensation.plans.growth"
FAULTS: list[tuple[dict[str, Any], str, str]] = [
    # which rates
    ({}, PLAN, "exactly one of `rate`, `amount` and `rates`"),
    ({"rates": []}, PLAN, "exactly one of `rate`, `amount` and `rates`"),
    ({"rate": RATE, "rates": [{"rate": "5%"}]}, PLAN, "exactly one of `rate`, `amount` and `rates`"),
    ({"rate": {}, "rates": [{"rate": "5%"}]}, PLAN, "exactly one of `rate`, `amount` and `rates`"),
    ({"rates": [{"rate": "5%", "amount": 5}]}, f"{PLAN}.rates.0", "either `rate` or `amount`"),
    ({"rates": [{"when": {"tiers": ["gold"]}}]}, f"{PLAN}.rates.0", "either `rate` or `amount`"),
    ({"on": "fixed", "rate": RATE}, PLAN, "`on: fixed` needs amounts"),
    ({"rates": [{"amount": 5}]}, PLAN, "every other base needs rates"),
    ({"on": "fixed", "rates": [{"when": {"tiers": ["gold"]}, "amount": 5}, {"rate": "5%"}]}, PLAN, "needs amounts"),
    ({"on": "turnover", "rate": RATE}, f"{PLAN}.on", "'credited_amount'"),
    ({"rate": {"gold": "8%"}}, "program", "compensation.plans.growth.rate lacks a rate for 'silver'"),
    ({"on": "fixed", "amount": {"gold": 8}}, "program", "compensation.plans.growth.amount lacks an amount for"),
    ({"rates": [{"rate": "5"}]}, f"{PLAN}.rates.0.rate", "percentage with its sign"),
    ({"on": "fixed", "rates": [{"amount": "5 USD"}]}, f"{PLAN}.rates.0.amount", "as a number, such as 1000"),
    # conditions
    ({"rate": RATE, "when": {"tiers": []}}, f"{PLAN}.when.tiers", "leave it out, which admits everything"),
    ({"rates": [{"when": {"classes": []}, "rate": "5%"}]}, f"{PLAN}.rates.0.when.classes", "is empty"),
    ({"rate": RATE, "when": {"regions": "EMEA"}}, f"{PLAN}.when.regions", "write a list, such as [EMEA]"),
    ({"rate": RATE, "when": {"tiers": ["bronze"]}}, "program", "growth.when.tiers names 'bronze', which is no tier"),
    ({"rates": [{"when": {"tiers": ["b"]}, "rate": "5%"}]}, "program", "growth.rates.0.when.tiers names 'b'"),
    ({"rates": [{"when": {"activities": ["x"]}, "rate": "5%"}]}, "program", "growth.rates.0.when.activities names 'x'"),
    ({"rate": RATE, "when": {"activities": ["demo"]}}, f"{PLAN}.when", "name them in `rates`"),
    ({"rate": RATE, "when": {"deal_kinds": ["gift"]}}, f"{PLAN}.when.deal_kinds.0", "'renewal'"),
    ({"rate": RATE, "when": {"amount": 5}}, f"{PLAN}.when.amount", "no word of the program"),
    ({"rates": [{"rate": "5%"}, {"when": {"tiers": ["gold"]}, "rate": "8%"}]}, PLAN, "rates.1 is never reached"),
    ({"rates": [{"when": {"tiers": ["gold", "silver"]}, "rate": "5%"}, {"rate": "1%"},
                {"when": {"tiers": ["gold"], "classes": ["sourced"]}, "rate": "8%"}]},
     PLAN, "rates.2 is never reached: rates.0"),
    # brackets
    (steps(*STEPS, apply="graded"), f"{PLAN}.brackets.apply", "'marginal' or 'whole'"),
    (steps(), f"{PLAN}.brackets.steps", "at least one bracket"),
    (steps({"from": 5, "rate": "5%"}), f"{PLAN}.brackets", "steps.0.from must be 0"),
    (steps({"from": 0, "to": 9, "rate": "5%"}), f"{PLAN}.brackets", "steps.0.to must be left out"),
    (steps({"from": 0, "to": 9, "rate": "5%"}, {"from": 10, "rate": "6%"}), f"{PLAN}.brackets", "leave a gap"),
    (steps({"from": 0, "to": 11, "rate": "5%"}, {"from": 10, "rate": "6%"}), f"{PLAN}.brackets", "overlap"),
    (steps({"from": 0, "rate": "5%"}, {"from": 10, "rate": "6%"}), f"{PLAN}.brackets", "overlap"),
    (steps({"from": 0, "to": 0, "rate": "5%"}, {"from": 0, "rate": "6%"}), f"{PLAN}.brackets", "steps.0 is empty"),
    (steps({"from": 0}), f"{PLAN}.brackets.steps.0", "either `rate` or `times`"),
    (steps({"from": 0, "rate": "5%", "times": "150%"}), f"{PLAN}.brackets.steps.0", "either `rate` or `times`"),
    (steps({"from": 0, "to": "100%", "rate": "5%"}, {"from": "100%", "rate": "6%"}), f"{PLAN}.brackets",
     "amounts where there is none"),
    (steps(*STEPS, quota={"silver": "2%", "gold": 2}), f"{PLAN}.brackets.quota.silver", "as a number, such as 1000"),
    (steps(*STEPS, quota={"silver": 1, "gold": 2}), f"{PLAN}.brackets", "percentages where there is a `quota`"),
    (steps({"from": 0, "rate": "5%"}, quota={"gold": 2}), "program", "brackets.quota lacks a quota for 'silver'"),
    (steps({"from": 0, "rate": "5%"}, quota={"silver": 1, "gold": 2}, per="deal"), f"{PLAN}.brackets",
     "write `from` and `to` as amounts"),
    ({"on": "fixed", "amount": {"silver": 1, "gold": 2}, "brackets": YEAR}, PLAN, "not `on: fixed`"),
    # caps and budgets
    ({"rate": RATE, "caps": [{"amount": 1, "per": "week"}]}, f"{PLAN}.caps.0.per", "'month'"),
    ({"rate": RATE, "caps": [{"amount": 1, "per": "year"}, {"amount": 2, "per": "year"}]}, PLAN, "keep the lower one"),
    ({"rate": RATE, "caps": [{"amount": 1, "per": "year"}, {"amount": 2, "per": "month"}]}, PLAN, "several plans"),
    ({"rate": RATE, "brackets": YEAR, "caps": [{"amount": 2, "per": "month"}]}, PLAN, "several plans"),
    ({"rate": RATE, "brackets": YEAR, "budget": 5}, PLAN, "several plans"),
    ({"rate": RATE, "budget": -5}, f"{PLAN}.budget", "as a number, such as 1000"),
    ({"rate": RATE, "budget": "0.001"}, "program", "has the amount 0.001, and USD has 2 decimals"),
    ({"rate": RATE, "caps": [{"amount": 0.005, "per": "deal"}]}, "program", "USD has 2 decimals"),
    (steps({"from": 0, "to": 1.005, "rate": "5%"}, {"from": 1.005, "rate": "6%"}), "program", "USD has 2 decimals"),
    # overrides
    ({"pays": "recruiters", "on": "recruits_earnings", "rate": RATE}, PLAN, "belong together"),
    ({"of_plan": "influence", "rate": RATE}, PLAN, "belong together"),
    ({"on": "recruits_earnings", "of_plan": "influence", "rate": RATE}, PLAN, "needs `pays: recruiters`"),
    (RECRUITERS | {"rate": RATE, "of_plan": "bonus"}, "compensation", "growth.of_plan is 'bonus', and must name"),
    (RECRUITERS | {"rate": RATE, "of_plan": "growth"}, "compensation", "credit: influence"),
    # time
    ({"rate": RATE, "starts": "2026-02-01", "ends": "2026-01-31"}, PLAN, "`ends` must not be before `starts`"),
    ({"rate": RATE, "recurring": "2 years"}, f"{PLAN}.recurring", "in months, such as 24 months"),
    ({"rate": RATE, "recurring": "241 months"}, f"{PLAN}.recurring", "at most 240"),
    ({"rate": RATE, "churn": {}}, f"{PLAN}.churn.within", "required"),
    ({"rate": RATE, "churn": {"within": "0 days"}}, f"{PLAN}.churn.within", "at least 1 day"),
    ({"rate": RATE, "basis": "invoice"}, f"{PLAN}.basis", "'cash'"),
]  # fmt: skip


@pytest.mark.parametrize(("plan", "field", "complaint"), FAULTS)
def test_a_fault_of_a_plan_names_its_field_and_the_remedy(plan: dict[str, Any], field: str, complaint: str) -> None:
    """One fault each, at the place where it can be mended."""
    with pytest.raises(Invalid) as caught:
        parsed(plan)
    [fault] = caught.value.faults
    assert fault.field == field
    assert complaint in fault.message


@pytest.mark.parametrize(
    ("compensation", "field", "complaint"),
    [
        ({"pays_in": "deal_currency"}, "compensation", "plans.growth adds up several deals"),
        ({"pays_in": "partner_currency"}, "compensation", "set `pays_in: program_currency`"),
        ({"pays_in": "dollars"}, "compensation.pays_in", "'deal_currency'"),
        ({"ceiling": "120%"}, "compensation.ceiling", "not be more than 100%"),
        ({"exchange": {}}, "compensation.exchange.source", "required"),
        ({"exchange": {"source": "ecb", "via": "EURO"}}, "compensation.exchange.via", "ISO 4217"),
        ({"exchange": {"source": "ecb", "at_most": "32 days"}}, "compensation.exchange.at_most", "more than 31 days"),
        ({"governed_by": "paid_date"}, "compensation.governed_by", "'close_date'"),
        ({"currency": "JPY"}, "program", "growth has the amount 0.5, and JPY has 0 decimals"),
        ({"currency": "CLF"}, "program", "beyond the largest that Tributary books in CLF, which is 100000000000"),
    ],
)  # fmt: skip
def test_a_fault_of_what_plans_share_names_its_field(compensation: dict[str, Any], field: str, complaint: str) -> None:
    """Currencies, exchange and the ceiling."""
    largest = 999_999_999_999 if compensation.get("currency") == "CLF" else 0.5
    with pytest.raises(Invalid) as caught:
        parsed({"rate": RATE, "budget": largest}, **compensation)
    [fault] = caught.value.faults
    assert fault.field == field
    assert complaint in fault.message


def test_the_partners_currency_needs_exchange_rates() -> None:
    """Without a source nothing could be converted."""
    with pytest.raises(Invalid, match="needs `exchange`"):
        parsed({"rate": RATE}, pays_in="partner_currency")
    assert parsed({"rate": RATE}, pays_in="partner_currency", exchange={"source": "ecb", "via": "EUR"}).rate
