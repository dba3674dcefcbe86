"""One running system per test module, so that figures over everything stored can be asserted."""

from collections.abc import AsyncIterator

import pytest

from tests.support import system as support


@pytest.fixture(scope="module")
async def tributary(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[support.Tributary]:
    """The whole system: PostgreSQL, Kafka, and the three services as processes of their own."""
    async with support.running(tmp_path_factory.mktemp("system")) as running:
        yield running
