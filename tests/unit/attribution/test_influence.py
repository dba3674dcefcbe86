"""Sourced, influenced, delivered: exactly one for each partner of a deal."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings

from services.attribution.domain import credit, influence
from services.attribution.domain.credit import decide
from services.attribution.domain.facts import Touch
from services.attribution.domain.partners import NOBODY
from services.attribution.domain.policy import Rules
from shared.events.credit import Influence
from tests.unit.attribution.support import CLOSE, ROLES, policy_of, ruled, touch, won
from tests.unit.attribution.worlds import World, worlds

DEAL = replace(won(), milestones={name: CLOSE - timedelta(days=d) for name, d in
                                  (("lead_created", 30), ("opportunity_created", 10))})  # fmt: skip


def classes(*touches: Touch, rules: Rules | None = None) -> dict[str, str]:
    found = influence.classes(policy_of(rules or ruled()), DEAL, touches, NOBODY)
    return {partner: str(one) for partner, one in found.items()}


def test_a_partner_is_what_its_strongest_work_makes_it() -> None:
    """Sourcing in time beats everything, delivery is nothing but delivery, and all else is influence."""
    found = classes(
        touch("A", 40, "referral"), touch("A", 5, "course"), touch("B", 5, "referral"), touch("C", 5, "course"),
        touch("D", 5, "course"), touch("D", 4, "demo"), touch("E", 1, "offer"), touch("F", 200, "demo"),
    )  # fmt: skip
    assert found == {"A": "sourced", "B": "influenced", "C": "delivered", "D": "influenced", "E": "influenced"}


@pytest.mark.parametrize(
    ("before", "sourced"), [("lead_created", "A"), ("opportunity_created", "AB"), ("close", "ABC")]
)
def test_sourcing_ends_with_the_milestone_that_the_program_names(before: str, sourced: str) -> None:
    """What happens at the milestone's instant is still sourcing."""
    found = classes(
        touch("A", 30, "referral"), touch("B", 10, "referral"), touch("C", 0, "referral"),
        rules=ruled(sourced_when={"before": before}),
    )  # fmt: skip
    assert "".join(partner for partner, one in found.items() if one == "sourced") == sourced


def test_delivery_after_the_close_is_seen_for_a_while() -> None:
    """An implementer's work up to the program's limit makes its partner a deliverer; another's after the close, no."""
    after = (touch("A", -90, "course"), touch("B", -90.5, "course"), touch("C", -1, "demo"))
    assert classes(*after) == {"A": "delivered"}
    assert classes(*after, rules=ruled(delivered_within="0 days")) == {}
    decided = decide(DEAL, [*after, touch("D", 3, "demo")], ruled())
    assert [(share.partner, share.influence) for share in decided.shares] == [("D", Influence.INFLUENCED)]
    assert decided.participants == {"A": Influence.DELIVERED, "D": Influence.INFLUENCED}


@pytest.mark.parametrize(
    "words", [{"excluded": {"partners": ["A"]}}, {"considers": {"partner_types": ["agency"]}},
              {"considers": {"activities": ["demo"]}}],
)  # fmt: skip
def test_who_is_left_out_takes_no_part_after_the_close_either(words: dict[str, Any]) -> None:
    """A partner or an activity that the program leaves out delivers nothing, be it before the close or after it."""
    assert classes(touch("A", 1, "course"), rules=ruled(**words)) == {}
    assert classes(touch("A", -1, "course"), rules=ruled(**words)) == {}


def test_work_that_weighs_nothing_or_is_repeated_still_tells_the_class() -> None:
    """A referral of weight 0, or one that falls to a cap, earns nothing and yet sourced the deal."""
    free = ruled(activities=ROLES | {"referral": {"means": "referral", "role": "sourcer", "weight": "0"}})
    assert classes(touch("A", 40, "referral"), touch("A", 5, "demo"), rules=free) == {"A": "sourced"}
    one = ruled(at_most={"per_partner": 1})
    assert classes(touch("A", 50, "demo"), touch("A", 40, "referral"), rules=one) == {"A": "sourced"}


@settings(max_examples=150, deadline=None)
@given(world=worlds())
def test_a_class_depends_on_the_partners_own_work_alone(world: World) -> None:
    """Each partner has the class that it would have if nobody else had done anything; who has a share has a class."""
    found = decide(world.deal, world.touches, *world.given)
    touches = credit.counted_as(world.touches, world.directory, world.policy.day(CLOSE))
    for partner, one in (found.participants or {}).items():
        own = [touch for touch in touches if touch.partner == partner]
        assert influence.classes(world.policy, world.deal, own, world.directory) == {partner: one}
    for share in found.shares:
        assert share.influence is (found.participants or {}).get(share.partner, Influence.SOURCED)
        assert share.originating or share.partner in (found.participants or {})
