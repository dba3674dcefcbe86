"""Orders to re-rate through the API: past deals pay by another version, and the books name the order."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import asyncpg
import httpx
import pytest

from services.rewards import roles
from services.rewards.handler import Facts
from tests.integration.rewards.harness import Books
from tests.unit.rewards.builders import activated, decided, messages, partner, planned

GOLD = "expense:commission USD"
ORDER = {
    "program": "northwind", "version": 2, "first": "2026-03-01", "last": "2026-03-31",
    "reason": "the first quarter pays the new rates", "reference": "board minutes 7",
}  # fmt: skip
RICH = activated(2, rates={"silver": "6%", "gold": "10%"})


@pytest.fixture
async def desk(books: Books) -> AsyncIterator[httpx.AsyncClient]:
    """Two deals of March and one of April under version 1 (8%), and a version 2 that pays 10%."""
    await books.tell(
        activated(), RICH, partner("acme"), decided("D-1", 1, {"acme": 100_000}),
        decided("D-2", 1, {"acme": 50_000}, governed_on=date(2026, 3, 31)),
        decided("D-3", 1, {"acme": 10_000}, governed_on=date(2026, 4, 1)),
    )  # fmt: skip
    async with books.client("rewards:read", "rewards:adjust") as client:
        yield client


async def order(client: httpx.AsyncClient, key: str | None = "o-1", **changes: object) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    body = {name: value for name, value in (ORDER | changes).items() if value is not ...}
    return await client.post("/re-rates", json=body, headers=headers)


async def test_an_order_books_the_differences_and_names_itself(desk: httpx.AsyncClient, books: Books) -> None:
    """The deals of its days by the new version, the next day's as before; nothing posted was changed."""
    assert (await books.balances())[GOLD] == 12_800
    before = await books.database.pool.fetch("SELECT * FROM rewards.journal ORDER BY journal_id")
    made = await order(desk)
    assert made.status_code == 201
    assert (made.json()["id"], made.json()["version"]) == (1, 2)
    await books.settle()
    assert (await books.balances())[GOLD] == 15_800
    after = await books.database.pool.fetch("SELECT * FROM rewards.journal ORDER BY journal_id")
    assert after[: len(before)] == before
    assert [(row["deal_id"], row["kind"]) for row in after[len(before) :]] == [
        ("D-1", "adjustment"), ("D-2", "adjustment")
    ]  # fmt: skip
    assert all("re-rate 1 ordered" in json.loads(row["reason"])["cause"] for row in after[len(before) :])
    assert {row["program_version"] for row in after[len(before) :]} == {2}
    assert (await books.verify()).ok


async def test_the_last_order_counts_and_takes_the_deals_back_too(desk: httpx.AsyncClient, books: Books) -> None:
    """An order back to version 1 for one of the deals leaves the other."""
    await order(desk)
    await order(desk, "o-2", version=1, first="2026-03-31", reason="not the last day")
    await books.settle()
    assert (await books.balances())[GOLD] == 10_000 + 4_000 + 800
    await order(desk, "o-3", version=1, reason="all of it back")
    await books.settle()
    assert (await books.balances())[GOLD] == 12_800
    listed = (await desk.get("/re-rates")).json()["items"]
    assert [(item["id"], item["version"]) for item in listed] == [(1, 2), (2, 1), (3, 1)]
    assert (await desk.get("/re-rates?program=other")).json()["items"] == []
    assert (await books.verify()).ok


