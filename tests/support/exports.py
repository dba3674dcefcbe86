"""Exports held against what is stored, by our own reading of them and by programs that are not ours.

These are GPL and no part of the project, which runs them as a reader of the books would: `make test-outside` puts them
on the PATH.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path

import asyncpg
import pytest

from tests.support import books
from tests.support.system import Tributary

CHECKERS = {"beancount": ("bean-check", "--no-cache"), "hledger": ("hledger", "check", "-f")}
FORMATS = pytest.mark.parametrize("form", CHECKERS)
BALANCE = {
    "beancount": re.compile(r"(balance \S+ -?\d+\.\d)(\d)( ~ 0 USD)"),
    "hledger": re.compile(r"(0 USD = -?\d+\.\d)(\d)( USD)"),
}
DIGITS = {"USD": 2, "EUR": 2, "JPY": 0}
"""Of the minor units; written down here, so that a wrong table of the product is found."""
CHECK_S = 120
"""The largest books here, of some 20,000 journals, take seconds; a busy machine several times as long."""


async def stored(connection: asyncpg.Connection | asyncpg.Pool) -> tuple[dict[books.Place, Decimal], list[int]]:
    """The balance of every account, as the ledger keeps it, and the numbers of all journals."""
    balances = await connection.fetch(
        "SELECT code, currency, posted_minor FROM rewards.balance JOIN rewards.account USING (account_id)"
    )
    journals = await connection.fetch("SELECT journal_id FROM rewards.journal ORDER BY journal_id")
    return (
        {(b["code"], b["currency"]): Decimal(b["posted_minor"]).scaleb(-DIGITS[b["currency"]]) for b in balances},
        [row["journal_id"] for row in journals],
    )


def compare(form: str, text: str, balances: Mapping[books.Place, Decimal], journals: Iterable[int]) -> None:
    """Fail unless the export holds in itself, has each journal once, and asserts exactly these balances, and all."""
    read = books.read(form, text)
    asserted = books.prove(read)
    assert {(books.stored_name(name), currency): amount for (name, currency), amount in asserted.items()} == balances
    assert sorted(journal.number for journal in read.journals) == list(journals)


async def export(tributary: Tributary, form: str) -> str:
    """The books of a running system, over HTTP."""
    answer = await tributary.read("rewards", "export", format=form)
    assert answer.status_code == 200, answer.text
    return answer.text


async def assert_exact(tributary: Tributary, form: str) -> None:
    """The export of a running system is what its database stores, and what its API calls the balances."""
    text = await export(tributary, form)
    connection = await asyncpg.connect(tributary.system.database_url)
    balances, journals = await stored(connection)
    await connection.close()
    assert journals
    compare(form, text, balances, journals)
    told = [(item["account"], item["balance"]) for item in await tributary.every("rewards", "balances")]
    assert {(name, balance["currency"]): Decimal(balance["amount"]) for name, balance in told} == balances


async def assert_accepted(form: str, text: str, folder: Path) -> None:
    """The outside program finds the books good, and finds a balance of them that is off by one minor unit."""
    good = await _checked(form, text, folder)
    assert good.returncode == 0, good.stdout + good.stderr
    assert (await _checked(form, one_off(form, text), folder)).returncode != 0


def one_off(form: str, text: str) -> str:
    """The export with its first asserted balance off by a minor unit."""
    wrong = BALANCE[form].sub(lambda m: f"{m[1]}{(int(m[2]) + 1) % 10}{m[3]}", text, count=1)
    assert wrong != text
    return wrong


async def _checked(form: str, text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    name, *options = CHECKERS[form]
    program = shutil.which(name)
    assert program, f"{name} is not on the PATH; run `make test-outside`"
    book = folder / f"books.{form}"
    book.write_text(text, encoding="utf-8")
    return await asyncio.to_thread(
        subprocess.run, [program, *options, str(book)], capture_output=True, text=True, timeout=CHECK_S, check=False,
        env={"PATH": str(Path(program).parent), "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
