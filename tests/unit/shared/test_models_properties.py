"""What holds for every model, whatever its parameters and the journey."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import groupby
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.models import MODELS, Journey, ModelRule, Phase, Role
from shared.models.base import whole
from tests.unit.shared.models_support import CLOSE, model

ACTIVITIES = {"direct": Role.INFLUENCER, "referral": Role.SOURCER, "course": Role.IMPLEMENTER, "offer": Role.CLOSER}
UNIFORM_IN_AN_INSTANT = {
    "first", "last", "linear", "position", "u_first_last", "j", "inverse_j", "stage_weight", "time_decay",
    "time_decay_step", "time_decay_per_day", "time_decay_ordinal_geometric", "six_latest_halving",
}  # fmt: skip
"""Models that see neither partner nor activity: touchpoints of one instant are alike, whoever made them."""
MAY_BE_NOBODY = {"milestones", "role_weight", "stage_weight"}


@dataclass(frozen=True)
class Touch:
    instant: datetime
    partner: str
    activity: str
    factor: int


def _journey(touches: Sequence[Touch], milestones: dict[str, datetime]) -> Journey:
    return Journey(
        instants=[t.instant for t in touches], closed_at=CLOSE, partners=[t.partner for t in touches],
        activities=[t.activity for t in touches], roles=[ACTIVITIES[t.activity] for t in touches],
        activity_weights=[t.factor for t in touches], milestones=milestones,
    )  # fmt: skip


instants = st.one_of(st.integers(0, 4), st.integers(0, 5_000)).map(lambda hours: CLOSE - timedelta(hours=hours * 7))
touch = st.builds(Touch, instants, st.sampled_from("ABC"), st.sampled_from(sorted(ACTIVITIES)), st.integers(1, 5))
paths = st.lists(touch, min_size=1, max_size=8).map(lambda found: sorted(found, key=lambda t: t.instant))
reached = st.lists(instants, min_size=2, max_size=2).map(
    lambda two: dict(zip(("lead_created", "opportunity_created"), sorted(two), strict=True))
)


def _cuts(count: int) -> st.SearchStrategy[list[str]]:
    cuts = st.lists(st.integers(0, 100), min_size=count - 1, max_size=count - 1).map(sorted)
    return cuts.map(lambda c: [f"{b - a}%" for a, b in zip([0, *c], [*c, 100], strict=True)])


def _split(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    return _cuts(len(names)).map(lambda parts: dict(zip(names, parts, strict=True)))


def _stages(names: Sequence[str]) -> st.SearchStrategy[dict[str, Any]]:
    return _cuts(len(names) + 1).map(
        lambda parts: {
            "milestones": [{name: part} for name, part in zip(names, parts, strict=False)], "between": parts[-1],
        }
    )  # fmt: skip


OWN: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "position": _split("first", "middle", "last"),
    "role_weight": _split("sourcer", "influencer", "implementer", "closer"),
    "last_non_direct": st.sets(st.sampled_from(sorted(ACTIVITIES)), min_size=1).map(lambda found: {"direct": found}),
    "time_decay": st.sampled_from([1, 7, 30]).map(lambda days: {"half_life": f"{days} days"}),
    "time_decay_step": st.integers(1, 999).map(lambda hours: {"step": f"{hours} hours"}),
    "stage_weight": st.lists(st.integers(0, 9), min_size=3, max_size=3).filter(any).map(
        lambda found: dict(zip(Phase, found, strict=True))
    ),
    "milestones": st.sampled_from([
        ["first_touch", "lead_created", "demo", "opportunity_created", "closed"],
        ["lead_created", "opportunity_created"], ["first_touch", "demo"], ["demo", "closed"],
    ]).flatmap(_stages),
}  # fmt: skip
CHOICES = {
    "no_middle": ("renormalise", "spread"), "several_milestones": ("add", "highest"),
    "lead_touch": ("latest_before", "earliest_sourcing"), "others": ("every_other", "between"),
    "after_opportunity": ("nothing", "shares_middle"), "one_touch": ("all",),
}  # fmt: skip


def _models(rule: type[ModelRule]) -> st.SearchStrategy[ModelRule]:
    kind = _kind(rule)
    options = {name: st.sampled_from(values) for name, values in CHOICES.items() if name in rule.model_fields}
    return st.builds(
        lambda own, chosen: model(kind, **own, **chosen), OWN.get(kind, st.just({})), st.fixed_dictionaries(options)
    )


def _kind(rule: type[ModelRule]) -> str:
    return str(rule.model_fields["kind"].annotation.__args__[0])  # type: ignore[union-attr]


FEWER = settings(max_examples=25, deadline=None)
"""For each of two dozen models, which share their code in families; the first example may make a table."""
every_model = pytest.mark.parametrize("rule", MODELS, ids=_kind)


def _parts(weights: Sequence[int]) -> list[Fraction]:
    total = sum(weights)
    return [Fraction(weight, total) if total else Fraction(0) for weight in weights]


@every_model
@FEWER
@given(data=st.data(), path=paths, milestones=reached)
def test_weights_are_whole_and_somebody_is_credited(
    rule: type[ModelRule], data: st.DataObject, path: list[Touch], milestones: dict[str, datetime]
) -> None:
    """One non-negative whole number per touchpoint; not all are zero unless the model says that nobody may qualify."""
    found = data.draw(_models(rule))
    weights = list(found.weights(_journey(path, milestones)))
    assert [type(weight) for weight in weights] == [int] * len(path)
    assert min(weights) >= 0
    assert any(weights) or found.kind in MAY_BE_NOBODY
    assert found.label
    if found.kind == "stage_weight" and not any(weights):
        assert found.weights(_journey(path, milestones)) == [0] * len(path)


@every_model
@FEWER
@given(data=st.data(), path=paths, milestones=reached, seed=st.integers())
def test_the_order_of_input_changes_nothing(
    rule: type[ModelRule], data: st.DataObject, path: list[Touch], milestones: dict[str, datetime], seed: int
) -> None:
    """Shuffled and sorted by time again, so that ties stand in another order, every touchpoint gets the same part."""
    found = data.draw(_models(rule))
    order = list(range(len(path)))
    random.Random(seed).shuffle(order)
    order.sort(key=lambda index: path[index].instant)
    parts = _parts(found.weights(_journey(path, milestones)))
    again = _parts(found.weights(_journey([path[index] for index in order], milestones)))
    assert again == [parts[index] for index in order]


@every_model
@FEWER
@given(data=st.data(), path=paths, milestones=reached)
def test_touches_of_one_instant_are_alike(
    rule: type[ModelRule], data: st.DataObject, path: list[Touch], milestones: dict[str, datetime]
) -> None:
    """At one instant, touchpoints of one partner and activity weigh the same; in models that see only time, all do."""
    found = data.draw(_models(rule))
    path = [replace(one, factor=1) for one in path]
    weights = found.weights(_journey(path, milestones))
    uniform = found.kind in UNIFORM_IN_AN_INSTANT
    seen: dict[object, int] = {}
    for one, weight in zip(path, weights, strict=True):
        key = one.instant if uniform else one
        assert seen.setdefault(key, weight) == weight


@every_model
@FEWER
@given(data=st.data(), path=paths, milestones=reached, factor=st.integers(2, 9))
def test_the_scale_of_activity_weights_changes_nothing(
    rule: type[ModelRule], data: st.DataObject, path: list[Touch], milestones: dict[str, datetime], factor: int
) -> None:
    """All activity weights times a number: the same parts. Partner totals do not depend on them at all."""
    found = data.draw(_models(rule))
    before, after = (
        _journey(path, milestones),
        _journey([replace(t, factor=t.factor * factor) for t in path], milestones),
    )
    assert _parts(found.weights(before)) == _parts(found.weights(after))
    if not found.by_partner:
        return
    bare = _journey(path, milestones)
    bare.activity_weights = ()
    assert _totals(found, bare) == _totals(found, before)


def _totals(found: ModelRule, path: Journey) -> dict[str, Fraction]:
    totals = dict.fromkeys(path.partners, Fraction(0))
    for partner, part in zip(path.partners, _parts(found.weights(path)), strict=True):
        totals[partner] += part
    return totals


@given(pools=_split("first", "middle", "last"), path=paths)
def test_a_position_without_a_part_gets_nothing(pools: dict[str, str], path: list[Touch]) -> None:
    """First, middle and last get exactly their parts when all are there, so a zero pool gets zero."""
    found = model("position", **pools)
    groups = [len(list(group)) for _, group in groupby(path, key=lambda t: t.instant)]
    if len(groups) < 3:
        return
    parts = _parts(found.weights(_journey(path, {})))
    cut, rest = groups[0], len(path) - groups[-1]
    sums = [sum(parts[:cut]), sum(parts[cut:rest]), sum(parts[rest:])]
    assert sums == [Fraction(part.rstrip("%")) / 100 for part in pools.values()]


@given(path=paths)
def test_every_partner_alike(path: list[Touch]) -> None:
    """Linear by partner and participation give every partner the same total, whatever it did."""
    for kind in ("linear_partner", "participation"):
        totals = _totals(model(kind), _journey(path, {}))
        assert set(totals.values()) == {Fraction(1, len(totals))}


@given(pools=_split("sourcer", "influencer", "implementer", "closer"), path=paths)
def test_a_role_gets_its_part_and_divides_it_evenly(pools: dict[str, str], path: list[Touch]) -> None:
    """Each partner counts once, at its strongest role; the parts of absent roles are renormalised."""
    order = list(Role)
    strongest = {
        t.partner: min((ACTIVITIES[o.activity] for o in path if o.partner == t.partner), key=order.index) for t in path
    }
    roles = list(strongest.values())
    exact = {p: Fraction(pools[r].rstrip("%")) / roles.count(r) for p, r in strongest.items()}
    totals = _totals(model("role_weight", **pools), _journey(path, {}))
    assert totals == dict(zip(exact, _parts(whole(list(exact.values()))), strict=True))
