"""The kit's statements look rows up by key, however many were handled and not removed yet (ADR 10)."""

from shared import outbox, position, reconcile, relay
from tests.integration.kit.conftest import Toy
from tests.support.plans import statements, wasteful


async def test_no_statement_of_the_kit_reads_a_whole_table(toy: Toy) -> None:
    """The relay begins behind what it has published; a round begins with the oldest mark of its lane."""
    kit = [(name, sql.format(schema="toy")) for name, sql in statements(outbox, position, reconcile, relay)]
    found: list[str] = []
    async with toy.database.pool.acquire() as connection:
        for name, sql in kit:
            found += await wasteful(connection, name, sql, small={"outbox_position"})
    assert found == []
    assert len(kit) >= 10
