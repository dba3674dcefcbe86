"""The SQL that reads what the ledger holds of scopes: true-ups posted so far. Never commits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import asyncpg

from services.rewards import deal_store, store
from services.rewards.domain import spans
from services.rewards.domain.journal import Posted
from services.rewards.domain.outcomes import Scope

# As for deals, the ledger itself says what is posted. A budget without a partner asks for those of all partners.
_POSTED: Final = f"""
SELECT p.*, l.effective_on, l.reason FROM (
    SELECT j.asked, j.partner, e.currency, {deal_store.POSTED_SUMS}
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
"""  # noqa: S608  a constant of ours

_OF_PARTNER: Final = """
SELECT DISTINCT program, plan, span FROM rewards.scope_total
WHERE partner = $1 AND ($2::text IS NULL OR program = $2) AND ($3::text IS NULL OR plan = $3)
    AND ($4::text IS NULL OR span = $4) AND (program, plan, span) > ($5, $6, $7)
ORDER BY program, plan, span LIMIT $8
"""


async def of_partner(
    connection: asyncpg.Connection, partner: str, *, program: str | None, plan: str | None, span: str | None,
    after: Sequence[str], limit: int,
) -> list[Scope]:  # fmt: skip
    """The scopes in which a partner's deals count, behind (program, plan, span), in that order."""
    rows = await connection.fetch(_OF_PARTNER, partner, program, plan, span, *after, limit)
    return [
        Scope(row["program"], row["plan"], "" if row["span"] == spans.BUDGET else partner, row["span"]) for row in rows
    ]


async def load_posted(
    connection: asyncpg.Connection, scopes: Sequence[Scope]
) -> dict[Scope, dict[str, Posted]]:  # fmt: skip
    """What the ledger holds of each scope, per partner; a scope without true-ups is missing from the answer."""
    found: dict[Scope, dict[str, Posted]] = {}
    for row in await connection.fetch(_POSTED, *store.columns(scopes)):
        of_scope = found.setdefault(scopes[row["asked"] - 1], {})
        of_scope[row["partner"]] = deal_store.posted(row, of_scope.get(row["partner"]))
    return found
