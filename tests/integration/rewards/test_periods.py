"""Months of accounting: closed in order and for ever, never under a poster's feet; balances of any point in time."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest

from services.rewards.domain.journal import Journal
from services.rewards.ledger import period, post
from services.rewards.ledger.period import Closing
from shared.money import to_minor
from tests.integration.rewards.conftest import NewBooks
from tests.integration.rewards.harness import Books, outcomes_on, payment, post_each
from tests.unit.rewards.builders import LATER, activated, decided, partner, usd

MARCH, APRIL, MAY = date(2026, 3, 1), date(2026, 4, 1), date(2026, 5, 1)


def on(day: date, key: str = "k", amount: int = 5) -> Journal:
    return payment(key, amount)._replace(effective_on=day)


async def close(books: Books, *months: date) -> list[Closing]:
    found = []
    for month in months:
        async with books.database.transaction() as connection:
            found.append((await period.close(connection, month, "finance")).outcome)
    return found


async def periods(books: Books) -> list[tuple[str, str, str | None]]:
    """(day it counts, month of accounting, month it adjusts) of every journal."""
    rows = await books.owner.fetch(
        "SELECT effective_on::text, to_char(period, 'YYYY-MM'), to_char(adjusts_period, 'YYYY-MM') "
        "FROM rewards.journal ORDER BY journal_id"
    )
    return [tuple(row) for row in rows]


async def test_what_counts_in_a_closed_month_is_booked_in_the_first_open_one(books: Books) -> None:
    """The real day stays, the month is named; asked for by name, the closed month is refused."""
    await post_each(books, on(date(2026, 3, 31), "a"))
    assert await close(books, MARCH) == [Closing.CLOSED]
    await post_each(books, on(date(2026, 3, 31), "b"), on(date(2025, 7, 4), "c"), on(date(2026, 4, 1), "d"))
    await post_each(books, on(date(2026, 3, 31), "e")._replace(period=MAY))
    for month in (MARCH, date(2024, 1, 1)):
        with pytest.raises(post.PeriodClosed, match=f"the period {month:%Y-%m} is closed"):
            await post_each(books, on(date(2024, 1, 1), "f")._replace(period=month))
    assert await periods(books) == [
        ("2026-03-31", "2026-03", None), ("2026-03-31", "2026-04", "2026-03"), ("2025-07-04", "2026-04", "2025-07"),
        ("2026-04-01", "2026-04", None), ("2026-03-31", "2026-05", "2026-03"),
    ]  # fmt: skip
    assert await outcomes_on(books.database, [on(date(2026, 3, 31), "a")]) == [post.Outcome.DUPLICATE]
    assert (await books.verify()).ok


async def test_a_deal_that_changes_after_the_close_adjusts_the_closed_month(books: Books) -> None:
    """A late touchpoint on a deal of March: the correction keeps March's date and is booked in April."""
    await books.tell(activated(), partner("acme"), decided("D-1", 1, {"acme": 100_000}))
    await close(books, MARCH)
    await books.tell(decided("D-1", 2, {"acme": 50_000}, cause="late"))
    assert await periods(books) == [("2026-03-02", "2026-03", None), ("2026-03-02", "2026-04", "2026-03")]
    async with books.client() as client:
        items = (await client.get("/journals")).json()["items"]
        books_csv = (await client.get("/export")).text
    assert [(item["period"], item["adjusts_period"]) for item in items] == [("2026-03", None), ("2026-04", "2026-03")]
    assert ",2026-04,2026-03," in books_csv
    assert (await books.verify()).ok


async def test_months_are_closed_in_order_and_when_they_are_over(books: Books) -> None:
    """An earlier open month first; not the running one; again is no change; months without a row are closed too."""
    await post_each(books, on(date(2026, 3, 1), "a"), on(date(2026, 5, 1), "b"))
    today = datetime.now(UTC).date().replace(day=1)
    assert await close(books, MAY, today, MARCH, APRIL, MARCH, MAY, date(2020, 1, 1)) == [
        Closing.EARLIER_OPEN, Closing.NOT_OVER, Closing.CLOSED, Closing.CLOSED, Closing.ALREADY, Closing.CLOSED,
        Closing.ALREADY,
    ]  # fmt: skip
    assert (await books.verify()).ok


