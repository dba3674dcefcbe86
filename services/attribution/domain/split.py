"""A deal's amount over the partners of its journey: the one step from a model's weights to money."""

from __future__ import annotations

from collections.abc import Sequence
from operator import mul

from shared import money
from shared.models.base import Journey, ModelRule


def weighed(model: ModelRule, journey: Journey) -> Sequence[int]:
    """Each touchpoint's weight: the model's, times its activity's unless the model has already counted that."""
    weights = model.weights(journey)
    if model.by_partner or not journey.activity_weights:
        return weights
    return list(map(mul, weights, journey.activity_weights))


def split(model: ModelRule, journey: Journey, amount_minor: int) -> dict[str, int]:
    """The minor units of each partner with any weight; they sum to `amount_minor` exactly, ties to the smaller name.

    Raises ValueError when no touchpoint has any weight: who decides credit must say why a deal stays unattributed.
    """
    totals: dict[str, int] = {}
    for partner, weight in zip(journey.partners, weighed(model, journey), strict=True):
        if weight:
            totals[partner] = totals.get(partner, 0) + weight
    return money.allocate(amount_minor, totals)
