"""The SQL that reads what the ledger holds of scopes: true-ups posted so far. Never commits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import asyncpg
import orjson

from services.rewards import deal_store, store
from services.rewards.domain.journal import Owed, Posted
from services.rewards.domain.outcomes import Scope

# As for deals, the ledger itself says what is posted. A budget without a partner asks for those of all partners.
_POSTED: Final = """
SELECT p.*, l.effective_on, l.reason FROM (
    SELECT j.asked, j.partner, e.currency, count(DISTINCT j.journal_id) AS journals, max(j.journal_id) AS journal_id,
        (array_agg(j.recorded_at ORDER BY j.journal_id DESC))[1] AS recorded_at,
        (- coalesce(sum(e.amount_minor) FILTER (WHERE a.role = 'pending'), 0))::bigint AS pending,
        (- coalesce(sum(e.amount_minor) FILTER (WHERE a.role = 'payable'), 0))::bigint AS payable
    FROM (
        SELECT n.asked, j.journal_id, j.recorded_at, j.partner
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY
            AS n (program, plan, partner, span, asked)
        JOIN rewards.journal j
            ON j.program = n.program AND j.plan = n.plan AND j.scope = n.span AND j.partner = n.partner
        UNION ALL
        SELECT n.asked, j.journal_id, j.recorded_at, j.partner
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY
            AS n (program, plan, partner, span, asked)
        JOIN rewards.journal j ON j.program = n.program AND j.plan = n.plan AND j.scope = n.span
        WHERE n.partner = '') AS j
    JOIN rewards.entry e USING (journal_id, recorded_at)
    JOIN rewards.account a USING (account_id)
    GROUP BY j.asked, j.partner, e.currency) AS p
JOIN rewards.journal l USING (journal_id, recorded_at)
"""


async def load_posted(
    connection: asyncpg.Connection, scopes: Sequence[Scope]
) -> dict[Scope, dict[str, Posted]]:  # fmt: skip
    """What the ledger holds of each scope, per partner; a scope without true-ups is missing from the answer."""
    found: dict[Scope, dict[str, Posted]] = {}
    for row in await connection.fetch(_POSTED, *store.columns(scopes)):
        of_scope = found.setdefault(scopes[row["asked"] - 1], {})
        owed = {row["currency"]: Owed(row["pending"], row["payable"])}
        new = Posted(row["journals"], row["journal_id"], row["effective_on"], orjson.loads(row["reason"]), owed)
        old = of_scope.get(row["partner"])
        of_scope[row["partner"]] = new if old is None else deal_store.merged(old, new)
    return found