async def test_an_order_is_given_once_however_often_it_is_sent(desk: httpx.AsyncClient, books: Books) -> None:
    """One row, one line of the trail; another body under the key is refused."""
    answers = await asyncio.gather(*(order(desk) for _ in range(6)))
    assert {(answer.status_code, answer.json()["id"]) for answer in answers} == {(201, 1)}
    for change in (
        {"version": 1},
        {"first": "2026-03-02"},
        {"last": "2026-03-30"},
        {"reason": "x"},
        {"reference": "x"},
    ):
        reused = await order(desk, **change)
        assert (reused.status_code, reused.json()["title"]) == (422, "Idempotency-Key reused")
    for key in (None, " "):
        assert (await order(desk, key)).status_code == 400
    trail = (await desk.get("/audit")).json()["items"]
    assert [(item["action"], item["outcome"]) for item in trail] == [("re-rate ordered", "1")]
    assert trail[0]["request"]["reference"] == "board minutes 7"
    assert await books.database.pool.fetchval("SELECT count(*) FROM rewards.dirty") == 2


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"version": 9}, 404, "no version 9 of program 'northwind'"),
        ({"program": "southwind"}, 404, "no version 2 of program 'southwind'"),
        ({"first": "2026-04-01"}, 422, "must not be after `last`"), ({"reason": " "}, 422, "must not be empty"),
        ({"reference": ...}, 422, "reference"), ({"extra": 1}, 422, "extra"), ({"version": 0}, 422, "version"),
        ({"first": "soon"}, 422, "first"), ({"version": 3}, 422, "compensation"),
    ],
)  # fmt: skip
async def test_an_order_that_makes_no_sense_is_refused(
    desk: httpx.AsyncClient, books: Books, changes: dict[str, Any], status: int, said: str
) -> None:  # fmt: skip
    """By name, and nothing is marked; version 3 is of a release that knew other words."""
    await books.owner.execute(
        "INSERT INTO rewards.program_version SELECT program, 3, document #- '{compensation,plans}', received_at, 'x' "
        "FROM rewards.program_version WHERE version = 1"
    )
    answer = await order(desk, **changes)
    assert (answer.status_code, said in answer.text) == (status, True)
    assert await books.database.pool.fetchval("SELECT count(*) FROM rewards.dirty") == 0
    assert (await desk.get("/re-rates")).json()["items"] == []


async def test_orders_take_their_scope_and_no_partner_sees_them(desk: httpx.AsyncClient, books: Books) -> None:
    """A key that reads may not order; one bound to a partner may neither order nor list."""
    async with books.client("rewards:read") as reader:
        assert (await order(reader)).status_code == 403
    async with books.client("rewards:read", "rewards:adjust", partner="acme") as bound:
        assert (await order(bound)).status_code == 403
        assert (await bound.get("/re-rates")).status_code == 403
    assert (await desk.get("/re-rates")).json()["items"] == []


async def test_an_order_waits_for_credit_that_is_being_stored(desk: httpx.AsyncClient, books: Books) -> None:
    """So that neither misses the other."""
    async with books.database.transaction() as storing:
        await Facts().store(storing, messages(decided("D-9", 1, {"acme": 10_000})))
        second = asyncio.create_task(order(desk))
        done, _ = await asyncio.wait([second], timeout=0.3)
        assert not done
    assert (await second).status_code == 201
    await books.settle()
    assert (await books.balances())[GOLD] == 15_800 + 1_000


async def test_an_order_may_bring_a_plan_that_adds_up_deals(desk: httpx.AsyncClient, books: Books) -> None:
    """The deals of its days enter the span of the version they pay by now, and leave it again."""
    capped = {"influence": {"rate": {"silver": "6%", "gold": "10%"}, "caps": [{"amount": 110, "per": "year"}]}}
    await books.tell(planned(3, plans=capped, pays_in="program_currency"))
    await order(desk, version=3)
    await books.settle()
    assert (await books.balances())[GOLD] == 11_000 + 800
    assert (await books.verify()).ok
    await order(desk, "o-2", version=1)
    await books.settle()
    assert (await books.balances())[GOLD] == 12_800
    assert (await books.verify()).ok


async def test_orders_are_only_added_to(desk: httpx.AsyncClient, books: Books) -> None:
    """The service lacks the right, and the owner meets the guard, in replication mode too."""
    await order(desk)
    for statement in ("UPDATE rewards.rerate SET version = 1", "DELETE FROM rewards.rerate", "TRUNCATE rewards.rerate"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await books.database.pool.execute(statement)
        for mode in (f"SET LOCAL ROLE {roles.OWNER}", "SET LOCAL session_replication_role = replica"):
            async with books.superuser(mode) as connection:
                with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
                    await connection.execute(statement)
