"""Each model's own example, its edge cases, and its label."""

import re
from datetime import timedelta
from fractions import Fraction

import pytest
from pydantic import ValidationError

from shared import models
from shared.models import MODELS, Journey, ModelRule, Role
from tests.unit.shared.models_support import by_partner, journey, model, shares, spelled

DAY = timedelta(days=1)


def _kind(rule: type[ModelRule]) -> str:
    return str(rule.model_fields["kind"].annotation.__args__[0])  # type: ignore[union-attr]


@pytest.mark.parametrize("rule", MODELS, ids=_kind)
def test_every_model_has_a_definition_and_an_example_that_computes(rule: type[ModelRule]) -> None:
    """The catalogue shows a docstring, a source, and an example whose figures the model gives."""
    found = model(_kind(rule), **rule.example_of)
    path, expected = rule.example.split(": ")
    computed = shares(by_partner(found, spelled(path)))
    if not rule.pays:  # participation: each partner's total is read as the whole deal
        computed = dict.fromkeys(computed, Fraction(1))
    for partner, number, sign in re.findall(r"(\w+) ([\d./]+)(%?)", expected):
        assert computed.pop(partner) == Fraction(number) / (100 if sign else 1), partner
    assert not computed
    assert rule.__doc__
    assert rule.source
    assert found.label


def test_the_catalogue_is_the_union() -> None:
    """A program may name every model of the catalogue, and no other."""
    kinds = {_kind(rule) for rule in MODELS}
    with pytest.raises(ValidationError) as refused:
        model("nothing")
    named = set(re.findall(r"'(\w+)'", refused.value.errors()[0]["ctx"]["expected_tags"]))
    assert named == kinds | {"hubspot_simple_decay"}


@pytest.mark.parametrize(
    ("kind", "parameters", "words"),
    [
        ("hubspot_simple_decay", {}, "sums to 98.438 %.*six_latest_halving"),
        ("position", {"first": "40%", "middle": "20%", "last": "41%"}, "must add up to 100%"),
        ("role_weight", {"sourcer": "50%"}, "must add up to 100%"),
        ("last_non_direct", {"direct": []}, "at least 1 item"),
        ("time_decay", {"half_life": "0 days"}, "greater than or equal to 1"),
        ("time_decay_step", {"step": "0 hours"}, "greater than or equal to 1"),
        ("stage_weight", {"before_lead": 0, "lead": 0, "opportunity": 0}, "more than 0"),
        ("milestones", {"milestones": {"first_touch": "100%"}}, "as a list in their order"),
        ("milestones", {"milestones": [{"demo": "50%", "closed": "50%"}]}, "a name with its percentage"),
        ("milestones", {"milestones": [{"demo": "50%"}, {"demo": "50%"}]}, "once"),
        ("milestones", {"milestones": [{"closed": "50%"}, {"demo": "50%"}]}, "closed the last"),
        ("milestones", {"milestones": [{"demo": "50%"}, {"first_touch": "50%"}]}, "only be the first"),
        ("milestones", {"milestones": [{"demo": "90%"}], "between": "10%"}, "two milestones"),
        ("milestones", {"milestones": [{"demo": "50%"}, {"closed": "40%"}]}, "must add up to 100%"),
        ("milestones", {"milestones": []}, "at least 1 item"),
        ("u_first_last", {"first": "30%"}, "Extra inputs"),
    ],
)
def test_what_a_model_does_not_mean_is_refused(kind: str, parameters: dict[str, object], words: str) -> None:
    """Parameters that do not add up, or mean nothing, are refused in words that say what to write instead."""
    with pytest.raises(ValidationError, match=words):
        model(kind, **parameters)


def test_a_model_for_reports_says_that_it_does_not_pay() -> None:
    """Participation exceeds 100%, so it is no basis of pay; every other model of the catalogue is."""
    assert [_kind(rule) for rule in MODELS if not rule.pays] == ["participation"]


def _weights(kind: str, path: Journey, **parameters: object) -> list[int]:
    return list(model(kind, **parameters).weights(path))


def _parts(kind: str, path: Journey, **parameters: object) -> list[str]:
    weights = _weights(kind, path, **parameters)
    return [str(Fraction(weight, sum(weights))) for weight in weights]


def test_touches_that_tie_share_a_position_unless_told_otherwise() -> None:
    """Two touches at the first instant share it; with `ties_share` off they stand in the order of their ids."""
    ages = [2 * DAY, 2 * DAY, DAY, timedelta(0)]
    assert _parts("u_first_last", journey("ABCD", ages)) == ["1/5", "1/5", "1/5", "2/5"]
    assert _parts("u_first_last", journey("ABCD", ages, ties_share=False)) == ["2/5", "1/10", "1/10", "2/5"]
    assert _parts("first", journey("ABCD", ages)) == ["1/2", "1/2", "0", "0"]
    assert _parts("first", journey("ABCD", ages, ties_share=False)) == ["1", "0", "0", "0"]
    assert _parts("time_decay_ordinal_geometric", journey("ABCD", ages)) == ["1/14", "1/14", "2/7", "4/7"]


