"""A partner's total, divided among its touchpoints: what the models by partner have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import lcm


def divide(totals: Mapping[str, int], partners: Sequence[str], weights: Sequence[int]) -> list[int]:
    """Whole weights per touchpoint, of which each partner's sum up to its total, in the proportions of `totals`.

    Within a partner they are in proportion to `weights`; a partner with a total has a touchpoint with a weight.
    """
    sums: dict[str, int] = {}
    for partner, weight in zip(partners, weights, strict=True):
        sums[partner] = sums.get(partner, 0) + weight
    scale = lcm(*sums.values())
    rates = {partner: total * (scale // sums[partner]) for partner, total in totals.items()}
    return [rates[partner] * weight for partner, weight in zip(partners, weights, strict=True)]