async def test_a_close_waits_for_posters_and_posters_that_come_later_see_it(books: Books) -> None:
    """A journal under way is in the month when it closes; one that waited for the close goes to the next month."""
    await post_each(books, on(date(2026, 3, 1), "a"))
    async with books.database.transaction() as posting:
        await post.post(posting, [on(date(2026, 3, 2), "b")])
        closing = asyncio.create_task(close(books, MARCH))
        await asyncio.sleep(0.3)
        assert not closing.done()
    assert await closing == [Closing.CLOSED]
    async with books.database.transaction() as connection:
        await period.close(connection, APRIL, "finance")
        waiting = asyncio.create_task(post_each(books, on(date(2026, 4, 2), "c")))
        await asyncio.sleep(0.3)
        assert not waiting.done()
    await waiting
    assert await periods(books) == [
        ("2026-03-01", "2026-03", None), ("2026-03-02", "2026-03", None), ("2026-04-02", "2026-05", "2026-04"),
    ]  # fmt: skip
    assert (await books.verify()).ok


async def test_a_month_without_a_row_is_made_by_its_first_poster_and_not_closed_beneath_it(books: Books) -> None:
    """A journal of long ago, not yet committed, holds up the close of every later month."""
    await post_each(books, on(date(2026, 3, 1), "a"))
    async with books.database.transaction() as posting:
        await post.post(posting, [on(date(2019, 5, 5), "old")])
        closing = asyncio.create_task(close(books, MARCH))
        await asyncio.sleep(0.3)
        assert not closing.done()
    assert await closing == [Closing.EARLIER_OPEN]


async def test_posters_and_closers_at_once_leave_good_books(books: Books) -> None:
    """Four posters over four months while these are closed one after the other: each journal in an open month."""

    async def poster(name: int) -> None:
        for number in range(40):
            await post_each(books, on(date(2026, 1 + number % 4, 3), f"{name}-{number}"))

    async def closer() -> None:
        for month in range(1, 5):
            await asyncio.sleep(0.05)
            while (await close(books, date(2026, month, 1)))[0] is not Closing.CLOSED:
                await asyncio.sleep(0.01)

    await asyncio.gather(*(poster(name) for name in range(4)), closer())
    assert len(await periods(books)) == 160
    assert (await books.verify()).ok


async def test_the_api_lists_and_closes_months(books: Books) -> None:
    """Who closed and when; what must be closed first; who may."""
    await post_each(books, on(date(2026, 3, 1), "a"), on(date(2026, 4, 1), "b"))
    async with books.client("rewards:close", "rewards:read") as client:
        early = await client.post("/periods/2026-04/close")
        assert (early.status_code, early.json()["detail"]) == (409, "Close 2026-03 first.")
        first = await client.post("/periods/2026-03/close")
        assert (first.status_code, first.json()["month"]) == (200, "2026-03")
        assert first.json()["closed_by"].startswith("bank key_")
        assert (await client.post("/periods/2026-03/close")).json() == first.json()
        listed = (await client.get("/periods")).json()
        march = listed["items"][0]
        assert (march["month"], march["closed_at"]) == ("2026-03", first.json()["closed_at"])
        assert march["closable_from"] == "2026-04-01T12:00:00+00:00"
        assert listed["first_open"] == "2026-04"
        running = f"{datetime.now(UTC):%Y-%m}"
        assert (await client.post(f"/periods/{running}/close")).json()["title"] == "Not over"
        for path in ("/periods/2026-13/close", "/periods/1800-01/close", "/periods/x/close"):
            assert (await client.post(path)).status_code == 422
    async with books.client("rewards:read") as client:
        assert (await client.post("/periods/2026-04/close")).status_code == 403
    async with books.client("rewards:close", "rewards:read", partner="acme") as client:
        assert (await client.post("/periods/2026-04/close")).status_code == 403
        assert (await client.get("/periods")).status_code == 403
        assert (await client.get("/balances")).status_code == 403


