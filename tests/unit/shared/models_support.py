"""Journeys in short words, and models by their document, for the tests of the models."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import TypeAdapter

from shared.models import Journey, Model, ModelRule, Role

CLOSE = datetime(2026, 3, 31, 12, tzinfo=UTC)
BESIDE = Path(__file__).parents[4] / "shared" / "oracles"
_MODEL: TypeAdapter[ModelRule] = TypeAdapter(Model)


def model(kind: str, **parameters: object) -> ModelRule:
    """A model as a program names it."""
    return _MODEL.validate_python({"kind": kind, **parameters})


def oracle(name: str) -> dict[str, Any]:
    """Reference cases from `TRIBUTARY_ORACLES` or beside the checkout; skips where absent, as not ours to ship."""
    found = Path(os.environ.get("TRIBUTARY_ORACLES", BESIDE)) / name
    if not found.is_file():
        pytest.skip(f"the reference cases {name} are not here; name their folder in TRIBUTARY_ORACLES")
    return cast("dict[str, Any]", json.loads(found.read_text()))


def by_partner(rule: ModelRule, journey: Journey) -> dict[str, int]:
    """The weight of every partner, activity weights included as the program applies them."""
    weights = list(rule.weights(journey))
    if journey.activity_weights and not rule.by_partner:
        weights = [weight * factor for weight, factor in zip(weights, journey.activity_weights, strict=True)]
    totals = dict.fromkeys(journey.partners, 0)
    for partner, weight in zip(journey.partners, weights, strict=True):
        totals[partner] += weight
    return totals


def shares(weights: Mapping[str, int]) -> dict[str, Fraction]:
    """Each partner's exact part of the deal."""
    total = sum(weights.values())
    return {partner: Fraction(weight, total) for partner, weight in weights.items()}


def journey(
    partners: Sequence[str], ages: Sequence[timedelta] | None = None, *, activities: Sequence[str] = (),
    roles: Sequence[Role] = (), milestones: Mapping[str, int] | None = None, activity_weights: Sequence[int] = (),
    ties_share: bool = True,
) -> Journey:  # fmt: skip
    """Touchpoints a day apart up to the close unless ages tell otherwise; milestones by the index that led to them."""
    ages = ages or [timedelta(days=len(partners) - 1 - index) for index in range(len(partners))]
    instants = [CLOSE - age for age in ages]
    return Journey(
        instants=instants, closed_at=CLOSE, partners=partners, activities=activities, roles=roles,
        activity_weights=activity_weights, ties_share=ties_share,
        milestones={name: instants[index] for name, index in (milestones or {}).items()},
    )  # fmt: skip


def spelled(path: str) -> Journey:
    """The journey of an example: `A > B(lead_created) > C(7 days)`."""
    found = [match.groups() for match in re.finditer(r"(\w+)(?:\(([^)]+)\))?", path)]
    words = [word or "" for _, word in found]
    ages = [timedelta(**{unit: int(size)}) for size, unit in re.findall(r"(\d+) (days|hours)", path)]
    return journey(
        [partner for partner, _ in found], ages, activities=words,
        roles=[Role(word) if word in set(Role) else Role.INFLUENCER for word in words],
        milestones={word: index for index, word in enumerate(words) if word},
    )  # fmt: skip
