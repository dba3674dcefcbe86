"""What holds for the credit of a deal under every model and policy, whatever happened on its account."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.attribution.domain import changes, credit, eligibility
from services.attribution.domain.credit import Decision, decide
from services.attribution.domain.division import Rest
from services.attribution.domain.eligibility import Reason
from services.attribution.domain.facts import FactKey, Touch
from shared.events.credit import CreditDecided, Influence, Status
from tests.unit.attribution.support import CLOSE
from tests.unit.attribution.worlds import PAYING, World, worlds

SOME = settings(max_examples=15, deadline=None)
"""For each of the models that pay; the first example may make a table."""
every_model = pytest.mark.parametrize("kind", PAYING)
SHOWS_WORK = {Reason.ZERO_WEIGHT, Reason.REPEATED, Reason.ABOVE_CAP, Reason.AFTER_CLOSE}
"""What is left out for these may still tell whether its partner sourced, influenced or delivered the deal."""


def decided(world: World, touches: list[Touch] | None = None) -> Decision:
    return decide(world.deal, world.touches if touches is None else touches, *world.given)


@every_model
@SOME
@given(data=st.data())
def test_every_part_of_a_deal_is_somebodys_or_says_why_not(kind: str, data: st.DataObject) -> None:
    """Shares and unattributed parts sum to one, amounts to the amount, each within a unit of its exact part."""
    world = data.draw(worlds(kind))
    found = decided(world)
    whole, rules = world.deal.amount_minor or 0, world.policy.rules
    parts = [Fraction(s.weight, s.scale) for s in found.shares] + [Fraction(r.weight, r.scale) for r in found.rest]
    amounts = [share.amount_minor for share in found.shares] + [part.amount_minor for part in found.rest]
    assert sum(parts) == 1
    assert sum(amounts) == whole
    assert all(abs(minor - part * whole) < 1 for part, minor in zip(parts, amounts, strict=True))
    assert min(parts) > 0
    by_reason = {part.reason: part for part in found.rest}
    assert len(by_reason) == len(found.rest)
    assert all(part.text for part in found.rest)
    if found.status is Status.CREDITED and not by_reason.keys() - {Rest.OUTSIDE_POOL, Rest.OUR_OWN_TEAM}:
        partners = sum(Fraction(share.weight, share.scale) for share in found.shares)
        assert partners == rules.pool * (1 - rules.our_own_team)
    if found.status is Status.UNATTRIBUTED:
        assert found.reason
    assert (found.status is Status.CREDITED) == bool(found.shares) == (found.reason is None)


@every_model
@SOME
@given(data=st.data())
def test_activities_and_what_is_kept_make_up_each_share(kind: str, data: st.DataObject) -> None:
    """As published, exactly, from all of its touchpoints and sorted by name."""
    world = data.draw(worlds(kind))
    found = decided(world)
    event = CreditDecided.model_validate(changes.document(world.deal, found, revision=1, cause="won", decided_at=CLOSE))
    for share, told in zip(found.shares, event.shares, strict=True):
        parts = {one.activity: Fraction(one.share) for one in told.activities}
        assert sum(parts.values()) + Fraction(told.originating or 0) == Fraction(told.share)
        assert list(parts) == sorted({touch.activity for touch in share.touches})
        for activity, part in parts.items():
            own = zip(share.touches, share.weights, strict=True)
            assert part == Fraction(sum(weight for touch, weight in own if touch.activity == activity), share.scale)


@every_model
@SOME
@given(data=st.data())
def test_what_has_no_weight_gets_nothing(kind: str, data: st.DataObject) -> None:
    """Only touchpoints with a weight stand behind a share, and they and what is kept make it up to the unit."""
    world = data.draw(worlds(kind))
    found = decided(world)
    for share in found.shares:
        assert share.partner not in world.policy.rules.excluded.partners
        assert all(share.weights)
        assert all(world.policy.weights[touch.activity] for touch in share.touches)
        assert sum(share.weights) + share.originating == share.weight
        lines, kept = share.line_amounts()
        assert sum(lines) + kept == share.amount_minor
        assert kept == 0 or share.originating


@every_model
@SOME
@given(data=st.data(), seed=st.integers())
def test_no_order_of_touchpoints_matters(kind: str, data: st.DataObject, seed: int) -> None:
    """Shuffled, the same touchpoints give the same decision, to the order in which it lists them."""
    world = data.draw(worlds(kind))
    shuffled = list(world.touches)
    Random(seed).shuffle(shuffled)
    assert decided(world, shuffled) == decided(world)
    assert changes.digest(world.deal, decided(world, shuffled)) == changes.digest(world.deal, decided(world))


@every_model
@SOME
@given(data=st.data())
def test_a_negative_deal_mirrors_the_positive(kind: str, data: st.DataObject) -> None:
    """Every partner, unattributed part and touchpoint loses by a refund exactly what it got, leftover units too."""
    world = data.draw(worlds(kind))
    there = decided(world)
    back = decide(replace(world.deal, amount_minor=-(world.deal.amount_minor or 0)), world.touches, *world.given)
    assert [(s.partner, s.weight, -s.amount_minor) for s in back.shares] == [
        (s.partner, s.weight, s.amount_minor) for s in there.shares
    ]
    assert [(r.reason, -r.amount_minor) for r in back.rest] == [(r.reason, r.amount_minor) for r in there.rest]
    for one, other in zip(there.shares, back.shares, strict=True):
        lines, kept = one.line_amounts()
        assert other.line_amounts() == ([-minor for minor in lines], -kept)


def excluded(world: World) -> dict[FactKey, Reason]:
    """Every touchpoint that a rule leaves out before the model sees any."""
    directory, policy = world.directory, world.policy
    touches = credit.counted_as(world.touches, directory, policy.day(world.deal.closed_at))  # type: ignore[arg-type]
    if eligibility.deal_reason(policy, world.deal) is not None:
        return {(touch.source, touch.id): Reason.DEAL_NOT_CONSIDERED for touch in touches}
    alone = eligibility.eligible(policy, world.deal, touches, directory)
    why = {(t.source, t.id): eligibility.reason(policy, world.deal, t, directory) for t in touches}
    why |= {(t.source, t.id): reason for t, reason in eligibility.thinned(policy, alone)}
    return {key: reason for key, reason in why.items() if reason is not None}


def paid(found: Decision) -> object:
    """A decision apart from what class each partner has."""
    shares = [share._replace(influence=Influence.INFLUENCED) for share in found.shares]
    return found.status, found.reason, shares, found.rest, found.below_minimum


@every_model
@SOME
@given(data=st.data())
def test_an_excluded_touchpoint_changes_no_share(kind: str, data: st.DataObject) -> None:
    """Whichever rule leaves it out, without it everything is paid alike, and only some rules let it show a class."""
    world = data.draw(worlds(kind))
    found, out = decided(world), excluded(world)
    for key, reason in out.items():
        without = decided(world, [t for t in world.touches if (t.source, t.id) != key])
        assert paid(without) == paid(found)
        if reason not in SHOWS_WORK:
            assert changes.digest(world.deal, without) == changes.digest(world.deal, found)
    without = decided(world, [t for t in world.touches if (t.source, t.id) not in out])
    assert paid(without) == paid(found)
    assert not {(t.source, t.id) for share in found.shares for t in share.touches} & out.keys()


@given(world=worlds())
@settings(max_examples=150, deadline=None)
def test_the_fast_form_of_eligibility_agrees_with_the_reasons(world: World) -> None:
    """A touchpoint is eligible exactly when no rule has a reason against it; what takes part is what has none."""
    policy, deal, directory = world.policy, world.deal, world.directory
    eligible = eligibility.eligible(policy, deal, world.touches, directory)
    alone = [t for t in world.touches if eligibility.reason(policy, deal, t, directory) is None]
    assert {(t.source, t.id) for t in eligible} == {(t.source, t.id) for t in alone}
    left = [touch for touch, why in eligibility.thinned(policy, eligible) if why is None]
    assert eligibility.thin(policy, eligible) == left
