"""Withdrawals: what is refused, in which words, and what is appended."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.ingest.domain import batch, withdrawals
from services.ingest.domain.batch import Form, Refused
from shared.events.touchpoint import TouchpointWithdrawn

GOLDEN = Path(__file__).parents[2] / "contracts" / "golden" / "touchpoint.withdrawn.json"
NOW = datetime(2026, 3, 9, 8, tzinfo=UTC)
GOOD: dict[str, Any] = {"id": "T-1", "reason": "Cancelled."}


def read(body: object, form: Form = Form.JSON) -> list[withdrawals.Withdrawal]:
    return batch.read(json.dumps(body).encode(), withdrawals.SHAPE, withdrawals.objections, form)


def test_the_event_is_the_one_its_consumers_read() -> None:
    """What ingest appends for the golden withdrawal is the golden event, under an id that no touchpoint has."""
    golden = json.loads(GOLDEN.read_text())
    (event,) = withdrawals.events(
        read({"id": " T-1001", "reason": f" {golden['reason']} "}), "brightfield-portal", "brightfield", NOW, "00-trace"
    )
    assert TouchpointWithdrawn.model_validate_json(event.data).model_dump(mode="json") == golden
    assert (event.topic, event.type, event.source, event.time, event.traceparent) == (
        "tributary.touchpoints", "touchpoint.withdrawn", "brightfield-portal", NOW, "00-trace",
    )  # fmt: skip
    assert (event.key, event.id) == ('["brightfield-portal","T-1001"]', '["touchpoint.withdrawn","T-1001"]')


@pytest.mark.parametrize(
    ("change", "field", "complaint"),
    [
        ({"id": ""}, "id", "at least 1"),
        ({"id": 7}, "id", "must be a string"),
        ({"id": "a\x00b"}, "id", "NUL"),
        ({"reason": ""}, "reason", "at least 1"),
        ({"reason": " \t"}, "reason", "at least 1"),
        ({"reason": None}, "reason", "must be a string"),
        ({"reason": "x" * 2_001}, "reason", "at most 2000"),
        ({"partner": "p"}, "partner", "not a field"),
        ({"source": "other"}, "source", "not a field"),
    ],
)
def test_a_wrong_field_is_named_with_the_reason(change: dict[str, Any], field: str, complaint: str) -> None:
    """An id and a reason, and nothing about whose: that is the key's source."""
    with pytest.raises(Refused) as caught:
        read([GOOD | {"id": "before"}, GOOD | change])
    (fault,) = caught.value.faults
    assert fault.field == f"items[1].{field}"
    assert complaint in fault.message


def test_both_fields_are_asked_for() -> None:
    """Without a reason nothing is withdrawn."""
    with pytest.raises(Refused) as caught:
        read({})
    assert [(fault.field, fault.message) for fault in caught.value.faults] == [
        ("id", "is required"), ("reason", "is required"),
    ]  # fmt: skip


def test_a_touchpoint_is_withdrawn_for_one_reason() -> None:
    """The same twice is harmless; two reasons are not; a thousand are the most."""
    assert len(read([GOOD, GOOD])) == 2
    for body, field in (([GOOD, GOOD | {"reason": "Other."}], "items[1].id"), ([GOOD] * 1_001, "items")):
        with pytest.raises(Refused) as caught:
            read(body)
        assert [fault.field for fault in caught.value.faults] == [field]


def test_a_cloud_event_carries_one() -> None:
    """As touchpoints do."""
    event = {"specversion": "1.0", "type": "touchpoint.withdrawn", "source": "/eu", "id": "e", "data": GOOD}
    assert read(event, Form.EVENT) == read([event], Form.EVENTS) == read(GOOD)
