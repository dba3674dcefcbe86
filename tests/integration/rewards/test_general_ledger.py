"""The summary for a general ledger: months of accounting, both sides, and totals that cancel out."""

import csv
import io
from collections import Counter
from collections.abc import AsyncIterator
from datetime import date

import pytest

from services.rewards.ledger import period
from shared.money import to_minor
from tests.integration.rewards.conftest import NewBooks
from tests.integration.rewards.harness import Books
from tests.unit.rewards.builders import LATER, activated, decided, partner, usd

PATH = "/summary/general-ledger"


@pytest.fixture(scope="module")
async def shown(new_books: NewBooks) -> AsyncIterator[Books]:
    """acme earns 80.00 and 5 yen in March, March is closed, half of the dollars is taken back, and the rest matures."""
    async with new_books() as books:
        await books.tell(
            activated(), partner("acme"), decided("D-1", 1, {"acme": 100_000}),
            decided("D-2", 1, {"acme": 60}, currency="JPY"),
        )  # fmt: skip
        async with books.database.transaction() as connection:
            assert (await period.close(connection, date(2026, 3, 1), "test")).outcome is period.Closing.CLOSED
        await books.tell(decided("D-1", 2, {"acme": 50_000}, cause="late"))
        await books.mature(LATER)
        yield books


async def test_a_month_has_both_sides_of_each_account(shown: Books) -> None:
    """What adjusts the closed month is in the next one; each currency apart."""
    async with shown.client() as client:
        answer = (await client.get(PATH)).json()
        april = (await client.get(f"{PATH}?from=2026-04&to=2026-04")).json()
        march = (await client.get(f"{PATH}?to=2026-03")).json()
    found = [
        (item["month"], item["account"], *(item[side]["amount"] for side in ("debit", "credit", "net")))
        for item in answer["items"]
    ]
    assert found == [
        ("2026-03", "expense:commission", "5", "0", "5"), ("2026-03", "partner:acme:pending", "0", "5", "-5"),
        ("2026-03", "expense:commission", "80.00", "0.00", "80.00"),
        ("2026-03", "partner:acme:pending", "0.00", "80.00", "-80.00"),
        ("2026-04", "partner:acme:payable", "0", "5", "-5"), ("2026-04", "partner:acme:pending", "5", "0", "5"),
        ("2026-04", "expense:commission", "0.00", "40.00", "-40.00"),
        ("2026-04", "partner:acme:payable", "0.00", "40.00", "-40.00"),
        ("2026-04", "partner:acme:pending", "80.00", "0.00", "80.00"),
    ]  # fmt: skip
    assert (march["items"], april["items"]) == (answer["items"][:4], answer["items"][4:])
    assert answer["items"][0]["kind"] == "expense"
    assert april["totals"][1] == {"debit": usd(8_000), "credit": usd(8_000), "net": usd(0)}


async def test_the_csv_sums_to_the_balances(shown: Books) -> None:
    """Over all months the net of an account is its balance."""
    async with shown.client() as client:
        answer = await client.get(f"{PATH}?format=csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    sums: Counter[str] = Counter()
    for row in csv.DictReader(io.StringIO(answer.text)):
        net = to_minor(row["net"], row["currency"])
        assert net == to_minor(row["debit"], row["currency"]) - to_minor(row["credit"], row["currency"])
        sums[f"{row['account']} {row['currency']}"] += net
    assert {account: net for account, net in sums.items() if net} == await shown.balances()


@pytest.mark.parametrize("query", ["from=2026-13", "to=2026", "from=2026-04&to=2026-03", "format=pdf"])
async def test_a_wrong_month_is_refused(shown: Books, query: str) -> None:
    """422, naming the field; and the whole is the vendor's alone."""
    async with shown.client() as client:
        answer = await client.get(f"{PATH}?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, query.split("=", maxsplit=1)[0])
    async with shown.client("rewards:read", partner="acme") as bound:
        assert (await bound.get(PATH)).status_code == 403
