"""The example year is reproducible, accepted by the doors it is made for, and as untidy as it says."""

import json
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta

import pytest

from examples import northwind, oddities, words
from services.ingest.domain import batch, deals, document, partners, touchpoints
from shared import program
from shared.models import Position

ANCHORS = (date(2026, 3, 31), date(2028, 2, 29))
YEAR = northwind.generate(northwind.SEED, ANCHORS[0])
NOW = datetime.combine(ANCHORS[0], time.min, UTC)


def rules() -> program.Program:
    return document.read_yaml(YEAR.program.encode()).parse()


def test_the_same_seed_and_day_give_the_same_year() -> None:
    """Two people who run the demo with one seed on one day see the same figures."""
    assert northwind.generate(northwind.SEED, ANCHORS[0]) == YEAR
    assert northwind.generate(northwind.SEED + 1, ANCHORS[0]).touchpoints != YEAR.touchpoints


@pytest.mark.parametrize("anchor", ANCHORS)
@pytest.mark.parametrize("seed", [1, northwind.SEED, 99])
def test_it_has_the_promised_size(seed: int, anchor: date) -> None:
    """12 partners, 150 deals and 2,000 touchpoints, whatever the seed and the day."""
    year = northwind.generate(seed, anchor)
    assert len({partner["id"] for partner in year.partners}) == 12
    assert len({deal["id"] for deal in year.deals}) == len(year.deals) == 150
    assert len({touch["id"] for touch in year.touchpoints}) == len(year.touchpoints) == 2_000
    assert {change["id"] for change in year.changes} <= {deal["id"] for deal in year.deals}


@pytest.mark.parametrize("anchor", ANCHORS)
def test_ingest_accepts_every_body(anchor: date) -> None:
    """No body is refused by the checks of the HTTP doors, sent on the morning of the anchor."""
    year = northwind.generate(northwind.SEED, anchor)
    now = datetime.combine(anchor, time.min, UTC)
    known = rules()
    history = touchpoints.Rules(frozenset(known.activities), now, None, history=True)
    tiers = partners.Rules(frozenset(known.tiers))
    for start in range(0, len(year.touchpoints), batch.MAX_ITEMS):
        chunk = json.dumps(year.touchpoints[start : start + batch.MAX_ITEMS]).encode()
        assert batch.read(chunk, touchpoints.SHAPE, history.objections)
    assert batch.read(json.dumps(year.repeats).encode(), touchpoints.SHAPE, history.objections)
    assert batch.read(json.dumps([{**year.late, "id": "x"}]).encode(), touchpoints.SHAPE, history.objections)
    for snapshots in (year.deals, year.changes):
        assert batch.read(json.dumps(snapshots).encode(), deals.SHAPE, lambda numbered: deals.objections(numbered, now))
    assert batch.read(json.dumps(year.partners).encode(), partners.SHAPE, tiers.objections)


def test_the_program_says_what_the_example_is_about() -> None:
    """Position 40/20/40, 180 days back, 14 days grace; 3, 5 and 8 % by tier, held for 30 days."""
    known = rules()
    assert known.attribution.model == Position(kind="position", first="40%", middle="20%", last="40%")
    assert (known.attribution.considers.lookback, known.attribution.considers.grace) == (180, 14)
    plan = known.compensation.plans["influence"]
    assert {tier: int(rate * 100) for tier, rate in (plan.rate or {}).items()} == {
        "registered": 3,
        "silver": 5,
        "gold": 8,
    }
    assert plan.hold == 30


def test_every_deal_is_governed_by_the_program() -> None:
    """No close lies before the program's first day, and nothing but forecasts lies after the anchor."""
    known = rules()
    for deal in (*YEAR.deals, *YEAR.changes):
        closed_at = datetime.fromisoformat(deal["closed_at"])
        assert closed_at.date() >= known.effective_from
        assert deal["stage"] == "open" or closed_at < NOW
    assert all(touch["occurred_at"] <= touch["reported_at"] <= oddities.stamp(NOW) for touch in YEAR.touchpoints)


def test_history_is_untidy() -> None:
    """Late, too old, after the close, unidentified, without a deal, repeated, reopened, refunded: all of it occurs."""
    closes: dict[str, list[datetime]] = {}
    for deal in YEAR.deals:
        if deal["stage"] == "won":
            closes.setdefault(deal["account"]["domain"], []).append(datetime.fromisoformat(deal["closed_at"]))
    seen: Counter[str] = Counter()
    with_deals = {deal["account"]["domain"] for deal in YEAR.deals}
    for touch in YEAR.touchpoints:
        domain = touch["account"].get("domain")
        seen["name alone"] += domain is None
        seen["free mail"] += domain in words.SHARED_DOMAINS
        seen["no deal"] += domain not in with_deals
        happened, reported = (datetime.fromisoformat(touch[name]) for name in ("occurred_at", "reported_at"))
        for close in closes.get(domain or "", []):
            seen["after close"] += happened > close
            seen["outside lookback"] += happened < close - timedelta(days=180)
            seen["too late"] += happened <= close and reported > close + timedelta(days=14)
    first = {deal["id"]: deal for deal in YEAR.deals}
    for change in YEAR.changes:
        before = first[change["id"]]
        seen["reopened"] += change["stage"] == "open"
        seen["cancelled"] += before["stage"] == "won" and change["stage"] == "lost"
        seen["refunded"] += float(change["amount"]["amount"]) * 2 < float(before["amount"]["amount"])
    expected = {
        "name alone", "free mail", "no deal", "after close", "outside lookback", "too late", "reopened", "cancelled",
        "refunded",
    }  # fmt: skip
    assert expected <= {name for name, count in seen.items() if count}, seen
    assert set(map(_key, YEAR.repeats)) < set(map(_key, YEAR.touchpoints))


def test_most_won_deals_have_several_partners() -> None:
    """Credit is split, for that is what the example is to show."""
    partners_of: dict[str, set[str]] = {}
    for touch in YEAR.touchpoints:
        partners_of.setdefault(touch["account"].get("domain", ""), set()).add(touch["partner"])
    won = [deal for deal in YEAR.deals if deal["stage"] == "won"]
    several = [deal for deal in won if len(partners_of.get(deal["account"]["domain"], ())) > 1]
    assert len(several) > len(won) * 0.7


def _key(touch: northwind.JsonObject) -> str:
    return json.dumps(touch, sort_keys=True)
