"""When a deal reached its milestones, and in which phase of the purchase a touchpoint happened.

A milestone the CRM does not state happened with the next one (attribution reference, section 2): an opportunity is
created when the deal is, else at the close; a lead with the opportunity.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from services.attribution.domain.facts import Deal
from shared.models.base import LEAD_CREATED, OPPORTUNITY_CREATED, Phase, phase


def milestones(deal: Deal) -> Mapping[str, datetime]:
    """The instants of a won deal's milestones, with `lead_created` and `opportunity_created` always among them.

    Raises ValueError without a close; such a deal is not credited.
    """
    if deal.closed_at is None:
        raise ValueError(f"the deal {deal.source}/{deal.id} has no close")
    stated = deal.milestones
    opportunity = stated.get(OPPORTUNITY_CREATED) or deal.created_at or deal.closed_at
    lead = stated.get(LEAD_CREATED) or opportunity
    return {**stated, LEAD_CREATED: lead, OPPORTUNITY_CREATED: opportunity}


def inferred(deal: Deal) -> frozenset[str]:
    """The milestones that `milestones` had to infer, because the CRM does not state them."""
    return frozenset({LEAD_CREATED, OPPORTUNITY_CREATED}) - deal.milestones.keys()


def phase_of(deal: Deal, instant: datetime) -> Phase:
    """The phase of the purchase in which something happened."""
    reached = milestones(deal)
    return phase(instant, reached[LEAD_CREATED], reached[OPPORTUNITY_CREATED])
