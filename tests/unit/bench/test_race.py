"""The race: both sides have the same journeys, and a result that is fast but wrong does not count."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import orjson
import pytest

from bench import race
from bench.race import Deals, Load
from shared.models import Journey, Linear, TimeDecayOrdinalLinear

ROOT = Path(__file__).parents[3]
LOAD = Load(
    names=["p000", "p001"], lengths=[3, 1], partners=[0, 1, 0, 1], hours=[48.0, 24.5, 1.0, 7.25], won=[True, False],
    amounts=[100.01, 55.5],
)  # fmt: skip


def test_journeys_are_as_they_were_written_down(tmp_path: Path) -> None:
    """Touches are cut into journeys in their order, with the hours before the close as instants."""
    file = tmp_path / "journeys.json"
    file.write_bytes(orjson.dumps({name: getattr(LOAD, name) for name in Load.__slots__}))
    load = Load.read(file)
    first, second = load.journeys()
    assert first.partners == ["p000", "p001", "p000"]
    assert [first.closed_at - instant for instant in first.instants] == [
        timedelta(hours=hours) for hours in (48, 24.5, 1)
    ]
    assert all(earlier < later for earlier, later in pairwise(first.instants))
    assert second.partners == ["p001"]
    assert load.amounts_minor() == [10_001, 5_550]


def test_won_deals_are_split_to_the_cent() -> None:
    """Lost journeys get nothing, unless all are asked for; the odd cent is somewhere."""
    deals = Deals.of(LOAD)
    linear = Linear(kind="linear")
    assert deals.split_won(linear) == [{"p000": 6_667, "p001": 3_334}]
    assert deals.split_all(linear) == [{"p000": 6_667, "p001": 3_334}, {"p001": 5_550}]
    deals.check(deals.split_won(linear))
    with pytest.raises(AssertionError, match="do not sum"):
        deals.check([{"p000": 6_667, "p001": 3_333}])


def test_nothing_computed_is_kept_for_the_next_repetition() -> None:
    """A journey's kept ranks would spare us work that a peer does every time."""
    deals = Deals.of(LOAD)
    before = [set(vars(journey)) for journey in deals.journeys]
    deals.split_all(TimeDecayOrdinalLinear(kind="time_decay_ordinal_linear"))
    assert [set(vars(journey)) for journey in deals.journeys] != before
    deals.forget()
    assert [set(vars(journey)) for journey in deals.journeys] == before
    assert isinstance(deals.journeys[0], Journey)


def test_a_peer_may_differ_by_rounding_alone() -> None:
    """A cent per deal is rounding; more, or a partner the other side does not know, is another result."""
    found = [{"p000": 6_667, "p001": 3_334}, {"p000": 1}]
    race.compare(found, {"p000": 66.673, "p001": 33.336666, "p999": 0.0}, 100)
    with pytest.raises(AssertionError, match=r"p001 is given 33\.34"):
        race.compare(found, {"p000": 66.673, "p001": 33.36}, 100)
    with pytest.raises(AssertionError, match="p000 is given"):
        race.compare(found, {"p001": 33.336666}, 100)
    with pytest.raises(AssertionError, match="p999"):
        race.compare(found, {"p000": 66.673, "p001": 33.336666, "p999": 0.5}, 100)


def test_the_full_workload_is_the_published_one() -> None:
    """Other figures than the published ones end the run; a smaller workload has none."""
    published = {**race.PUBLISHED, "paths": 57_442}
    race.check_published(published, 12, race.JOURNEYS)
    race.check_published({"touches": 5}, 12, 1)
    with pytest.raises(AssertionError, match="500674"):
        race.check_published({**published, "touches": 500_674}, 12, race.JOURNEYS)


def test_the_peers_stay_out_of_the_project() -> None:
    """Who we race against is locked on its own, and nothing under the GPL is among them."""
    peers = (ROOT / "bench" / "peers.lock").read_text(encoding="utf-8").lower()
    ours = (ROOT / "requirements.lock").read_text(encoding="utf-8").lower()
    for name in ("marketing-attribution-models", "mta", "shapley-attribution", "numpy"):
        assert f"\n{name}==" in peers
        assert f"\n{name}==" not in ours
    assert "channelattribution" not in peers