def test_a_middle_that_nobody_holds_is_dropped_or_spread() -> None:
    """With 30/20/50 and two touches: renormalised 3/8 and 5/8, or half of the middle to each end, 2/5 and 3/5."""
    own: dict[str, object] = {"first": "30%", "middle": "20%", "last": "50%"}
    assert _parts("position", journey("AB"), **own) == ["3/8", "5/8"]
    assert _parts("position", journey("AB"), **own, no_middle="spread") == ["2/5", "3/5"]
    everything = {"first": "0%", "middle": "100%", "last": "0%"}
    assert _parts("position", journey("AB"), **everything) == ["1/2", "1/2"]
    led = journey("ABC", milestones={"lead_created": 1, "opportunity_created": 2})
    own = {"milestones": [{"first_touch": "10%"}, {"lead_created": "20%"}, {"opportunity_created": "30%"}]}
    assert _parts("milestones", led, **own, between="40%") == ["1/6", "1/3", "1/2"]
    assert _parts("milestones", led, **own, between="40%", no_middle="spread") == ["7/30", "1/3", "13/30"]


def test_a_touch_that_led_to_several_milestones() -> None:
    """Its parts add; or only the largest counts and the rest is renormalised."""
    path = journey("AB", milestones={"lead_created": 0, "opportunity_created": 1})
    assert _parts("w", path) == ["2/3", "1/3"]
    assert _parts("w", path, several_milestones="highest") == ["1/2", "1/2"]


def test_who_created_the_lead() -> None:
    """The latest touch at or before it, or the earliest one of a sourcing activity; where there is none, nobody."""
    roles = [Role.INFLUENCER, Role.SOURCER, Role.SOURCER, Role.CLOSER]
    path = journey("ABCD", roles=roles, milestones={"lead_created": 2})
    assert _parts("u_lead_only", path) == ["1/2", "0", "1/2", "0"]
    assert _parts("u_lead_only", path, lead_touch="earliest_sourcing") == ["1/2", "1/2", "0", "0"]
    nobody = journey("ABCD", roles=[Role.CLOSER] * 4, milestones={"lead_created": 2})
    assert _parts("u_lead_only", nobody, lead_touch="earliest_sourcing") == ["1", "0", "0", "0"]
    tied = journey("ABCD", [2 * DAY, DAY, DAY, DAY], roles=[Role.CLOSER, *roles[:3]], milestones={"lead_created": 0})
    assert _parts("u_lead_only", tied, lead_touch="earliest_sourcing") == ["1/2", "0", "1/4", "1/4"]


def test_the_others_of_a_milestone_model() -> None:
    """Every other touch or those between for U by lead; after the opportunity nothing or a part of the middle for W."""
    path = journey("ABCDE", milestones={"lead_created": 2, "opportunity_created": 3})
    assert _parts("u_lead", path) == ["2/5", "1/15", "2/5", "1/15", "1/15"]
    assert _parts("u_lead", path, others="between") == ["2/5", "1/5", "2/5", "0", "0"]
    assert _parts("w", path) == ["3/10", "1/10", "3/10", "3/10", "0"]
    assert _parts("w", path, after_opportunity="shares_middle") == ["3/10", "1/20", "3/10", "3/10", "1/20"]


def test_a_milestone_the_deal_does_not_have_happens_with_the_next() -> None:
    """Without a demo, its part goes to who led to the opportunity; without that too, to the last before the close."""
    own = {"milestones": [{"first_touch": "20%"}, {"demo": "40%"}, {"opportunity_created": "40%"}]}
    assert _parts("milestones", journey("ABC", milestones={"opportunity_created": 1}), **own) == ["1/5", "4/5", "0"]
    assert _parts("milestones", journey("ABC"), **own) == ["1/5", "0", "4/5"]


def test_a_milestone_before_every_touch_is_held_by_nobody() -> None:
    """Its part is dropped; where that was all there is, nobody qualifies and every weight is zero."""
    before = Journey(
        instants=journey("AB").instants, closed_at=journey("A").closed_at, partners="AB",
        milestones={"lead_created": journey("A").closed_at - 9 * DAY},
    )  # fmt: skip
    assert _parts("u_lead", before) == ["2/3", "1/3"]
    assert _weights("milestones", before, milestones=[{"lead_created": "100%"}]) == [0, 0]
    both = [{"lead_created": "50%"}, {"closed": "40%"}]
    assert _parts("milestones", before, milestones=both, between="10%") == ["1/5", "4/5"]


