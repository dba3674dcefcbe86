"""An account's deals, each decided from its own company alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.attribution.domain import company
from services.attribution.domain.changes import Candidate
from services.attribution.domain.credit import Decision
from services.attribution.domain.facts import Deal, FactKey, Touch
from services.attribution.domain.links import Graph, Link
from services.attribution.domain.partners import NOBODY, Directory, Merge
from services.attribution.domain.policy import Rules
from shared.events.deal import Kind
from tests.unit.attribution import worlds
from tests.unit.attribution.support import CLOSE, ruled, shares, touch, won

OURS, THEIRS = ("crm:crm:A", "domain:a.example"), ("crm:crm:B", "domain:b.example")
APART = Graph((Link((OURS[0], THEIRS[0])), Link(THEIRS, apart=True)), (OURS, THEIRS))
"""Two companies that somebody took for one, until the second was separated."""
KEEPS = {"originating_partner_keeps": ["50%"]}
LATE = CLOSE + timedelta(days=30)


def decisions(
    deals: Sequence[Deal], touches: Sequence[Touch], rules: Rules, graph: Graph | None = None,
    directory: Directory = NOBODY,
) -> dict[FactKey, Decision]:  # fmt: skip
    """The credit of every deal of a unit that has none yet."""
    candidates = [Candidate(deal, None) for deal in deals]
    found, _ = company.differences(candidates, list(touches), graph, rules, directory)
    return {one.key: one.decision for one in found}


def late(deal: Deal, *touches: Touch, rules: Rules | None = None, directory: Directory = NOBODY) -> list[str]:
    """The touchpoints that are shown as late claims."""
    _, claims = company.differences([Candidate(deal, None)], list(touches), None, rules or ruled(), directory)
    return [name for _, (_, name) in claims]


def of(keys: tuple[str, ...], deal: Deal, days: int, name: str, kind: Kind = Kind.NEW) -> Deal:
    return replace(deal, id=name, keys=keys, kind=kind, closed_at=CLOSE - timedelta(days=days))


@pytest.mark.parametrize("ours_first", [True, False])
def test_a_company_keeps_to_its_own_first_deal(ours_first: bool) -> None:
    """Of two companies that were linked and separated, each one's renewal looks back to its own first deal."""
    ours, theirs = of(OURS, won(), 300, "1"), of(THEIRS, won(), 301 if not ours_first else 299, "2")
    renewals = [of(OURS, won(), 0, "3", Kind.RENEWAL), of(THEIRS, won(), 0, "4", Kind.RENEWAL)]
    touches = [
        touch("ada", 350, "referral")._replace(keys=OURS), touch("bob", 350, "referral")._replace(keys=THEIRS),
        touch("cyd", 3, "demo")._replace(keys=OURS), touch("dan", 3, "demo")._replace(keys=THEIRS),
    ]  # fmt: skip
    found = decisions([ours, theirs, *renewals], touches, ruled(renewals=KEEPS), APART)
    assert [set(shares(found["crm", name])) for name in "1234"] == [{"ada"}, {"bob"}, {"ada", "cyd"}, {"bob", "dan"}]


def test_a_link_with_a_date_changes_whose_first_deal_it_is() -> None:
    """A renewal after the link looks back to the other company's earlier deal, one before it to its own."""
    link = Link((OURS[0], THEIRS[0]), effective_from=CLOSE.date())
    deals = [
        of(OURS, won(), 300, "1"), of(THEIRS, won(), 299, "2"), of(THEIRS, won(), 1, "3", Kind.RENEWAL),
        of(THEIRS, won(), 0, "4", Kind.RENEWAL),
    ]  # fmt: skip
    touches = [
        touch("ada", 350, "referral")._replace(keys=OURS), touch("bob", 350, "referral")._replace(keys=THEIRS)
    ]  # fmt: skip
    found = decisions(deals, touches, ruled(renewals=KEEPS), Graph((link,), (OURS, THEIRS)))
    assert [set(shares(found["crm", name])) for name in "34"] == [{"bob"}, {"ada"}]


