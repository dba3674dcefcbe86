"""Money that came or went back, and exchange rates: before or after the deal, once each, and the books follow."""

import random
from datetime import UTC, date, datetime
from typing import Any

import pytest

from shared.events.base import Contract
from shared.events.receipt import Movement
from tests.integration.rewards.harness import Books
from tests.unit.rewards.builders import (
    CLOSED,
    LATER,
    activated,
    decided,
    messages,
    partner,
    planned,
    published,
    received,
)

GOLD = "expense:commission USD"
PENDING = "partner:acme:pending USD"
PAYABLE = "partner:acme:payable USD"
RATES = {"silver": "5%", "gold": "8%"}
EURO: dict[str, Any] = {"exchange": {"source": "ecb", "at_most": "7 days"}}
SOLD = decided("D-1", 1, {"acme": 100_000})
PAID = planned(plans={"influence": {"rate": RATES, "basis": "cash"}})


async def test_money_that_goes_back_takes_its_part_of_the_earning_back(books: Books) -> None:
    """A quarter of the deal: a quarter of the earning, as a journal that names what it adjusts."""
    await books.tell(activated(), partner("acme"), SOLD)
    await books.tell(received("R-1", Movement.REFUND, 25_000))
    assert await books.balances() == {GOLD: 6_000, PENDING: -6_000}
    await books.mature(LATER)
    await books.tell(received("R-2", Movement.REFUND, 25_000))
    assert await books.balances() == {GOLD: 4_000, PAYABLE: -4_000}
    assert (await books.verify()).ok


async def test_what_was_paid_already_is_owed_back(books: Books) -> None:
    """A refund after the partner was paid leaves its payable account below zero, to be offset by what it earns next."""
    await books.tell(activated(), partner("acme"), SOLD)
    await books.mature(LATER)
    async with books.client() as client:
        wanted = {"partner": "acme", "amount": {"amount": "80.00", "currency": "USD"}, "paid_on": "2026-04-30"}
        headers = {"Idempotency-Key": "p-1"}
        paid = await client.post("/payments", json=wanted | {"reference": "b"}, headers=headers)
    assert paid.status_code == 201
    await books.tell(received("R-1", Movement.CHARGEBACK, 50_000, on=date(2026, 4, 20)))
    assert (await books.balances())[PAYABLE] == 4_000
    assert (await books.verify()).ok


async def test_a_refund_and_a_chargeback_of_one_payment_count_once(books: Books) -> None:
    """The bank and the shop tell of the same money: the larger of both is taken back, never the sum."""
    told = [
        received("P-1", Movement.PAYMENT, 100_000),
        received("R-1", Movement.REFUND, 30_000, of="P-1"), received("C-1", Movement.CHARGEBACK, 50_000, of="P-1"),
        received("R-1", Movement.REFUND, 30_000, of="P-1"),
    ]  # fmt: skip
    await books.tell(activated(), partner("acme"), *told, SOLD)
    assert await books.balances() == {GOLD: 4_000, PENDING: -4_000}
    assert await books.database.pool.fetchval("SELECT count(*) FROM rewards.receipt") == 3
    assert await books.database.pool.fetchval("SELECT count(*) FROM rewards.conflict") == 0


async def test_on_cash_basis_a_payment_makes_its_part_payable(books: Books) -> None:
    """Nothing before the customer pays; then its part, pending for the hold and payable after it."""
    await books.tell(PAID, partner("acme"), SOLD)
    assert await books.balances() == {}
    await books.tell(received("P-1", Movement.PAYMENT, 40_000, on=CLOSED))
    assert await books.balances() == {GOLD: 3_200, PENDING: -3_200}
    await books.tell(received("P-2", Movement.PAYMENT, 60_000, on=date(2026, 3, 9)))
    assert await books.mature(datetime(2026, 4, 2, tzinfo=UTC)) == 1
    assert await books.balances() == {GOLD: 8_000, PENDING: -4_800, PAYABLE: -3_200}
    assert await books.mature(LATER) == 1
    assert await books.balances() == {GOLD: 8_000, PAYABLE: -8_000}
    assert (await books.verify()).ok


@pytest.mark.parametrize("seed", range(3))
async def test_receipts_in_any_order_give_the_same_books(books: Books, seed: int) -> None:
    """Before the deal, after it, in one batch or in several, some of them twice."""
    chance = random.Random(seed)
    facts: list[Contract] = [
        PAID, partner("acme"), SOLD, received("P-1", Movement.PAYMENT, 70_000),
        received("P-2", Movement.PAYMENT, 30_000, on=date(2026, 3, 5)),
        received("R-1", Movement.REFUND, 20_000, of="P-1", on=date(2026, 3, 8)),
        received("C-1", Movement.CHARGEBACK, 10_000, of="P-2", on=date(2026, 3, 8)),
    ]  # fmt: skip
    facts += chance.sample(facts, 3)
    chance.shuffle(facts)
    while facts:
        size = chance.randint(1, 4)
        await books.tell(*facts[:size])
        facts = facts[size:]
    assert (await books.balances())[GOLD] == 5_600  # of 1,000.00 paid 300.00 went back: 8% of 700.00
    assert (await books.verify()).ok


