"""Merges of partners: what is refused, in which words, and what is appended."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from services.ingest.domain import batch, partner_merges
from services.ingest.domain.batch import Refused
from shared.events.directory import PartnerMerged

GOLDEN = Path(__file__).parents[2] / "contracts" / "golden" / "partner.merged.json"
NOW = datetime(2026, 4, 1, 8, tzinfo=UTC)
GOOD: dict[str, Any] = {"id": "m", "partner": "p", "into": "q", "evidence": "e"}


def read(body: object) -> list[partner_merges.PartnerMerge]:
    return batch.read(json.dumps(body).encode(), partner_merges.SHAPE, partner_merges.objections)


def test_the_event_is_the_one_its_consumers_read() -> None:
    """Without a day and a version of its own, the merge counts from today: the golden one. The key is the partner."""
    golden = json.loads(GOLDEN.read_text())
    body = {key: golden[key] for key in ("id", "partner", "into", "evidence")}
    (event,) = partner_merges.events(read(body), "portal", NOW, None)
    assert PartnerMerged.model_validate_json(event.data).model_dump(mode="json") == golden
    assert (event.topic, event.type, event.key) == ("tributary.directory", "partner.merged", "summit")
    assert event.id == '["partner.merged","summit-joins-brightfield","1775030400000000"]'


@pytest.mark.parametrize(("stated", "found"), [(None, "2026-03-31"), ("2025-07-01", "2025-07-01")])
def test_today_is_that_of_utc_and_history_changes_on_demand_alone(stated: str | None, found: str) -> None:
    """In Tokyo the first of April has begun; in UTC it has not. An earlier day must be asked for."""
    tokyo = datetime(2026, 4, 1, 8, tzinfo=timezone(timedelta(hours=9)))
    (event,) = partner_merges.events(read(GOOD | {"effective_from": stated}), "s", tokyo, None)
    assert json.loads(event.data)["effective_from"] == found


@pytest.mark.parametrize(
    ("change", "field", "complaint"),
    [
        ({"into": "p"}, "into", "is the partner itself"),
        ({"into": " p "}, "into", "is the partner itself"),
        ({"into": ""}, "into", "at least 1"),
        ({"partner": None}, "partner", "must be a string"),
        ({"evidence": " "}, "evidence", "at least 1"),
        ({"evidence": None}, "evidence", "must be a string"),
        ({"effective_from": "soon"}, "effective_from", "not a date"),
        ({"version": 2**63}, "version", "less than or equal to"),
        ({"undone": "yes"}, "undone", "boolean"),
        ({"tier": "gold"}, "tier", "not a field"),
    ],
)
def test_a_wrong_field_is_named_with_the_reason(change: dict[str, Any], field: str, complaint: str) -> None:
    """Two partners, and what shows that they are one."""
    with pytest.raises(Refused) as caught:
        read([GOOD | {"id": "before"}, GOOD | change])
    (fault,) = caught.value.faults
    assert fault.field == f"items[1].{field}"
    assert complaint in fault.message


def test_one_version_says_one_thing() -> None:
    """Undoing is a higher version of the same id."""
    assert len(read([GOOD | {"version": 1}, GOOD | {"version": 2, "undone": True}])) == 2
    with pytest.raises(Refused) as caught:
        read([GOOD, GOOD | {"into": "r"}])
    assert [fault.field for fault in caught.value.faults] == ["items[1].id"]
