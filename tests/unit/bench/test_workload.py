"""The benchmarks' input: accepted by ingest as it is, and credited in full."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest

from bench import workload
from bench.workload import Workload
from services.attribution.domain import credit
from services.attribution.domain.facts import Deal, Touch
from services.attribution.domain.policy import Rules
from services.ingest.domain import batch, deals, touchpoints
from shared import money, program
from shared.events.credit import Status
from shared.events.deal import Stage

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)


@pytest.fixture
def load() -> Workload:
    return Workload(accounts=40, per_account=7, now=NOW)


def test_the_same_seed_makes_the_same_input(load: Workload) -> None:
    """A run can be repeated: everything follows from the seed and the time."""
    again = Workload(accounts=40, per_account=7, now=NOW)
    assert list(load.touchpoints()) == list(again.touchpoints())
    assert list(load.deals()) == list(again.deals())


def test_ingest_accepts_all_of_it(load: Workload) -> None:
    """Every touchpoint and deal passes ingest's own checks, and no id comes twice."""
    rules = touchpoints.Rules(frozenset(load.activities), NOW, None, history=False)
    read = [
        item
        for body in workload.bodies(load.touchpoints(), 100)
        for item in batch.read(body, touchpoints.SHAPE, rules.objections)
    ]
    assert len({item["id"] for item in read}) == load.touchpoint_count
    body = orjson.dumps(list(load.deals()))
    assert len(batch.read(body, deals.SHAPE, lambda numbered: deals.objections(numbered, NOW))) == load.accounts


def test_every_touchpoint_takes_part(load: Workload) -> None:
    """By the production rules each deal is credited by all touchpoints of its account, reported today."""
    rules = Rules([program.parse(workload.program())])
    happened = list(load.happened())
    for account in range(load.accounts):
        touches = [
            Touch("s", load.touchpoint_id(of, place), load.partner(of, place), activity, at, NOW)
            for of, place, activity, at in happened
            if of == account
        ]
        deal = Deal(
            "s", "d", Stage.WON, amount_minor=load.amount_minor(account), currency=workload.CURRENCY,
            closed_at=load.closed_at(account),
        )  # fmt: skip
        decision = credit.decide(deal, touches, rules)
        assert (decision.status, decision.touchpoints, decision.unattributed_minor) == (Status.CREDITED, 7, 0)
        assert len(decision.shares) == workload.PARTNERS_PER_ACCOUNT


def test_a_later_version_is_worth_more(load: Workload) -> None:
    """A further version of a deal keeps its id and changes its amount, so that its credit must change."""
    first, second = load.deal(3), load.deal(3, version=2, more_minor=100)
    assert first["id"] == second["id"]
    amounts = [money.to_minor(deal["amount"]["amount"], workload.CURRENCY) for deal in (first, second)]
    assert amounts[1] - amounts[0] == 100