async def test_a_missing_rate_parks_the_earning_and_its_arrival_books_it(books: Books) -> None:
    """The deal says what it waits for; a rate too old does not help; nothing is passed through as one to one."""
    await books.tell(
        planned(plans={"influence": {"rate": RATES}}, pays_in="program_currency", **EURO), partner("acme"),
        decided("D-1", 1, {"acme": 100_000}, currency="EUR"), published("EUR", "USD", "9", on=date(2026, 2, 20)),
    )  # fmt: skip
    assert await books.balances() == {}
    async with books.client() as client:
        (earning,) = (await client.get("/deals/crm/D-1")).json()["earnings"]
    assert "no exchange rate EUR to USD of 'ecb' on 2026-03-02" in earning["waits_for"]
    await books.tell(published("USD", "EUR", "0.8", on=date(2026, 2, 27)))
    assert await books.balances() == {GOLD: 10_000, PENDING: -10_000}
    await books.tell(published("EUR", "USD", "1.2", on=CLOSED))
    assert await books.balances() == {GOLD: 9_600, PENDING: -9_600}
    async with books.client() as client:
        (earning,) = (await client.get("/deals/crm/D-1")).json()["earnings"]
    assert (earning["waits_for"], earning["earned"]["currency"]) == (None, "USD")
    assert (await books.verify()).ok


async def test_two_rates_through_a_third_currency(books: Books) -> None:
    """The bank quotes everything in EUR: pounds to yen takes two of its rates."""
    exchange = EURO["exchange"] | {"via": "EUR"}
    await books.tell(
        planned(plans={"influence": {"rate": RATES}}, pays_in="partner_currency", exchange=exchange),
        partner("acme").model_copy(update={"currency": "JPY"}), decided("D-1", 1, {"acme": 100_000}, currency="GBP"),
        published("EUR", "GBP", "0.8"), published("EUR", "JPY", "160"),
    )  # fmt: skip
    assert await books.balances() == {"expense:commission JPY": 16_000, "partner:acme:pending JPY": -16_000}
    assert (await books.verify()).ok


async def test_a_rate_marks_the_deals_of_its_days_alone(books: Books) -> None:
    """Not a deal before it, nor one a month after it, nor one of a program that pays by no rates."""
    plans = {"influence": {"rate": RATES}}
    await books.tell(
        activated(), planned(2, plans=plans, pays_in="partner_currency", **EURO), partner("acme"),
        *(decided(f"D-{day}", 1, {"acme": 1_000}, governed_on=date(2026, 3, day), version=2) for day in (1, 2, 31)),
    )  # fmt: skip
    await books.store(*messages(published("EUR", "USD", "1.2", on=date(2026, 3, 2)), published("EUR", "USD", "1")))
    rows = await books.database.pool.fetch("SELECT key FROM rewards.dirty ORDER BY key")
    assert [row["key"] for row in rows] == ['["crm","D-2"]', '["crm","D-31"]']
    await books.store(*messages(published("EUR", "USD", "1.2", source="fed")))
    assert await books.database.pool.fetchval("SELECT count(*) FROM rewards.dirty") == 2
    assert await books.database.pool.fetchval("SELECT count(*) FROM rewards.conflict") == 1


async def test_another_body_under_a_known_key_is_kept_and_not_applied(books: Books) -> None:
    """Receipts and rates as all facts."""
    await books.tell(activated(), partner("acme"), SOLD, received("R-1", Movement.REFUND, 50_000))
    await books.tell(
        received("R-1", Movement.REFUND, 90_000), published("EUR", "USD", "1.1"), published("EUR", "USD", "1.2")
    )  # fmt: skip
    assert (await books.balances())[GOLD] == 4_000
    async with books.client() as client:
        items = (await client.get("/conflicts")).json()["items"]
    assert [(item["event"], item["key"]) for item in items] == [
        ("receipt.recorded", '["crm","R-1"]'), ("rate.published", '["ecb","EUR","USD","2026-03-02"]'),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (published("EUR", "USD", "0"), "rate: must be a decimal above zero"),
        (published("EUR", "USD", "0.000"), "rate: must be a decimal above zero"),
        (published("EUR", "USD", "-1"), "rate: must be a decimal above zero"),
        (published("EUR", "USD", "1e3"), "rate: must be a decimal above zero"),
        (published("EUR", "EUR", "1"), "quote: must be another currency"),
        (published("EUR", "XXZ", "1"), "quote: 'XXZ' is no ISO 4217"),
        (received("R-1", Movement.REFUND, 0), "amount: must be more than zero"),
        (received("R-1", Movement.REFUND, None), "amount: is missing, but it is a refund"),
        (received("R-1", Movement.CHURN, 5), "amount: must be left out for a churn"),
        (received("R-1", Movement.PAYMENT, 5, of="P"), "of: belongs to a refund or a chargeback"),
    ],
)
async def test_a_fact_that_makes_no_sense_is_refused_by_its_field(books: Books, event: Contract, said: str) -> None:
    """Named, and nothing is stored."""
    (refused,) = await books.store(*messages(event))
    assert said in refused.reason
    for table in ("receipt", "exchange_rate", "dirty"):
        assert await books.database.pool.fetchval(f"SELECT count(*) FROM rewards.{table}") == 0  # noqa: S608  constants
