"""Running systems: one for all tests that ask for their own facts alone, and one per module for figures over all."""

from collections.abc import AsyncIterator

import pytest

from tests.support import facts
from tests.support import system as support


@pytest.fixture(scope="module")
async def tributary(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[support.Tributary]:
    """The whole system: PostgreSQL, Kafka, and the three services as processes of their own."""
    async with support.running(tmp_path_factory.mktemp("system")) as running:
        yield running


@pytest.fixture(scope="session")
async def common(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[support.Tributary]:
    """One system for several modules, which name their accounts, partners and facts apart; the program is active."""
    async with support.running(tmp_path_factory.mktemp("common")) as running:
        await running.activate(facts.document())
        yield running
