"""Every statement of the hot path looks rows up by key, with a plan made while the tables are small (ADR 10)."""

import pytest

from services.attribution import (
    account_store,
    credit_store,
    loading,
    name_store,
    own_loading,
    partner_store,
    program_store,
    review_store,
    store,
)
from tests.integration.attribution.harness import Attribution
from tests.integration.attribution.test_order_of_statements import history
from tests.support.plans import statements, wasteful

MODULES = (
    account_store, credit_store, loading, name_store, own_loading, partner_store, program_store, review_store, store,
)  # fmt: skip
SMALL = {"partner_entry", "partner_merge", "program_version"}
"""Tables of a few hundred rows, read as a whole."""
OF_WHAT_WAITS = {"assignment_pending", "withdrawal_pending", "ambiguous_touchpoint_torn"}
"""Partial indexes that hold next to nothing."""
WHOLE = {"_MARK_GOVERNED", "_AMBIGUOUS", "_CANDIDATE", "_RESTORE_DEALS"}
"""All won deals since a day; what was ever ambiguous; the beginning of some statements; what reviewers replaced."""
GROWTH = (
    "INSERT INTO attribution.account (merged_into) SELECT NULL FROM generate_series(1, $1::int)",
    """INSERT INTO attribution.account_key (key, account_id) SELECT kind || n, 1000 + n
    FROM generate_series(1, $1::int) AS g (n), unnest('{domain:many-,crm:many-}'::text[]) AS k (kind)""",
    """INSERT INTO attribution.touchpoint (source, id, partner, activity, occurred_at, received_at, domain_key,
        fingerprint)
    SELECT 'many', n, 'p', 'a', now(), now(), 'domain:many-' || n, '' FROM generate_series(1, $1::int) AS g (n)""",
    """INSERT INTO attribution.deal (source, deal_id, version, account_id, keyed, stage, closed_at)
    SELECT 'many', n, 1, 1000 + n, true, 'won', now() FROM generate_series(1, $1::int) AS g (n)""",
)
"""Twenty thousand customers more, each with a touchpoint and a won deal."""


@pytest.mark.parametrize("grown", [False, True], ids=["small", "grown without statistics"])
async def test_no_statement_of_the_hot_path_reads_a_whole_table(attribution: Attribution, grown: bool) -> None:
    """Neither with a sequential scan, nor by walking along an index, nor to answer for all rows at once.

    During a first import tables are large and nothing is known of them yet.
    """
    await attribution.tell(*history())
    hot = [(name, sql) for name, sql in statements(*MODULES) if name.rsplit(".", 1)[-1] not in WHOLE]
    found: list[str] = []
    async with attribution.database.pool.acquire() as connection:
        if grown:
            for sql in GROWTH:
                await connection.execute(sql, 20_000)
        for name, sql in hot:
            found += await wasteful(connection, name, sql, small=SMALL, waiting=OF_WHAT_WAITS)
    assert found == []
    assert len(hot) > 60