def test_last_non_direct_passes_over_direct_touches_of_its_instant() -> None:
    """A direct touch at the instant of the last other one gets nothing."""
    path = journey("ABC", [DAY, DAY, timedelta(0)], activities=["demo", "direct", "direct"])
    assert _parts("last_non_direct", path, direct=["direct"]) == ["1", "0", "0"]
    assert model("last_non_direct", direct=["direct"]).activities == {"direct"}


def test_partner_totals_do_not_depend_on_activity_weights() -> None:
    """Within a partner the weights divide its total; between partners they change nothing."""
    path = journey("AABA", activity_weights=[1, 2, 9, 3])
    assert _parts("linear_partner", path) == ["1/12", "1/6", "1/2", "1/4"]
    assert _parts("time_decay_ordinal_linear", path) == ["1/18", "1/9", "2/3", "1/6"]
    roles = [Role.SOURCER, Role.CLOSER, Role.CLOSER, Role.SOURCER]
    path = journey("AABA", activity_weights=[1, 2, 9, 3], roles=roles)
    assert _parts("role_weight", path) == ["1/6", "0", "1/3", "1/2"]


def test_partners_that_appear_at_once_share_a_place() -> None:
    """A and B come first together and share the weight 1, C has the weight 2."""
    path = journey("ABC", [DAY, DAY, timedelta(0)])
    assert _parts("time_decay_ordinal_linear", path) == ["1/6", "1/6", "2/3"]


def test_very_old_halvings_are_nothing() -> None:
    """After sixty halvings a weight is zero, so no share is a number of thousands of digits."""
    weights = _weights("time_decay_ordinal_geometric", journey("A" * 70))
    assert weights[-61:] == [2**power for power in range(61)]
    assert not any(weights[:-61])


@pytest.mark.parametrize(
    ("kind", "parameters", "label"),
    [
        ("first", {}, "first touch 100%"),
        ("last", {}, "last touch 100%"),
        ("linear", {}, "linear, every touch alike"),
        (
            "position",
            {"first": "37.5%", "middle": "25%", "last": "37.5%"},
            "position: first 37.5%, middle 25%, last 37.5%",
        ),
        ("time_decay", {"half_life": "7 days"}, "time decay, half-life 7 days before the close"),
        ("j", {"no_middle": "spread"}, "J: first 20%, middle 20%, last 60%; no middle: half of it to each end"),
        (
            "u_lead",
            {"lead_touch": "earliest_sourcing"},
            (
                "U by lead: first touch 40%, lead created 40%, every other touch 20%; "
                "lead created by the earliest sourcing touch"
            ),
        ),
        (
            "w",
            {"several_milestones": "highest", "no_middle": "spread"},
            (
                "W: first touch 30%, lead created 30%, opportunity created 30%, touches between 10%; "
                "no middle: spread over the milestones; several milestones: the highest counts"
            ),
        ),
        ("milestones", {"milestones": [{"demo": "60%"}, {"closed": "40%"}]}, "milestones: demo 60%, closed 40%"),
        ("role_weight", {}, "role: sourcer 40%, influencer 20%, implementer 20%, closer 20%"),
        (
            "stage_weight",
            {"lead": "1.5"},
            "linear by stage: before the lead times 1, lead times 1.5, opportunity times 1",
        ),
    ],
)
def test_labels_name_the_parameters(kind: str, parameters: dict[str, object], label: str) -> None:
    """A model is shown with its figures, and with every choice that is not the default."""
    assert model(kind, **parameters).label == label


def test_the_place_that_led_to_an_instant() -> None:
    """The latest place at or before it; touches of one instant share it, and before the first there is none."""
    path = journey("ABC", [DAY, DAY, timedelta(0)])
    assert [path.rank_at(path.closed_at - age * DAY) for age in (2, 1, 0)] == [None, 0, 1]
    assert [list(path.leading_to(path.closed_at - age * DAY)) for age in (2, 1, 0)] == [[], [0, 1], [2]]


def test_milestones_and_who_holds_them() -> None:
    """A milestone model tells which touchpoint led to each of its milestones; the others treat none apart."""
    path = journey("ABC", [3 * DAY, 2 * DAY, DAY], milestones={"demo": 1})
    found = model("milestones", milestones=[{"demo": "60%"}, {"closed": "40%"}]).holds(path)
    assert {name: list(held) for name, held in found.items()} == {"demo": [1], "closed": [2]}
    assert model("u_first_last").holds(path) == {}


def test_models_are_values() -> None:
    """Having computed something does not make a model another one."""
    used = model("u_first_last")
    used.weights(journey("ABC"))
    assert used == model("u_first_last")
    assert isinstance(used, models.UFirstLast)
