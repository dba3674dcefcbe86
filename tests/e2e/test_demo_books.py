"""The books of the demo's year, loaded by the demo itself into a running system, and exported from it."""

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from examples import northwind
from tests.support import exports
from tests.support.system import Tributary
from tributary.demo import api
from tributary.demo.look import Look
from tributary.demo.place import Place
from tributary.demo.progress import Steps
from tributary.demo.tour import Tour


@pytest.fixture(scope="module")
async def toured(tributary: Tributary) -> Tributary:
    """The system after all that the demo does in it: the year, later changes, a late report."""
    system, console = tributary.system, Console(file=io.StringIO(), width=80)
    look = Look.of(console)
    where = Place(system.data, northwind.SEED, datetime.now(UTC).date(), kept=True, again=False)
    async with api.opened(system) as doors:
        assert await Tour(console, look, Steps(console, look), doors, system, where).run()
    await tributary.settle()
    return tributary


@exports.FORMATS
async def test_the_exported_books_assert_every_stored_balance(toured: Tributary, form: str) -> None:
    """Each journal sums to zero, and each account's legs to what is stored, exactly."""
    await exports.assert_exact(toured, form)


@pytest.mark.outside
@exports.FORMATS
async def test_an_outside_program_finds_the_books_good(toured: Tributary, tmp_path: Path, form: str) -> None:
    """And finds one balance that is off by a cent."""
    await exports.assert_accepted(form, await exports.export(toured, form), tmp_path)
