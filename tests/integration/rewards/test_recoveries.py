"""What was paid too much: carried forward, claimed, repaid or written off; and payments sent in another currency."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.integration.rewards.conftest import NewBooks
from tests.integration.rewards.harness import Books
from tests.unit.rewards.builders import LATER, activated, decided, partner, usd

DAY = "2026-04-30"


@pytest.fixture
async def overpaid(books: Books) -> Books:
    """acme earned 80.00, was paid 80.00, and half of the deal was taken back: its payable stands at -40.00."""
    await books.tell(activated(), partner("acme"), decided("D-1", 1, {"acme": 100_000}))
    await books.mature(LATER)
    async with books.client() as client:
        paid = {"partner": "acme", "amount": usd(8_000), "paid_on": DAY, "reference": "bank 1"}
        assert (await client.post("/payments", json=paid, headers={"Idempotency-Key": "p"})).status_code == 201
    await books.tell(decided("D-1", 2, {"acme": 50_000}, cause="half refunded"))
    return books


async def step(client: httpx.AsyncClient, name: str, minor: int, key: str, **more: object) -> httpx.Response:
    body = {"partner": "acme", "step": name, "amount": usd(minor), "on": DAY, "reference": "letter 7"} | more
    return await client.post("/recoveries", json=body, headers={"Idempotency-Key": key})


async def balance(client: httpx.AsyncClient) -> dict[str, str]:
    (found,) = (await client.get("/partners/acme/balance")).json()["balances"]
    return {name: value["amount"] for name, value in found.items() if name != "currency"}


async def test_a_claim_is_repaid_and_the_rest_written_off(overpaid: Books) -> None:
    """Each step moves what there is, the expense bears what is written off, and nothing is left."""
    async with overpaid.client("rewards:read", "rewards:pay", "rewards:adjust") as client:
        assert await balance(client) == {"pending": "0.00", "payable": "-40.00", "paid": "80.00"}
        claimed = await step(client, "claimed", 4_000, "c")
        assert (claimed.status_code, claimed.json()["kind"]) == (201, "recovery")
        assert await balance(client) == {"pending": "0.00", "payable": "0.00", "paid": "80.00", "recoverable": "40.00"}
        assert (await step(client, "repaid", 3_000, "r")).status_code == 201
        written_off = {
            "partner": "acme", "amount": usd(1_000), "account": "recoverable", "effective_on": DAY,
            "reason": "not worth a lawsuit", "reference": "ticket 9",
        }  # fmt: skip
        answer = await client.post("/adjustments", json=written_off, headers={"Idempotency-Key": "w"})
        assert (answer.status_code, answer.json()["state"]) == (201, "booked")
        assert await balance(client) == {"pending": "0.00", "payable": "0.00", "paid": "50.00"}
    assert (await overpaid.balances())["expense:commission USD"] == 5_000  # 40.00 earned and 10.00 not got back
    assert (await overpaid.verify()).ok


async def test_never_more_than_there_is(overpaid: Books) -> None:
    """409 saying how much there is; nothing is booked."""
    async with overpaid.client() as client:
        assert (await step(client, "repaid", 1, "r")).json()["detail"].startswith("0.00 USD is claimed")
        refused = await step(client, "claimed", 4_001, "c")
        assert (refused.status_code, refused.json()["title"]) == (409, "More than there is")
        assert refused.json()["detail"].startswith("40.00 USD has been paid too much")
        assert await balance(client) == {"pending": "0.00", "payable": "-40.00", "paid": "80.00"}


async def test_ten_claims_at_once_take_it_once(overpaid: Books) -> None:
    """Different keys race for the same money: one wins; the same key again answers the same journal."""
    async with overpaid.client() as client:
        answers = await asyncio.gather(*(step(client, "claimed", 4_000, f"c{n}") for n in range(10)))
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
        won = next(n for n, answer in enumerate(answers) if answer.status_code == 201)
        again = await step(client, "claimed", 4_000, f"c{won}")
        assert again.json()["id"] == answers[won].json()["id"]
        other = await step(client, "claimed", 1, f"c{won}")
        assert (other.status_code, other.json()["title"]) == (422, "Idempotency-Key reused")


async def test_a_claim_can_be_taken_back_once(overpaid: Books) -> None:
    """A wrong claim is reversed like a payment, and the payable is negative again."""
    async with overpaid.client("rewards:read", "rewards:pay", "rewards:adjust") as client:
        journal = (await step(client, "claimed", 4_000, "c")).json()["id"]
        statuses = [
            (await client.post(f"/journals/{journal}/reverse", json={"reason": "wrong partner"})).status_code
            for _ in range(2)
        ]
        assert statuses == [201, 409]
        assert (await balance(client))["payable"] == "-40.00"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"step": "forgiven"}, "step"), ({"amount": usd(0)}, "amount.amount"), ({"on": "2026-06-01"}, "on"),
        ({"reference": ""}, "reference"), ({"bank": 1}, "bank"), ({"partner": ""}, "partner"),
    ],
)  # fmt: skip
async def test_a_wrong_recovery_names_its_field(overpaid: Books, change: dict[str, Any], field: str) -> None:
    """422, and nothing is booked."""
    async with overpaid.client() as client:
        answer = await step(client, "claimed", 1, "c", **change)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


@pytest.fixture(scope="module")
async def earned(new_books: NewBooks) -> AsyncIterator[Books]:
    """acme is owed 80.00 USD."""
    async with new_books() as books:
        await books.tell(activated(), partner("acme"), decided("D-1", 1, {"acme": 100_000}))
        await books.mature(LATER)
        yield books


async def test_a_payment_sent_in_another_currency_balances_in_both(earned: Books) -> None:
    """80.00 USD are settled by 73.60 EUR: the FX difference holds both sides, and the partner is owed nothing."""
    eur = {"amount": "73.60", "currency": "EUR"}
    paid = {"partner": "acme", "amount": usd(8_000), "sent": eur, "paid_on": DAY, "reference": "bank 2"}
    async with earned.client() as client:
        answer = await client.post("/payments", json=paid, headers={"Idempotency-Key": "fx"})
        assert answer.status_code == 201, answer.text
        books = (await client.get("/export?format=beancount")).text
        line = (await client.get("/partners/acme/statement")).json()["items"][-1]
    assert answer.json()["reason"]["sent"] == "73.60 EUR"
    assert '"payment: bank 2, sent as 73.60 EUR"' in books
    assert line["changes"] == {"payable": usd(-8_000), "paid": eur}
    held = await earned.balances()
    assert {name: minor for name, minor in held.items() if "commission" not in name} == {
        "expense:fx-difference USD": -8_000, "expense:fx-difference EUR": 7_360, "cash:clearing:acme EUR": -7_360,
    }  # fmt: skip
    assert (await earned.verify()).ok


@pytest.mark.parametrize(
    "sent", [usd(8_000), {"amount": "0.00", "currency": "EUR"}, {"amount": "1", "currency": "XXX"}]
)
async def test_a_wrong_amount_sent_is_refused(earned: Books, sent: dict[str, str]) -> None:
    """The same currency, nothing, or no currency: 422 naming it."""
    paid = {"partner": "acme", "amount": usd(1), "sent": sent, "paid_on": DAY, "reference": "bank 3"}
    async with earned.client() as client:
        answer = await client.post("/payments", json=paid, headers={"Idempotency-Key": "wrong"})
    assert (answer.status_code, answer.json()["errors"][0]["field"].split(".")[0]) == (422, "sent")


async def test_rounding_is_booked_against_its_own_account(earned: Books) -> None:
    """A cent that a bank rounded away is no commission."""
    body = {
        "partner": "acme", "amount": usd(-1), "account": "payable", "against": "rounding", "effective_on": DAY,
        "reason": "the bank rounds", "reference": "bank 2",
    }  # fmt: skip
    async with earned.client("rewards:read", "rewards:adjust") as client:
        answer = await client.post("/adjustments", json=body, headers={"Idempotency-Key": "cent"})
        assert (answer.status_code, answer.json()["against"]) == (201, "rounding")
    assert (await earned.balances())["expense:rounding USD"] == -1
    assert (await earned.verify()).ok
