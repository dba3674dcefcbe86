"""The small pure parts of the kit."""

from datetime import UTC, datetime
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import http, keys, retry
from shared.dead_letters import RefusalLimit, TooManyRefused
from shared.events import envelope


def test_delays_double_up_to_a_bound() -> None:
    """The wait grows, and stays bearable."""
    assert list(islice(retry.delays(), 9)) == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_single_refusals_in_a_long_stream_are_tolerated() -> None:
    """One poison message in a hundred never stops the consumer."""
    limit = RefusalLimit()
    for _ in range(1_000):
        limit.count(100, 1)


def test_a_run_of_refusals_stops_whatever_went_before() -> None:
    """A bad deploy is noticed within about a window of messages."""
    limit = RefusalLimit()
    for _ in range(100):
        limit.count(100, 0)
    limit.count(100, 100)
    limit.count(100, 100)
    with pytest.raises(TooManyRefused):
        limit.count(100, 100)


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_packed_keys_are_unambiguous(parts: list[str]) -> None:
    """Whatever characters ids hold, a packed key gives back its parts."""
    assert keys.unpack(keys.pack(*parts)) == tuple(parts)


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_cursors_give_back_their_values(values: list[str]) -> None:
    """A cursor is opaque outside and exact inside."""
    assert http.decode_cursor(http.encode_cursor(*values)) == tuple(values)


@given(st.text(max_size=60))
def test_a_made_up_cursor_is_a_problem_and_never_a_crash(cursor: str) -> None:
    """Any other text is refused by name, or happens to be a valid cursor."""
    problems: list[http.Problem] = []
    values: tuple[str, ...] = ()
    try:
        values = http.decode_cursor(cursor)
    except http.Problem as problem:
        problems.append(problem)
    assert all(isinstance(value, str) for value in values)
    assert [(p.status, p.errors[0].field) for p in problems] in ([], [(422, "cursor")])


def test_an_event_carries_cloudevents_attributes_as_headers() -> None:
    """Binary mode: source and id identify the event for ever, the trace travels along."""
    event = envelope.Event(
        "t", "k", "touchpoint.recorded", "crm", "T-1", datetime(2026, 1, 2, tzinfo=UTC), b"{}", "00-1-2-01"
    )
    assert dict(envelope.headers(event)) == {
        "content-type": b"application/json", "ce_specversion": b"1.0", "ce_id": b"T-1", "ce_source": b"crm",
        "ce_type": b"touchpoint.recorded", "ce_time": b"2026-01-02T00:00:00+00:00", "traceparent": b"00-1-2-01",
    }  # fmt: skip
