"""The service against a model of some 120 lines of code: whatever happens in any order, the books equal it to the cent.

A run is a list of steps, an operation's name and the seed of what it chooses. A failure prints the list and a line
`@reproduce_failure(...)`: put the line above the test, or the list into `@example(steps=...)`, and the run comes again.
`pytest --hypothesis-seed=N` draws the same runs for the same N.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, suppress
from random import Random
from typing import Final

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.rewards import roles
from tests.integration.rewards.conftest import EMPTY
from tests.integration.rewards.harness import Books
from tests.integration.rewards.model_facts import begin
from tests.integration.rewards.model_operations import OPERATIONS
from tests.integration.rewards.model_world import BEGIN, Frail, GivenUp, Service, World

STEPS: Final = 512
PROVE_EVERY: Final = 128
"""Balances are compared after each step; what reads whole tables, now and then."""
NAMED: Final = {operation.__name__: operation for operation in OPERATIONS}

Steps = Sequence[tuple[str, int]]

step = st.tuples(
    st.sampled_from([operation.__name__ for operation, often in OPERATIONS.items() for _ in range(often)]),
    st.integers(0, 2**16 - 1),
)


def runs(most: int) -> st.SearchStrategy[Steps]:
    """Any number of steps, as many long runs as short ones; a plain list would be short nearly always."""
    return st.integers(1, most).flatmap(lambda size: st.lists(step, min_size=size, max_size=size))


@pytest.fixture(scope="module")
async def service(rewards_url: str) -> AsyncIterator[Service]:
    """The service with the rights it has, over the database that the tests take turns with."""
    database = await Frail.connect(rewards_url, connections=4, role=roles.SERVICE)
    async with AsyncExitStack() as stack:
        owner = await stack.enter_async_context(asyncpg.create_pool(rewards_url, min_size=1, max_size=2))
        stack.push_async_callback(database.close)
        books = Books(database, owner)
        ann = await stack.enter_async_context(
            books.client("rewards:read", "rewards:pay", "rewards:adjust", "rewards:close")
        )
        bob, cyd = [await stack.enter_async_context(books.client("*")) for _ in range(2)]
        yield Service(books, database, {"ann": ann, "bob": bob, "cyd": cyd})


async def live(service: Service, steps: Steps) -> None:
    """Take the steps, looking at the books after each; then everything comes to rest, and the books are proved."""
    await service.books.owner.execute(EMPTY)
    service.books.now = BEGIN
    service.database.breaks = None
    world = World(service)
    begin(world)
    for number, (name, seed) in enumerate(steps, start=1):
        pick, begun = Random(seed), service.database.begun
        try:
            with suppress(GivenUp):
                await NAMED[name](world, pick)
            if service.database.begun > begun:
                await world.follow()
                await world.look()
            if number % PROVE_EVERY == 0:
                await world.prove(pick)
        except BaseException as error:
            error.add_note(f"at step {number}: {name}, {seed}")
            raise
    await world.come_to_rest()
    await world.look()
    await world.prove(Random(len(steps)))


UNHURRIED: Final = settings(
    deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@pytest.mark.timeout(600)  # a failure is made short for up to five minutes
@given(steps=runs(200))
@settings(UNHURRIED, max_examples=12)
async def test_the_books_are_the_models_to_the_cent(service: Service, steps: Steps) -> None:
    """Credit, tiers, programs, receipts, re-rates, and all that people record, repeated and broken off: a short set."""
    await live(service, steps)


@pytest.mark.long
@pytest.mark.timeout(14_400)
@given(steps=runs(STEPS))
@settings(UNHURRIED, max_examples=512)
async def test_the_books_are_the_models_to_the_cent_over_long_runs(service: Service, steps: Steps) -> None:
    """The same, 512 runs of up to 512 steps."""
    await live(service, steps)