@pytest.fixture(scope="module")
async def told(new_books: NewBooks) -> AsyncIterator[tuple[Books, list[str]]]:
    """acme earns 80.00 on 2 March; it matures on 1 April; it turns out to be 40.00. The moments after each booking."""
    async with new_books() as books:
        moments = []

        async def moment() -> None:
            moments.append(str((await books.owner.fetchval("SELECT clock_timestamp()")).isoformat()))

        await moment()
        await books.tell(activated(), partner("acme"), decided("D-1", 1, {"acme": 100_000}))
        await moment()
        await books.mature(LATER)
        await moment()
        await books.tell(decided("D-1", 2, {"acme": 50_000}, cause="late"))
        await moment()
        yield books, moments


async def owed(client: httpx.AsyncClient, **at: str) -> tuple[int, int]:
    """acme's (pending, payable) in minor units."""
    (found,) = (await client.get("/partners/acme/balance", params=at)).json()["balances"] or [{}]
    if not found:
        return (0, 0)
    return to_minor(found["pending"]["amount"], "USD"), to_minor(found["payable"]["amount"], "USD")


async def test_a_balance_is_told_as_of_a_day_as_known_at_a_moment(told: tuple[Books, list[str]]) -> None:
    """Effective and recorded time apart and together; without either it is the balance row."""
    books, (start, earned, matured, corrected) = told
    async with books.client() as client:
        assert await owed(client) == (0, 4_000)
        assert await owed(client, as_of="2026-03-01") == (0, 0)
        assert await owed(client, as_of="2026-03-31") == (8_000, -4_000)
        assert await owed(client, as_of="2026-04-01") == (0, 4_000)
        assert [await owed(client, known_at=at) for at in (start, earned, matured, corrected)] == [
            (0, 0), (8_000, 0), (0, 8_000), (0, 4_000)
        ]  # fmt: skip
        assert await owed(client, as_of="2026-03-31", known_at=matured) == (8_000, 0)
        answer = (await client.get("/partners/acme/balance", params={"as_of": "2026-03-31", "known_at": earned})).json()
        assert (answer["as_of"], answer["known_at"]) == ("2026-03-31", earned)
        for wrong in ({"as_of": "2026-02-30"}, {"known_at": "2026-03-31T00:00:00"}, {"known_at": "soon"}):
            assert (await client.get("/partners/acme/balance", params=wrong)).status_code == 422


async def test_all_accounts_sum_to_zero_at_any_point(told: tuple[Books, list[str]]) -> None:
    """For finance: every account over all pages, each currency zero; the sums of now are the balance rows."""
    books, moments = told
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    async with books.client() as client:
        for at in ({}, {"known_at": moments[1]}, {"as_of": "2026-03-31"}, {"known_at": tomorrow}):
            items: list[dict[str, Any]] = []
            cursor = None
            while cursor is not None or not items:
                page = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
                answer = (await client.get("/balances", params=page | at)).json()
                items += answer["items"]
                cursor = answer["next"]
            assert sum(to_minor(item["balance"]["amount"], "USD") for item in items) == 0
            if not at or ("known_at" in at and at["known_at"] == tomorrow):
                assert {(item["account"], item["balance"]["amount"]) for item in items} == {
                    ("expense:commission", "40.00"), ("partner:acme:pending", "0.00"),
                    ("partner:acme:payable", "-40.00"),
                }  # fmt: skip
    assert items[0] == {"account": "expense:commission", "kind": "expense", "partner": None, "balance": usd(4_000)}
