"""Every statement between a credit and its journals looks rows up by key (ADR 10)."""

from services.rewards import deal_store, line_store, receipt_store, store
from tests.integration.rewards.harness import Books
from tests.support.plans import statements, wasteful

SMALL = {"program_version", "rerate"}


async def test_no_statement_of_the_hot_path_reads_a_whole_table(books: Books) -> None:
    """Neither with a sequential scan, nor by walking along an index, nor to answer for all rows at once."""
    hot = list(statements(deal_store, line_store, receipt_store, store))
    found: list[str] = []
    async with books.database.pool.acquire() as connection:
        for name, sql in hot:
            found += await wasteful(connection, name, sql, small=SMALL)
    assert found == []
    assert len(hot) > 15
