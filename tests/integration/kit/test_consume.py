"""What a consumer promises: each message once in effect, three fates, and a visible death for the rest."""

import asyncio
from collections.abc import Sequence

import pytest

from shared import dead_letters
from shared.message import Message
from tests.integration.kit.conftest import Facts, Toy


async def test_messages_are_stored_once_across_restarts(toy: Toy) -> None:
    """A second consumer begins behind the last stored message, not at Kafka's idea of it."""
    await toy.send_numbers(range(50))
    async with toy.consuming(Facts(), batch=7):
        await toy.until(50)
    await toy.send_numbers(range(50, 80))
    async with toy.consuming(Facts()):
        await toy.until(80)
    assert sorted(map(int, await toy.facts())) == list(range(80))


async def test_a_moved_position_voids_what_a_consumer_holds(toy: Toy) -> None:
    """A zombie's batch changes nothing: somebody else already stored it."""
    await toy.send_numbers(range(10))
    seen: list[int] = []

    def steal(messages: Sequence[Message]) -> None:
        seen.append(len(messages))

    async with toy.consuming(Facts(steal)):
        await toy.until(10)
        await toy.database.pool.execute("UPDATE toy.consumer_position SET next_offset = 12")
        await toy.send_numbers(range(10, 15))
        await toy.until(13)
    assert sorted(map(int, await toy.facts())) == [*range(10), 12, 13, 14]


async def test_a_transient_failure_is_tried_again(toy: Toy) -> None:
    """A database that is away for two tries costs nothing but time."""
    failures = [ConnectionError("away"), ConnectionError("still away")]

    def fail_twice(_: Sequence[Message]) -> None:
        if failures:
            raise failures.pop()

    await toy.send_numbers(range(20))
    async with toy.consuming(Facts(fail_twice)):
        await toy.until(20)
    assert len(await toy.facts()) == 20
    assert not failures


async def test_a_refused_message_becomes_a_dead_letter_with_origin_and_reason(toy: Toy) -> None:
    """What cannot be stored is put aside in the transaction that passes it over; the rest is stored."""
    await toy.send(b'{"n": 1}', b"no json", b'{"n": 2}')
    async with toy.consuming(Facts()):
        await toy.until(2)
    [letter] = await toy.database.pool.fetch("SELECT * FROM toy.dead_letter")
    assert (letter["topic"], letter["offset"], letter["value"]) == (toy.topic, 1, b"no json")
    assert letter["reason"].startswith("value: ")
    [outgoing] = await toy.database.pool.fetch("SELECT * FROM toy.outbox")
    assert outgoing["topic"] == "tributary.dead-letters"


async def test_a_message_the_database_refuses_is_found_by_halving(toy: Toy) -> None:
    """One poison message among many is put aside alone, and everything around it is stored."""
    values = [b'{"n": %d}' % n for n in range(33)]
    values[20] = b'{"n": "nul \\u0000 inside"}'
    await toy.send(*values)
    async with toy.consuming(Facts()):
        await toy.until(32)
    assert [row["offset"] for row in await toy.database.pool.fetch("SELECT * FROM toy.dead_letter")] == [20]


async def test_too_many_refusals_stop_the_consumer(toy: Toy) -> None:
    """When everything is refused, the consumer stops rather than empty the topic into the dead letters."""
    await toy.send(*[b"rubbish"] * 400)
    with pytest.raises(dead_letters.TooManyRefused):
        await asyncio.wait_for(toy.consumer(Facts(), batch=300).run(asyncio.Event()), 20)
    assert await toy.database.pool.fetchval("SELECT count(*) FROM toy.dead_letter") == 0


async def test_a_bug_ends_the_process_and_loses_nothing(toy: Toy) -> None:
    """An unforeseen error is raised; the position stays before the batch."""

    def bug(_: Sequence[Message]) -> None:
        raise KeyError("bug")

    await toy.send_numbers(range(5))
    with pytest.raises(KeyError):
        await asyncio.wait_for(toy.consumer(Facts(bug)).run(asyncio.Event()), 20)
    async with toy.consuming(Facts()):
        await toy.until(5)
    assert len(await toy.facts()) == 5


async def test_two_consumers_share_a_topic_without_doubling(toy: Toy) -> None:
    """A consumer that joins and leaves in the middle of a backlog neither loses nor doubles a message."""
    for start in range(0, 2_000, 500):
        await toy.send_numbers(range(start, start + 500))
    async with toy.consuming(Facts(), batch=50):
        async with toy.consuming(Facts(), batch=50):
            await toy.until(1_000)
        await toy.until(2_000)
    assert sorted(map(int, await toy.facts())) == list(range(2_000))


async def test_a_backlog_is_known_before_it_is_read_and_forgotten_afterwards(toy: Toy) -> None:
    """A consumer says that it is behind while more than a batch waits in the log, from its first batch on."""
    seen: list[bool] = []
    await toy.send_numbers(range(300))
    consumer = toy.consumer(Facts(lambda _: seen.append(consumer.is_behind())), batch=20)
    stop = asyncio.Event()
    task = asyncio.create_task(consumer.run(stop))
    await toy.until(300)
    stop.set()
    await task
    assert (seen[0], seen[-1]) == (True, False)
    assert not consumer.is_behind()
