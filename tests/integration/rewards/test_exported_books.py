"""Exported books hold, and assert what is stored: by our own reading of them, and by programs that are not ours."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.integration.rewards.conftest import NewBooks
from tests.integration.rewards.harness import Books
from tests.support import books as exported
from tests.support import exports
from tests.unit.rewards.builders import LATER, activated, decided, partner, usd


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


async def export(written: Books, form: str) -> str:
    async with written.client() as client:
        return (await client.get(f"/export?format={form}")).text


@exports.FORMATS
async def test_the_books_assert_exactly_what_is_stored(written: Books, form: str) -> None:
    """Each journal is there once and sums to zero per currency, and every stored balance is asserted, by its name."""
    balances, journals = await exports.stored(written.owner)
    assert {currency for _, currency in balances} == {"USD", "JPY"}
    exports.compare(form, await export(written, form), balances, journals)


def first(old: str, new: str) -> Callable[[str], str]:
    """Put something else in the first place where this is written."""
    return lambda text: text.replace(old, new, 1)


def twice(text: str) -> str:
    """The first journal once more, after itself."""
    head, journal, rest = text.split("\n\n", 2)
    return f"{head}\n\n{journal}\n\n{journal}\n\n{rest}"


def without_last(text: str) -> str:
    """Without its last assertion."""
    return text[: text.rindex("\n2026-") + 1]


@pytest.mark.parametrize(
    ("form", "spoil", "said"),
    [
        ("beancount", first("80.00 USD", "80.01 USD"), "does not balance"),
        ("hledger", first("80.00 USD", "80.01 USD"), "does not balance"),
        ("beancount", lambda text: exports.one_off("beancount", text), "is asserted to be"),
        ("hledger", lambda text: exports.one_off("hledger", text), "is asserted to be"),
        ("beancount", first(" ~ 0 USD", " USD"), "not understood"),
        ("beancount", twice, "is there 2 times"),
        ("hledger", twice, "is there 2 times"),
        ("beancount", without_last, "nothing is asserted of"),
        ("hledger", without_last, "nothing is asserted of"),
        ("beancount", lambda text: text[:-9], "cut off"),
        ("beancount", first(" Expenses:Commission JPY,USD", " Expenses:Commission JPY"), "is not open for USD"),
        ("hledger", first("0 USD =", "0 JPY ="), "not the assertion of one currency"),
        ("hledger", first("\n\n", "\n\ninclude more\n\n"), "not understood"),
    ],
)  # fmt: skip
async def test_our_own_reading_finds_what_is_wrong(
    written: Books, form: str, spoil: Callable[[str], str], said: str
) -> None:  # fmt: skip
    """A leg or an assertion off by a cent, a tolerance, a journal twice, an account not asserted: each is named."""
    good = await export(written, form)
    wrong = spoil(good)
    assert wrong != good
    with pytest.raises(exported.Bad, match=said):
        exported.prove(exported.read(form, wrong))


@pytest.mark.outside
@exports.FORMATS
async def test_an_outside_program_finds_the_books_good(written: Books, tmp_path: Path, form: str) -> None:
    """And finds a balance of ours that is off by one minor unit."""
    await exports.assert_accepted(form, await export(written, form), tmp_path)