def _unit(rng: Random) -> list[Deal]:
    return [
        of(rng.choice([OURS, THEIRS]), worlds.deal_of(rng), rng.choice([0, 0, 90, 300]), str(number))
        for number in range(rng.randint(2, 5))
    ]


units = st.builds(
    lambda seed, journey, kind: (
        _unit(Random(seed)),
        [t._replace(keys=Random(seed + n).choice([OURS, OURS[1:], THEIRS, THEIRS[:1]])) for n, t in enumerate(journey)],
        ruled(**worlds.policy(Random(seed), kind)),
        worlds.directory(Random(seed)),
    ),
    st.integers(0, 2**32), worlds.journeys, st.sampled_from(worlds.PAYING),
)  # fmt: skip
Unit = tuple[list[Deal], list[Touch], Rules, Directory]


@settings(max_examples=150, deadline=None)
@given(unit=units)
def test_what_a_stranger_did_changes_nothing(unit: Unit) -> None:
    """Without the other company's touchpoints and deals, each deal of a company is decided alike, renewals too."""
    deals, touches, rules, directory = unit
    together = decisions(deals, touches, rules, APART, directory)
    for keys in (OURS, THEIRS):
        mine = [deal for deal in deals if deal.keys == keys]
        own = [found for found in touches if set(found.keys) <= set(keys)]
        alone = decisions(mine, own, rules, APART, directory)
        assert {deal.key: together[deal.key] for deal in mine} == alone


@settings(max_examples=100, deadline=None)
@given(unit=units, seed=st.integers(), linked=st.booleans())
def test_no_order_of_deals_and_touchpoints_matters(unit: Unit, seed: int, linked: bool) -> None:
    """Shuffled, all deals of an account have the same credit, whether it is one company or two."""
    deals, touches, rules, directory = unit
    graph = None if linked else APART
    shuffled, others = list(touches), list(deals)
    Random(seed).shuffle(shuffled)
    Random(seed).shuffle(others)
    expected = decisions(deals, touches, rules, graph, directory)
    assert decisions(others, shuffled, rules, graph, directory) == expected
    assert expected.keys() == {deal.key for deal in deals}


def test_a_touchpoint_of_two_companies_counts_for_neither() -> None:
    """It names one company by its id and another by its domain."""
    torn = touch("ada", 3, "demo")._replace(keys=(OURS[0], THEIRS[1]))
    found = decisions([of(OURS, won(), 0, "1"), of(THEIRS, won(), 0, "2")], [torn], ruled(), APART)
    assert [decision.shares for decision in found.values()] == [(), ()]


def test_a_late_claim_is_what_would_count_had_it_come_in_time() -> None:
    """Only lateness stands against it: no other rule, and not that the deal is credited to nobody anyway."""
    claim = touch("A", 3, "demo", name="late", received=LATE)
    assert late(won(), claim, touch("B", 3, "demo"), touch("C", 200, "demo", received=LATE)) == ["late"]
    assert late(won(), claim, rules=ruled(considers={"regions": ["eu"]})) == []
    assert late(replace(won(), admitted=frozenset({(claim.source, claim.id)})), claim) == []


def test_a_late_claim_is_looked_at_as_the_partner_it_counts_as() -> None:
    """A merged into an excluded partner claims nothing."""
    merged = Directory(merges=[Merge("A", "B", CLOSE.date(), ("crm", "1"))])
    claim = touch("A", 3, "demo", name="late", received=LATE)
    excluding = ruled(excluded={"partners": ["B"]})
    assert late(won(), claim, rules=excluding) == ["late"]
    assert late(won(), claim, rules=excluding, directory=merged) == []


def test_the_window_reaches_from_the_lookback_to_the_end_of_delivery() -> None:
    """A won deal may need touchpoints from 180 days before its close to 90 days after it; any other needs none."""
    assert company.window(won(), ruled()) == (CLOSE - timedelta(days=180), CLOSE + timedelta(days=90))
    alone = ruled(activities={"demo": {"means": "demo"}})
    assert company.window(won(), alone) == (CLOSE - timedelta(days=180), CLOSE)
    assert company.window(replace(won(), removed=True), ruled()) is None
    assert company.window(won(), Rules()) is None
