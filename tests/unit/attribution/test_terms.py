"""What credit says beside its shares: told when it is there, a revision when it changes, nothing anew without it."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from services.attribution.domain import changes, company
from services.attribution.domain.changes import Candidate, Change
from services.attribution.domain.credit import decide
from services.attribution.domain.facts import Deal
from services.attribution.domain.partners import NOBODY
from services.attribution.domain.policy import Rules
from shared import program
from shared.events.credit import MAX_TOUCHPOINTS_PER_SHARE, CreditDecided
from shared.events.deal import Kind, Stage
from tests.unit.attribution.support import CLOSE, NOW, change, rules, standing, touch, won

TOUCHES = [touch("A", 30), touch("B", 3)]
RICH = replace(won(), region="EMEA", product="sensors", margin_minor=40_000, first_year_minor=500)
YEAR = timedelta(days=365)


def made(deal: Deal, before: Change | None = None) -> Change:
    found = change(deal, TOUCHES, rules(), before)
    assert found is not None
    return found


def event(found: Change) -> CreditDecided:
    return CreditDecided.model_validate_json(found.snapshot)


def test_the_terms_of_a_deal_are_told() -> None:
    """As the deal has them, in its currency; a deal that has none tells none."""
    told = event(made(RICH))
    assert (told.region, told.product, told.first_closed_on) == ("EMEA", "sensors", None)
    assert told.margin is not None
    assert told.first_year_value is not None
    assert (told.margin.amount, told.margin.currency, told.first_year_value.minor) == ("400.00", "USD", 500)
    bare = event(made(won()))
    assert {bare.region, bare.product, bare.margin, bare.first_year_value, bare.first_closed_on} == {None}


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({}, {"margin_minor": 35_000}, "margin 400.00 USD -> 350.00 USD"),
        ({}, {"margin_minor": None}, "margin 400.00 USD -> none"),
        ({"margin_minor": None}, {}, "margin none -> 400.00 USD"),
        ({}, {"margin_minor": -40_000}, "margin 400.00 USD -> -400.00 USD"),
        ({}, {"first_year_minor": 0}, "first-year value 5.00 USD -> 0.00 USD"),
        ({}, {"region": "APAC"}, "region EMEA -> APAC"),
        ({"product": None}, {"region": None}, "region EMEA -> none; product none -> sensors"),
        (
            {}, {"currency": "EUR", "margin_minor": 30_000},
            "amount 100.00 USD -> 100.00 EUR; margin 400.00 USD -> 300.00 EUR; first-year value 5.00 USD -> 5.00 EUR",
        ),
    ],
)  # fmt: skip
def test_a_changed_term_is_a_revision_that_says_so(before: dict[str, Any], after: dict[str, Any], told: str) -> None:
    """Each by its name, with what it was and what it is."""
    assert made(replace(RICH, **after), made(replace(RICH, **before))).cause == told


def test_unchanged_terms_are_no_revision() -> None:
    """Nor is a term of a deal that is not won: it tells none."""
    assert change(RICH, TOUCHES, rules(), made(RICH)) is None
    lost = made(replace(RICH, stage=Stage.LOST), made(RICH))
    assert (lost.cause, event(lost).margin, event(lost).region) == ("lost", None, None)
    assert change(replace(RICH, stage=Stage.LOST, margin_minor=1, region=None), TOUCHES, rules(), lost) is None


def test_credit_without_terms_has_the_digest_of_earlier_releases() -> None:
    """So an upgrade publishes nothing anew for deals that say none of them."""
    assert made(won()).digest.hex() == "cf2d6579f44f603513bd4c2a7c6b4428"


def test_what_an_earlier_release_did_not_tell_is_told_once() -> None:
    """Its snapshots lack the terms: those a deal has are told with the next revision, of the others nothing is said."""
    before = made(won())
    old = json.loads(before.snapshot)
    for name in ("region", "product", "margin", "first_year_value", "first_closed_on"):
        del old[name]
    at_once = replace(won(), region="EMEA")
    found = changes.difference(Candidate(at_once, standing(before)), TOUCHES, rules())
    assert found is not None
    told = changes.change(found, old, NOW)
    assert told.cause == "region not told -> EMEA"
    assert change(at_once, TOUCHES, rules(), told) is None


def test_a_share_tells_its_activities_of_all_its_touchpoints() -> None:
    """Of the many that are not listed, too; a share of one activity has it whole."""
    many = [touch("A", 0.01 * n, "demo" if n % 3 else "course", name=f"a{n}") for n in range(30)]
    found = change(won(), [*many, touch("B", 40)], rules({"kind": "linear"}))
    assert found is not None
    first, second = event(found).shares
    assert len(first.touchpoints) == MAX_TOUCHPOINTS_PER_SHARE
    # Weights: ten courses of 3/2, twenty demonstrations of 2, one touch of 1.
    assert [(one.activity, one.share) for one in first.activities] == [("course", "15/56"), ("demo", "5/7")]
    assert (first.share, first.originating) == ("55/56", None)
    assert [(one.activity, one.share) for one in second.activities] == [("touch", "1/56")]
    assert second.share == "1/56"


def test_many_activities_leave_room_for_fewer_touchpoints() -> None:
    """An event with hundreds of partners of several activities stays below the limit of a message."""
    kinds = ("touch", "demo", "course")
    crowd = [touch(f"partner-{n:04d}", 1 + n / 1_000, kind, name=f"{n}-{kind}") for n in range(900) for kind in kinds]
    found = change(won(10**9), crowd, rules({"kind": "linear"}))
    assert found is not None
    assert len(found.snapshot) < 1_000_000
    told = event(found)
    assert {len(share.activities) for share in told.shares} == {3}
    assert {len(share.touchpoints) for share in told.shares} == {0}


def recurring(*, zone: str = "UTC", since: str = "2026-01-01", recurs: bool = True, **attribution: Any) -> Rules:  # noqa: ANN401  a program's words
    """A program with or without a plan that asks when an account's first deal was."""
    plan = {"rate": {"silver": "5%"}} | ({"recurring": "24 months"} if recurs else {})
    return Rules([
        program.parse({
            "program": "influence", "version": 1, "effective_from": since, "currency": "USD", "time_zone": zone,
            "activities": {"touch": {"means": "A touch."}}, "attribution": {"model": {"kind": "linear"}} | attribution,
            "compensation": {"plans": {"influence": plan}}, "tiers": {"silver": {}},
        })
    ])  # fmt: skip


