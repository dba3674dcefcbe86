"""A deal's milestones and the phases between them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.attribution.domain import timeline
from shared.events.deal import Stage
from shared.models.base import Phase
from tests.unit.attribution.support import CLOSE, won

LEAD, OPPORTUNITY, CREATED = (CLOSE - timedelta(days=days) for days in (30, 10, 20))
MICROSECOND = timedelta(microseconds=1)


def test_a_missing_milestone_happens_with_the_next() -> None:
    """An opportunity is created when the deal is, else at the close; a lead with the opportunity; and it is told."""
    bare = won()
    assert timeline.milestones(bare) == {"lead_created": CLOSE, "opportunity_created": CLOSE}
    assert timeline.inferred(bare) == {"lead_created", "opportunity_created"}
    created = replace(bare, created_at=CREATED)
    assert timeline.milestones(created) == {"lead_created": CREATED, "opportunity_created": CREATED}
    stated = replace(created, milestones={"opportunity_created": OPPORTUNITY, "pilot": CLOSE})
    reached = {"lead_created": OPPORTUNITY, "opportunity_created": OPPORTUNITY, "pilot": CLOSE}
    assert timeline.milestones(stated) == reached
    assert timeline.inferred(stated) == {"lead_created"}
    lead = replace(bare, milestones={"lead_created": LEAD})
    assert timeline.milestones(lead) == {"lead_created": LEAD, "opportunity_created": CLOSE}


def test_what_happens_at_a_milestone_led_to_it() -> None:
    """A phase ends with the instant of its milestone, and the next one begins a moment later."""
    deal = replace(won(), milestones={"lead_created": LEAD, "opportunity_created": OPPORTUNITY})
    phases = [
        (LEAD - MICROSECOND, Phase.BEFORE_LEAD), (LEAD, Phase.BEFORE_LEAD), (LEAD + MICROSECOND, Phase.LEAD),
        (OPPORTUNITY, Phase.LEAD), (OPPORTUNITY + MICROSECOND, Phase.OPPORTUNITY), (CLOSE, Phase.OPPORTUNITY),
    ]  # fmt: skip
    assert [(instant, timeline.phase_of(deal, instant)) for instant, _ in phases] == phases


def test_milestones_at_one_instant_leave_no_phase_between_them() -> None:
    """Where lead and opportunity are one instant, everything is before the lead or after the opportunity."""
    deal = replace(won(), milestones={"lead_created": LEAD, "opportunity_created": LEAD})
    assert timeline.phase_of(deal, LEAD) is Phase.BEFORE_LEAD
    assert timeline.phase_of(deal, LEAD + MICROSECOND) is Phase.OPPORTUNITY


def test_a_deal_without_a_close_has_no_timeline() -> None:
    """Such a deal is not credited; asking for its milestones is a mistake of the caller."""
    with pytest.raises(ValueError, match="crm/D-1 has no close"):
        timeline.milestones(replace(won(), stage=Stage.OPEN, closed_at=None))
