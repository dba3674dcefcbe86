"""Floor of posting: five statements per batch and nothing around them. Rows are made before the clock starts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final, Self

import asyncpg

from shared.errors import TributaryError

SCHEMA: Final = Path(__file__).with_suffix(".sql")
TENANT: Final = 1
CURRENCY: Final = "USD"
_KEYS: Final = f"""
INSERT INTO floor_ledger.posting_key
SELECT {TENANT}, key, fingerprint, nextval('floor_ledger.journal_id'), now()
FROM unnest($1::text[], $2::bytea[]) AS n (key, fingerprint) ORDER BY key
ON CONFLICT DO NOTHING RETURNING idem_key, journal_id
"""  # noqa: S608 (a number of our own)
_LOCK: Final = "SELECT 1 FROM floor_ledger.balance WHERE account_id = ANY($1::bigint[]) ORDER BY account_id FOR UPDATE"
_JOURNALS: Final = f"""
INSERT INTO floor_ledger.journal (
    journal_id, recorded_at, tenant_id, kind, effective_on, leg_count, source_event_id, rule_version)
SELECT id, now(), {TENANT}, 'accrual', day, 2, event, rule
FROM unnest($1::bigint[], $2::date[], $3::text[], $4::text[]) AS n (id, day, event, rule)
"""  # noqa: S608 (as above)
_LEGS: Final = f"""
INSERT INTO floor_ledger.entry
SELECT n.journal_id, now(), n.leg_no, n.account_id, '{CURRENCY}', n.amount, b.posted_minor + sum(n.amount) OVER w,
    b.version + row_number() OVER w
FROM unnest($1::bigint[], $2::smallint[], $3::bigint[], $4::bigint[])
    WITH ORDINALITY AS n (journal_id, leg_no, account_id, amount, place)
JOIN floor_ledger.balance b USING (account_id)
WINDOW w AS (PARTITION BY n.account_id ORDER BY n.place)
"""  # noqa: S608 (as above)
_BALANCES: Final = """
UPDATE floor_ledger.balance AS b SET posted_minor = b.posted_minor + n.amount, version = b.version + n.legs
FROM (SELECT account_id, sum(amount)::bigint AS amount, count(*) AS legs
      FROM unnest($1::bigint[], $2::bigint[]) AS l (account_id, amount) GROUP BY account_id) AS n
WHERE b.account_id = n.account_id
"""


@dataclass(frozen=True, slots=True)
class Batch:
    """The columns of a batch of journals with two legs each: `common` is debited, one of many is credited."""

    keys: list[str]
    fingerprints: list[bytes]
    days: list[date]
    events: list[str]
    rules: list[str]
    accounts: list[int]
    amounts: list[int]
    leg_numbers: list[int]

    @classmethod
    def of(cls, rows: Sequence[tuple[str, bytes, date, str, str, int, int]], common: int) -> Self:
        """From rows of (key, fingerprint, day, event, rule, account, amount)."""
        keys, fingerprints, days, events, rules, accounts, amounts = map(list, zip(*rows, strict=True))
        return cls(
            keys, fingerprints, days, events, rules,
            accounts=[each for account in accounts for each in (common, account)],
            amounts=[each for amount in amounts for each in (amount, -amount)],
            leg_numbers=[1, 2] * len(keys),
        )  # fmt: skip


async def create(connection: asyncpg.Connection, codes: Sequence[str]) -> list[int]:
    """The schema, and an account with its balance for each code; returns their ids."""
    for statement in SCHEMA.read_text(encoding="utf-8").split("\n\n"):
        if any(line and not line.startswith("--") for line in statement.splitlines()):
            await connection.execute(statement)
    rows = await connection.fetch(
        "INSERT INTO floor_ledger.account (tenant_id, code, kind, currency) "
        "SELECT $1, code, 'liability', $2 FROM unnest($3::text[]) AS n (code) RETURNING account_id",
        TENANT, CURRENCY, list(codes),
    )  # fmt: skip
    await connection.execute(
        "INSERT INTO floor_ledger.balance (account_id) SELECT account_id FROM floor_ledger.account"
    )
    return [row["account_id"] for row in rows]


async def post(connection: asyncpg.Connection, batch: Batch) -> None:
    """Post a batch of new journals: one transaction, five statements."""
    async with connection.transaction():
        made = await connection.fetch(_KEYS, batch.keys, batch.fingerprints)
        ids = {row["idem_key"]: row["journal_id"] for row in made}
        numbers = [ids[key] for key in batch.keys]
        await connection.execute(_LOCK, list(set(batch.accounts)))
        await connection.execute(_JOURNALS, numbers, batch.days, batch.events, batch.rules)
        legs = [number for number in numbers for _ in (1, 2)]
        done = await connection.execute(_LEGS, legs, batch.leg_numbers, batch.accounts, batch.amounts)
        if done != f"INSERT 0 {len(legs)}":
            raise TributaryError(f"the floor's ledger took {done} of {len(legs)} legs")
        await connection.execute(_BALANCES, batch.accounts, batch.amounts)


async def post_all(connection: asyncpg.Connection, batches: Sequence[Batch]) -> float:
    """Seconds to post the batches, each in a transaction of its own."""
    begin = time.perf_counter()
    for batch in batches:
        await post(connection, batch)
    return time.perf_counter() - begin
