"""The allocation of money against the reference cases, which live beside the checkout."""

from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise

from shared.models.base import whole
from shared.money import allocate
from tests.unit.shared.models_support import oracle


def _weights(given: Mapping[str, int | str]) -> dict[str, int]:
    return dict(zip(given, whole([Fraction(weight) for weight in given.values()]), strict=True))


def test_every_reference_allocation_comes_out() -> None:
    """Every part to the unit; parts in cash are multiples of the smallest coin."""
    cases = oracle("money.json")["cases"]
    for case in cases:
        inputs = case["inputs"]
        step = inputs.get("cash_step_minor", 1)
        amount, rest = divmod(inputs["amount_minor"], step)
        parts = {key: part * step for key, part in allocate(amount, _weights(inputs["weights"])).items()}
        assert not rest
        assert parts == case["expected"], case["id"]
        assert all(parts != wrong["result"] for wrong in case.get("wrong_results", ()))
    assert len(cases) >= 22


def test_every_reference_sequence_comes_out() -> None:
    """A correction is the difference of two full allocations; a full reversal leaves everybody at zero."""
    sequences = {case["id"]: case for case in oracle("money.json")["sequences"]}
    two_levels = sequences.pop("partner_then_touch")
    for case in sequences.values():
        totals = [allocate(amount, _weights(case["inputs"]["weights"])) for amount in case["inputs"]["amounts_minor"]]
        deltas = [{key: after[key] - before[key] for key in after} for before, after in pairwise(totals)]
        booked = {key: totals[0][key] + sum(delta[key] for delta in deltas) for key in totals[0]}
        found = {"first": totals[0], "delta": deltas[0], "final": booked}
        assert case["expected"].items() <= found.items(), case["id"]
    touches = two_levels["inputs"]["touch_shares"]
    weights = _weights({touch["touch"]: touch["share"] for touch in touches})
    owner = {touch["touch"]: touch["partner"] for touch in touches}
    groups = {partner: {t: w for t, w in weights.items() if owner[t] == partner} for partner in owner.values()}
    partners = allocate(two_levels["inputs"]["amount_minor"], {p: sum(group.values()) for p, group in groups.items()})
    parts = {t: part for p, group in groups.items() for t, part in allocate(partners[p], group).items()}
    assert {"partners": partners, "touches": parts} == two_levels["expected"]
