"""`tributary verify` as a person runs it: a table, a verdict, an exit status."""

import asyncio

import pytest
from typer.testing import CliRunner, Result

from tests.integration.rewards.harness import Books, payment, post_each
from tests.unit.rewards.builders import activated, decided, partner
from tributary.cli import app


async def run(url: str, *options: str) -> Result:
    return await asyncio.to_thread(
        CliRunner().invoke, app, ["verify", *options], env={"TRIBUTARY_DATABASE_URL": url, "COLUMNS": "200"}
    )


async def test_good_books_exit_zero_and_bad_ones_one(books: Books, rewards_url: str) -> None:
    """The verdict is the exit status, and the first fault is named."""
    await books.tell(activated(), partner("acme"), decided("D-1", 1, {"acme": 100_000}))
    good = await run(rewards_url)
    assert (good.exit_code, "The books hold." in good.stdout) == (0, True)
    await books.owner.execute("UPDATE rewards.balance SET posted_minor = 1 WHERE account_id = 1")
    bad = await run(rewards_url)
    assert (bad.exit_code, "The books do not hold." in bad.stdout) == (1, True)
    assert "account expense:commission USD stands at 1, its legs sum to 8000" in bad.stdout


async def test_a_hash_kept_outside_is_part_of_the_chain_or_it_is_told(books: Books, rewards_url: str) -> None:
    """Any earlier head holds; an unknown one is exit 1; what is no hash is a wrong option and no verdict."""
    await post_each(books, payment("a", 5), payment("b", 6))
    await books.seal(block=1)
    rows = await books.owner.fetch("SELECT encode(hash, 'hex') AS hash FROM rewards.ledger_seal ORDER BY seq")
    for row in rows:
        good = await run(rewards_url, "--head", row["hash"])
        assert (good.exit_code, "the hash kept outside is part of the chain" in good.stdout) == (0, True)
    other = await run(rewards_url, "--head", "0" * 64)
    assert (other.exit_code, "no block has the hash 0000" in other.stdout) == (1, True)
    wrong = await run(rewards_url, "--head", "xyz")
    assert (wrong.exit_code, "64 hexadecimal digits" in wrong.output) == (2, True)


@pytest.mark.parametrize("url", ["postgresql://nobody:x@127.0.0.1:1/none"])
async def test_a_database_that_does_not_answer_is_told_in_one_line(url: str) -> None:
    """No traceback, exit status 2, and no password shown."""
    result = await run(url)
    assert result.exit_code == 2
    assert "The books cannot be read" in result.output
    assert "nobody:x" not in result.output
