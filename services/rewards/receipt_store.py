"""The SQL of receipts: money of deals that came or went back. Takes batches, and never commits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import asyncpg

from services.rewards import store
from services.rewards.deal_store import Deal
from services.rewards.domain.facts import Fact
from services.rewards.domain.inputs import Receipt
from shared import keys
from shared.events import receipt
from shared.events.receipt import Movement, ReceiptRecorded

_SAVE: Final = """
INSERT INTO rewards.receipt (
    source, id, deal_id, kind, amount_minor, currency, of_id, on_day, fingerprint, body)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::date[], $9::bytea[],
    $10::json[])
ON CONFLICT DO NOTHING RETURNING source, deal_id
"""
_CONFLICTS: Final = """
INSERT INTO rewards.conflict (event, natural_key, fingerprint, body)
SELECT $1, n.key, n.fingerprint, n.body
FROM unnest($2::text[], $3::text[], $4::text[], $5::bytea[], $6::json[]) AS n (source, id, key, fingerprint, body)
JOIN rewards.receipt r ON r.source = n.source AND r.id = n.id
WHERE r.fingerprint <> n.fingerprint ON CONFLICT DO NOTHING
"""
_LOAD: Final = """
SELECT r.source, r.deal_id, r.id, r.kind, r.on_day, r.amount_minor, r.currency, r.of_id
FROM unnest($1::text[], $2::text[]) AS n (source, deal)
JOIN rewards.receipt r ON r.source = n.source AND r.deal_id = n.deal
ORDER BY r.source, r.deal_id, r.on_day, r.id
"""


async def save(connection: asyncpg.Connection, facts: Sequence[Fact[ReceiptRecorded]]) -> None:
    """Store new receipts and mark their deals; other content under a known key becomes a conflict."""
    if not facts:
        return
    made = await connection.fetch(_SAVE, *store.columns([
        (e.source, e.id, e.deal, e.kind, e.amount.minor if e.amount else None, e.amount.currency if e.amount else None,
         e.of, e.on, f.fingerprint, f.body)
        for f in facts for e in (f.event,)
    ]))  # fmt: skip
    await store.mark(connection, {keys.pack(row["source"], row["deal_id"]) for row in made})
    if len(made) < len(facts):
        await connection.execute(_CONFLICTS, receipt.RECORDED, *store.columns([
            (e.source, e.id, keys.pack(e.source, e.id), f.fingerprint, f.body) for f in facts for e in (f.event,)
        ]))  # fmt: skip


async def load(connection: asyncpg.Connection, deals: Sequence[Deal]) -> dict[Deal, list[Receipt]]:
    """The receipts of those of the deals that have any, in the order of their days."""
    found: dict[Deal, list[Receipt]] = {}
    for row in await connection.fetch(_LOAD, *store.columns(deals)) if deals else ():
        found.setdefault((row["source"], row["deal_id"]), []).append(
            Receipt(
                row["id"], Movement(row["kind"]), row["on_day"], row["amount_minor"] or 0, row["currency"], row["of_id"]
            )
        )
    return found
