"""Which touchpoints take part in a deal: each rule by itself, then repeats, then caps."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from services.attribution.domain import eligibility
from services.attribution.domain.eligibility import Reason
from services.attribution.domain.facts import Deal, Touch
from services.attribution.domain.partners import NOBODY, Directory, Kind
from services.attribution.domain.policy import Rules
from shared.events import deal as deals
from tests.unit.attribution.support import CLOSE, ROLES, policy_of, ruled, touch, won

RESELLER = Directory([Kind("A", 1, date(2020, 1, 1), "reseller")])


def why(found: Touch, rules: Rules, deal: Deal | None = None, directory: Directory = NOBODY) -> Reason | None:
    return eligibility.reason(policy_of(rules), deal or won(), found, directory)


def dropped(rules: Rules, *touches: Touch) -> dict[str, Reason]:
    """What falls to repeats and caps, by id."""
    told = eligibility.thinned(policy_of(rules), sorted(touches, key=lambda t: (t.occurred_at, t.source, t.id)))
    return {found.id: reason for found, reason in told if reason is not None}


@pytest.mark.parametrize(
    ("found", "rules", "expected"),
    [
        (touch("A", 3, "demo")._replace(withdrawn=True), ruled(), Reason.WITHDRAWN),
        (touch("A", -1, "demo"), ruled(), Reason.AFTER_CLOSE),
        (touch("A", 181, "demo"), ruled(), Reason.OUTSIDE_LOOKBACK),
        (touch("A", 3, "demo", received=CLOSE + timedelta(days=15)), ruled(), Reason.TOO_LATE),
        (touch("A", 3, "golf"), ruled(), Reason.UNKNOWN_ACTIVITY),
        (touch("A", 3, "demo"), ruled(excluded={"partners": ["A"]}), Reason.EXCLUDED_PARTNER),
        (touch("B", 3, "demo")._replace(reported_as="A"), ruled(excluded={"partners": ["A"]}), Reason.EXCLUDED_PARTNER),
        (touch("A", 3, "demo"), ruled(considers={"activities": ["offer"]}), Reason.OTHER_ACTIVITY),
        (touch("A", 3, "demo"), ruled(considers={"stages": ["opportunity"]}), Reason.OTHER_STAGE),
        (touch("A", 3, "demo"), ruled(considers={"partner_types": ["agency"]}), Reason.OTHER_PARTNER_TYPE),
        (touch("B", 3, "demo"), ruled(considers={"partner_types": ["reseller"]}), Reason.OTHER_PARTNER_TYPE),
        (touch("A", 3, "demo"), ruled(activities={"demo": {"means": "demo", "weight": "0"}}), Reason.ZERO_WEIGHT),
        (touch("A", 3, "demo"), ruled(considers={"activities": ["demo"], "partner_types": ["reseller"]}), None),
    ],
)
def test_each_rule_leaves_a_touchpoint_out_by_its_name(found: Touch, rules: Rules, expected: Reason | None) -> None:
    """A touchpoint that fails one rule alone is told that rule, and one that fails none takes part."""
    assert why(found, rules, directory=RESELLER) is expected
    taken = eligibility.eligible(policy_of(rules), won(), [found], RESELLER)
    assert bool(taken) == (expected is None)


def test_an_accepted_late_claim_takes_part() -> None:
    """A reviewer who lets a late touchpoint count changes that for the deal it was claimed for, and for no other."""
    late = touch("A", 3, "demo", received=CLOSE + timedelta(days=40))
    admitting = replace(won(), admitted=frozenset({(late.source, late.id)}))
    assert why(late, ruled(), admitting) is None
    assert why(late, ruled()) is Reason.TOO_LATE


@pytest.mark.parametrize(
    ("words", "deal", "told"),
    [
        ({"deal_kinds": ["renewal"]}, won(), "considers deals of kind renewal; this one's is new"),
        ({"regions": ["us", "eu"]}, won(), "considers deals of region eu, us; this one's is not stated"),
        ({"products": []}, replace(won(), product="x"), "considers deals of product none; this one's is x"),
        (
            {"products": [f"p{n:03d}" for n in range(400)]},
            replace(won(), product="x"),
            "considers deals of product p000, p001, p002 and 397 more; this one's is x",
        ),
    ],
)
def test_a_deal_outside_the_lists_says_which(words: dict[str, list[str]], deal: Deal, told: str) -> None:
    """A deal of another kind, region or product counts for nobody; the sentence is short however long the list."""
    assert eligibility.deal_reason(policy_of(ruled(considers=words)), deal) == f"program influence version 1 {told}"


def test_a_deal_within_the_lists_or_of_an_excluded_account() -> None:
    """A deal that is in every list has no reason against it; an account excluded by any of its keys has."""
    listed = {"deal_kinds": ["new"], "regions": ["eu"], "products": ["x"]}
    deal = replace(won(), kind=deals.Kind.NEW, region="eu", product="x", account=("crm:crm:A", "domain:a.example"))
    assert eligibility.deal_reason(policy_of(ruled(considers=listed)), deal) is None
    told = eligibility.deal_reason(policy_of(ruled(excluded={"accounts": ["domain:a.example"]})), deal)
    assert told == "program influence version 1 excludes the account domain:a.example"


def test_repeats_keep_the_earliest() -> None:
    """Once per day and activity, or once per activity: the first stays, and each partner has its own."""
    same = [touch("A", 3.1, "demo", name="a"), touch("A", 3, "demo", name="b"), touch("B", 3, "demo", name="c")]
    other = [touch("A", 2, "demo", name="d"), touch("A", 2, "offer", name="e")]
    assert dropped(ruled(), *same, *other) == {}
    assert dropped(ruled(repeats="once_per_day"), *same, *other) == {"b": Reason.REPEATED}
    assert dropped(ruled(repeats="once_per_activity"), *same, *other) == {"b": Reason.REPEATED, "d": Reason.REPEATED}


def test_a_day_is_the_programs_own() -> None:
    """Two demonstrations on one evening in New York are one, though midnight in London lies between them."""
    two = [touch("A", 10 + 13 / 24, "demo", name="a"), touch("A", 10 + 11 / 24, "demo", name="b")]
    assert dropped(ruled(repeats="once_per_day"), *two) == {}
    there = ruled(repeats="once_per_day", time_zone="America/New_York")
    assert dropped(there, *two) == {"b": Reason.REPEATED}


def test_of_a_partner_the_weightiest_counts() -> None:
    """The activity that weighs most stays, of equals the earliest, whatever came before or after it."""
    weighed = {name: said | {"weight": weight} for (name, said), weight in zip(ROLES.items(), "1221", strict=True)}
    found = dropped(
        ruled(activities=weighed, repeats="highest_weight_per_partner"),
        touch("A", 9, "referral", name="a"), touch("A", 8, "course", name="b"), touch("A", 7, "demo", name="c"),
        touch("B", 1, "referral", name="d"),
    )  # fmt: skip
    assert found == {"a": Reason.REPEATED, "c": Reason.REPEATED}


def test_an_activitys_own_rule_binds_it_alone() -> None:
    """An activity that counts once, or once per day, does so whatever the program says of the others."""
    own = ROLES | {"demo": {"means": "demo", "counts": "once"}, "offer": {"means": "offer", "counts": "once_per_day"}}
    found = dropped(
        ruled(activities=own),
        touch("A", 9, "demo", name="a"), touch("A", 5, "demo", name="b"), touch("A", 4, "offer", name="c"),
        touch("A", 4, "offer", name="d"), touch("A", 3, "offer", name="e"), touch("A", 2, "course", name="f"),
        touch("A", 2, "course", name="g"),
    )  # fmt: skip
    assert found == {"b": Reason.REPEATED, "d": Reason.REPEATED}


def test_caps_come_after_repeats_and_the_activitys_before_the_partners() -> None:
    """A repeated touchpoint takes nobody's place under a cap, nor does one above its activity's cap."""
    own = ROLES | {"demo": {"means": "demo", "at_most": 1}}
    found = dropped(
        ruled(activities=own, repeats="once_per_day", at_most={"per_partner": 2, "per_activity": 2}),
        touch("A", 9, "demo", name="a"), touch("A", 9, "demo", name="b"),  # the same day: repeated
        touch("A", 8, "demo", name="c"),  # the second demo: above the activity's cap
        touch("A", 7, "offer", name="d"),  # the partner's second that counts
        touch("A", 6, "course", name="e"), touch("B", 1, "demo", name="f"),
    )  # fmt: skip
    assert found == {"b": Reason.REPEATED, "c": Reason.ABOVE_CAP, "e": Reason.ABOVE_CAP}


def test_the_smaller_of_two_caps_holds() -> None:
    """The program's cap per activity binds an activity that allows more by itself, and the other way round."""
    own = ROLES | {"demo": {"means": "demo", "at_most": 3}}
    demos = [touch("A", 9 - n, "demo", name=str(n)) for n in range(4)]
    assert set(dropped(ruled(activities=own, at_most={"per_activity": 2}), *demos)) == {"2", "3"}
    assert set(dropped(ruled(activities=own, at_most={"per_activity": 4}), *demos)) == {"3"}
