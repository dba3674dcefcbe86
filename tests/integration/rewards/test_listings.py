"""The lists of earnings and of entries: filters, sums that agree with the books, pages, and what a partner sees."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.integration.rewards.conftest import NewBooks
from tests.integration.rewards.harness import Books
from tests.unit.rewards.builders import LATER, activated, decided, partner, usd


@pytest.fixture(scope="module")
async def shown(new_books: NewBooks) -> AsyncIterator[Books]:
    """Two partners on two deals of March and one in yen; D-1 is halved, holds end, and acme is paid 10.00."""
    async with new_books() as books:
        await books.tell(
            activated(), partner("acme"), partner("bolt"),
            decided("D-1", 1, {"acme": 100_000, "bolt": 50_000}), decided("D-2", 1, {"bolt": 20_000}),
            decided("D-3", 1, {"acme": 60}, currency="JPY"),
        )  # fmt: skip
        await books.tell(decided("D-1", 2, {"acme": 50_000, "bolt": 50_000}, cause="amount halved"))
        await books.mature(LATER)
        paid = {"partner": "acme", "amount": usd(1_000), "paid_on": "2026-05-01", "reference": "bank 1"}
        async with books.client() as client:
            assert (await client.post("/payments", json=paid, headers={"Idempotency-Key": "p"})).status_code == 201
        yield books


async def items(client: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


@pytest.mark.parametrize(
    ("by", "lines"),
    [
        ("deal", [("D-1", "80.00"), ("D-2", "16.00"), ("D-3", "5")]),
        ("partner", [("acme", "5"), ("acme", "40.00"), ("bolt", "56.00")]),
        ("plan", [("influence", "5"), ("influence", "96.00")]),
        ("period", [("2026-03", "5"), ("2026-03", "96.00"), ("2026-04", "0"), ("2026-04", "0.00")]),
    ],
)
async def test_earnings_are_added_up_as_asked_for(shown: Books, by: str, lines: list[tuple[str, str]]) -> None:
    """Payments are no earnings, and currencies are never added together."""
    async with shown.client() as client:
        found = await items(client, f"/earnings?by={by}")
    told = [(one[by]["id"] if by == "deal" else one[by], one["earned"]["amount"]) for one in found]
    assert told == lines
    pending = {one["pending"]["amount"] for one in found}
    assert pending == ({"5", "96.00", "-5", "-96.00"} if by == "period" else {"0", "0.00"})  # the hold ended in April


async def test_filters_choose_and_agree_with_the_balances(shown: Books) -> None:
    """Each alone and together; a partner's earnings less its payments are what its accounts hold."""
    async with shown.client() as client:
        (mine,) = await items(client, "/earnings?by=partner&partner=acme&currency=USD")
        (one,) = await items(client, "/earnings?deal_source=crm&deal=D-1&partner=bolt")
        none = await items(client, "/earnings?plan=other")
        april = await items(client, "/earnings?period=2026-04&partner=acme&currency=USD&by=deal")
        entries = await items(client, "/entries?partner=acme&currency=USD&role=payable")
    assert (mine["earned"], one["earned"], none) == (usd(4_000), usd(4_000), [])
    assert (april[0]["pending"], april[0]["matured"]) == (usd(-4_000), usd(4_000))
    assert entries[-1]["balance_after"] == usd(-3_000)
    assert (await shown.balances())["partner:acme:payable USD"] == -3_000


@pytest.mark.parametrize("path", ["/entries", "/earnings", "/earnings?by=partner", "/earnings?by=period"])
async def test_pages_together_are_the_list(shown: Books, path: str) -> None:
    """One line at a time gives the same lines, and ends."""
    join = "&" if "?" in path else "?"
    async with shown.client() as client:
        whole = await items(client, path)
        paged: list[dict[str, Any]] = []
        cursor = ""
        while True:
            answer = (await client.get(f"{path}{join}limit=1{cursor}")).json()
            paged += answer["items"]
            if answer["next"] is None:
                break
            cursor = f"&cursor={answer['next']}"
    assert paged == whole
    assert len(whole) > 1


async def test_the_entries_sum_to_every_balance(shown: Books) -> None:
    """Over all lines each account comes to what it holds, and each currency to zero."""
    async with shown.client() as client:
        found = await items(client, "/entries?limit=500")
    last = {(one["account"], one["amount"]["currency"]): one["balance_after"]["amount"] for one in found}
    balances = await shown.balances()
    assert {f"{account} {currency}" for (account, currency), held in last.items() if held.strip("0.")} == set(balances)


async def test_a_partner_sees_its_own_lines_alone(shown: Books) -> None:
    """No vendor's account, no other partner's earning, and another partner does not exist."""
    async with shown.client("rewards:read", partner="acme") as client:
        entries = await items(client, "/entries")
        deals = await items(client, "/earnings")
        other = await client.get("/earnings?partner=bolt")
    assert {one["account"].split(":")[1] for one in entries} <= {"acme", "clearing"}
    assert {one["partner"] for one in entries} == {"acme"}
    assert [(one["deal"]["id"], one["earned"]["amount"]) for one in deals] == [("D-1", "40.00"), ("D-3", "5")]
    assert other.status_code == 404


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("earnings?by=week", "by"), ("earnings?deal=D-1", "deal_source"), ("entries?deal_source=crm", "deal"),
        ("earnings?period=2026-13", "period"), ("entries?currency=usd", "currency"), ("entries?role=cash", "role"),
        ("earnings?cursor=WyIxIl0", "cursor"), ("earnings?by=period&cursor=WyJ4IiwiVVNEIl0", "cursor"),
        ("entries?cursor=WyIxIl0", "cursor"), ("entries?cursor=WyJ4IiwiMSJd", "cursor"),
    ],
)  # fmt: skip
async def test_a_wrong_question_names_its_field(shown: Books, query: str, field: str) -> None:
    """422, never a 500 and never an empty list."""
    async with shown.client() as client:
        answer = await client.get(f"/{query}")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