def first_days(found: Rules, *deals: Deal) -> dict[str, date | None]:
    """The first deal's day that the credit of each of an account's deals tells."""
    candidates = [Candidate(deal, None) for deal in deals]
    told, _ = company.differences(candidates, [touch("A", 30)], None, found, NOBODY)
    return {one.key[1]: one.decision.first_closed_on for one in told}


RENEWAL = replace(won(), id="D-2", kind=Kind.RENEWAL)
EARLY = replace(won(), id="D-0", closed_at=CLOSE - YEAR)


def test_the_first_deals_day_is_told_where_a_plan_asks() -> None:
    """To every deal of the account, in whatever order; a first deal before all programs is one, too."""
    for deals in ((EARLY, RENEWAL, won()), (won(), RENEWAL, EARLY)):
        day = (CLOSE - YEAR).date()
        assert first_days(recurring(), *deals) == {"D-0": None, "D-1": day, "D-2": day}
        assert first_days(recurring(since="2020-01-01"), *deals) == {"D-0": day, "D-1": day, "D-2": day}
        assert set(first_days(recurring(recurs=False), *deals).values()) == {None}
    assert first_days(recurring(), won()) == {"D-1": CLOSE.date()}
    assert first_days(recurring(), RENEWAL) == {"D-2": None}


def test_the_first_deals_day_is_of_the_calendar_that_governs_the_deal() -> None:
    """An hour before midnight in UTC it is the next day in Tokyo."""
    late = replace(won(), id="D-0", closed_at=datetime(2025, 3, 31, 23, tzinfo=UTC))
    assert first_days(recurring(), late, RENEWAL)["D-2"] == date(2025, 3, 31)
    assert first_days(recurring(zone="Asia/Tokyo"), late, RENEWAL)["D-2"] == date(2025, 4, 1)


def test_the_first_deals_day_stands_beside_what_its_partners_keep() -> None:
    """Both come from one first deal; asking when it was changes no share."""
    keeps: dict[str, Any] = {
        "renewals": {"originating_partner_keeps": ["50%"]},
        "sourced_when": {"roles": ["influencer"], "before": "close"},
    }
    touches = [touch("A", 395), touch("B", 30)]
    for recurs in (True, False):
        found = recurring(since="2020-01-01", recurs=recurs, **keeps)
        told, _ = company.differences(
            [Candidate(EARLY, None), Candidate(RENEWAL, None)], list(touches), None, found, NOBODY
        )
        of = {one.key[1]: one.decision for one in told}
        assert of["D-2"].first_closed_on == ((CLOSE - YEAR).date() if recurs else None)
        kept = {share.partner: share.originating for share in of["D-2"].shares}
        assert set(kept) == {"A", "B"}
        assert kept["A"] > 0 == kept["B"]


def test_another_first_deal_is_a_revision_that_says_so() -> None:
    """Its day is part of what a reader of the credit sees."""
    found = recurring()
    began = changes.origin_of([(EARLY, ()), (RENEWAL, ())], found, keeps=False)
    later = changes.origin_of([(replace(EARLY, closed_at=CLOSE - YEAR / 2), ()), (RENEWAL, ())], found, keeps=False)
    assert began is not None
    assert began.of(RENEWAL) is None  # nobody asked who sourced it
    one = changes.difference(Candidate(RENEWAL, None), TOUCHES, found, NOBODY, began)
    assert one is not None
    first = changes.change(one, None, NOW)
    assert event(first).first_closed_on == date(2025, 3, 31)
    two = changes.difference(Candidate(RENEWAL, standing(first)), TOUCHES, found, NOBODY, later)
    assert two is not None
    assert changes.change(two, json.loads(first.snapshot), NOW).cause == ("first deal's close 2025-03-31 -> 2025-09-30")
    assert decide(RENEWAL, TOUCHES, found).first_closed_on is None
