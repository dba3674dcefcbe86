"""Sending when the service is away, too small, or not the one expected; the usual way is tested on the real service."""

import json
from collections.abc import Callable

import httpx
import pytest

from tributary.imports import sending
from tributary.imports.mapping import Kind
from tributary.imports.rows import Row
from tributary.imports.sending import Door, Item, Stopped

ITEMS = [Item(Row(n + 2, (str(n),)), {"id": str(n)}) for n in range(4)]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "FIRST_WAIT_S", 0.0)


def door(answer: Callable[[httpx.Request], httpx.Response]) -> Door:
    return Door(httpx.Client(base_url="http://ingest", transport=httpx.MockTransport(answer)), Kind.DEALS)


def test_a_service_that_comes_back_gets_the_same_items_again() -> None:
    """503 and a broken connection are waited out."""
    bodies = []

    def flaky(request: httpx.Request) -> httpx.Response:
        bodies.append(request.content)
        if len(bodies) == 1:
            return httpx.Response(503)
        if len(bodies) == 2:
            raise httpx.ReadError("reset")
        return httpx.Response(202)

    assert door(flaky).send(ITEMS) == []
    assert bodies == [bodies[0]] * 3


def test_a_service_that_stays_away_stops_the_import_with_the_remedy() -> None:
    """After a bounded number of tries."""

    def away(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(Stopped, match=r"ConnectError.*tributary up.*run the same import again"):
        door(away).send(ITEMS)


def test_refused_items_are_set_aside_and_the_rest_is_sent() -> None:
    """Also when the answer does not name them all at once."""

    def picky(request: httpx.Request) -> httpx.Response:
        ids = [item["id"] for item in json.loads(request.content)]
        odd = [n for n, id_ in enumerate(ids) if int(id_) % 2]
        if not odd:
            return httpx.Response(202)
        return httpx.Response(422, json={"errors": [{"field": f"items[{odd[0]}].id", "message": "is odd"}]})

    refused = door(picky).send(ITEMS)
    assert [(bad.row.line, bad.reason) for bad in refused] == [(3, "id: is odd"), (5, "id: is odd")]


def test_a_batch_too_large_is_halved_and_an_item_too_large_refused() -> None:
    """Down to the one that alone is beyond the limit."""

    def small(request: httpx.Request) -> httpx.Response:
        items = json.loads(request.content)
        too_large = len(items) > 2 or any(item["id"] == "3" for item in items)
        return httpx.Response(413, json={"title": "Body too large"}) if too_large else httpx.Response(202)

    assert [bad.row.line for bad in door(small).send(ITEMS)] == [5]


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (httpx.Response(401, json={"title": "Unauthorized", "detail": "unknown key"}), "401 Unauthorized.*unknown key"),
        (httpx.Response(409, json={"title": "No program", "detail": "activate one"}), "activate one"),
        (httpx.Response(200, text="<html>"), "is it Tributary"),
    ],
)
def test_an_answer_about_the_whole_request_stops_the_import(answer: httpx.Response, complaint: str) -> None:
    """With the words of the service."""
    with pytest.raises(Stopped, match=complaint):
        door(lambda _: answer).send(ITEMS)
