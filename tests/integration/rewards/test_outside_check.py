"""Programs that are not ours check the exported books: journals balance, and balances are to the last minor unit.

They are GPL and no part of the project: `make test-outside` runs these, with `bean-check` (beancount 3.2.3) and
`hledger` on the PATH.
"""

import asyncio
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.rewards.conftest import NewBooks
from tests.integration.rewards.harness import Books
from tests.unit.rewards.builders import LATER, activated, decided, partner, usd

CHECKERS = {"beancount": ("bean-check",), "hledger": ("hledger", "check", "-f")}
BALANCE = {
    "beancount": re.compile(r"(balance \S+ -?\d+\.\d)(\d)( ~ 0 USD)"),
    "hledger": re.compile(r"(0 USD = -?\d+\.\d)(\d)( USD)"),
}
FORMATS = pytest.mark.parametrize("form", CHECKERS)

pytestmark = pytest.mark.outside


@pytest.fixture(scope="module")
async def written(new_books: NewBooks) -> AsyncIterator[Books]:
    """Every kind of journal, names full of signs, two currencies, amounts that take back."""
    async with new_books() as books:
        await books.tell(
            activated(), partner("acme"), partner('b-ü:"x"; \\'),
            decided("D-1", 1, {"acme": 100_003, 'b-ü:"x"; \\': 50_001}),
            decided("D-2", 1, {"acme": 700}, currency="JPY"),
        )  # fmt: skip
        await books.mature(LATER)
        await books.tell(decided("D-1", 2, {"acme": 25_000}, cause='late; "quoted" | and\nlong'))
        async with books.client("rewards:read", "rewards:adjust", "rewards:pay") as client:
            for number, amount in enumerate((1_234, -5, 999)):
                wanted = {
                    "partner": "acme", "amount": usd(amount), "account": "payable", "effective_on": "2026-04-05",
                    "reason": 'a "reason"; with | signs', "reference": f"ticket {number}; x",
                }  # fmt: skip
                made = await client.post("/adjustments", json=wanted, headers={"Idempotency-Key": f"k-{number}"})
            path = f"/journals/{made.json()['journal']}/reverse"
            assert (await client.post(path, json={"reason": "a mistake"})).status_code == 201
            pay = {"partner": "acme", "amount": usd(100), "paid_on": "2026-04-30", "reference": "wire 1"}
            paid = await client.post("/payments", json=pay, headers={"Idempotency-Key": "k"})
            assert paid.status_code == 201
        yield books


async def checked(form: str, text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    name, *options = CHECKERS[form]
    program = shutil.which(name)
    assert program, f"put {name} on the PATH"
    book = folder / f"books.{form}"
    book.write_text(text, encoding="utf-8")
    return await asyncio.to_thread(
        subprocess.run, [program, *options, str(book)], capture_output=True, text=True, timeout=60, check=False,
        env={"PATH": str(Path(program).parent), "LC_ALL": "C.UTF-8"},
    )  # fmt: skip


@FORMATS
async def test_an_outside_program_finds_the_books_good(written: Books, tmp_path: Path, form: str) -> None:
    """And finds a balance of ours that is off by one minor unit."""
    async with written.client() as client:
        text = (await client.get(f"/export?format={form}")).text
    good = await checked(form, text, tmp_path)
    assert good.returncode == 0, good.stdout + good.stderr
    wrong = BALANCE[form].sub(lambda m: f"{m[1]}{(int(m[2]) + 1) % 10}{m[3]}", text, count=1)
    assert wrong != text
    assert (await checked(form, wrong, tmp_path)).returncode != 0
