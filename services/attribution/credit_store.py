"""All SQL of credit: the facts it is decided from, what stands, and new revisions. Never commits.

Touchpoints are read account by account through a cursor, so that memory is bounded by the largest account in hand and
not by the batch.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from typing import Final

import asyncpg
import orjson

from services.attribution.domain import parse
from services.attribution.domain.changes import Candidate, Change
from services.attribution.domain.facts import Deal, Standing, Touch
from services.attribution.domain.policy import Rules
from shared import program
from shared.events.credit import Status
from shared.events.deal import Stage

FETCH_ROWS: Final = 5_000
"""Touchpoints fetched at a time: a few megabytes, and a few milliseconds of the event loop."""

_CANDIDATE: Final = """
SELECT d.account_id, d.source, d.deal_id, d.stage, d.name, d.amount_minor, d.currency, d.closed_at, d.keyed,
       s.revision, s.status, s.digest, s.amount_minor AS standing_minor, s.currency AS standing_currency, s.program,
       s.program_version, s.governed_on, s.touchpoints
FROM attribution.deal d
LEFT JOIN attribution.standing_credit s ON s.source = d.source AND s.deal_id = d.deal_id
"""
_CANDIDATES: Final = f"""{_CANDIDATE}
WHERE d.account_id = ANY($1::bigint[]) AND (d.stage = 'won' OR s.revision IS NOT NULL)
"""
_ONE_DEAL: Final = f"{_CANDIDATE} WHERE d.source = $1 AND d.deal_id = $2"
_WON_DEALS: Final = f"""{_CANDIDATE}
WHERE d.account_id = $1 AND d.stage = 'won' ORDER BY d.closed_at DESC, d.source, d.deal_id LIMIT $2
"""
# OFFSET 0 keeps the planner from reading all touchpoints of the time first and looking for their account afterwards,
# which it believes to be cheap while the table has no statistics.
_TOUCHES: Final = """
SELECT a.account_id, t.source, t.id, t.partner, t.activity, t.occurred_at, t.received_at
FROM unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[])
    WITH ORDINALITY AS a (account_id, since, until, place)
CROSS JOIN LATERAL (
    SELECT t.* FROM attribution.account_key k
    CROSS JOIN LATERAL (
        SELECT * FROM attribution.touchpoint
        WHERE crm_key = k.key AND occurred_at BETWEEN a.since AND a.until OFFSET 0) t
    LEFT JOIN attribution.account_key o ON o.key = t.domain_key
    WHERE k.account_id = a.account_id AND (o.account_id IS NULL OR o.account_id = a.account_id)
    UNION ALL  -- by domain alone: with a CRM id of this account it came above, with another's it is ambiguous
    SELECT t.* FROM attribution.account_key k
    CROSS JOIN LATERAL (
        SELECT * FROM attribution.touchpoint
        WHERE domain_key = k.key AND occurred_at BETWEEN a.since AND a.until OFFSET 0) t
    LEFT JOIN attribution.account_key o ON o.key = t.crm_key
    WHERE k.account_id = a.account_id AND o.account_id IS NULL
    LIMIT $4
) t ORDER BY a.place
"""
_AMBIGUOUS: Final = """
SELECT t.source, t.id, t.partner, t.activity, t.occurred_at, t.received_at
FROM attribution.ambiguous_touchpoint a JOIN attribution.touchpoint t ON t.source = a.source AND t.id = a.id
JOIN attribution.account_key c ON c.key = t.crm_key
JOIN attribution.account_key d ON d.key = t.domain_key
WHERE c.account_id <> d.account_id AND $1 IN (c.account_id, d.account_id)
ORDER BY t.occurred_at, t.source, t.id LIMIT $2
"""
_VERSIONS: Final = "SELECT program, version FROM attribution.program_version"
_DOCUMENTS: Final = """
SELECT p.program, p.version, p.document
FROM unnest($1::text[], $2::bigint[]) AS n (program, version)
JOIN attribution.program_version p ON p.program = n.program AND p.version = n.version
"""
_TRACES: Final = """
SELECT DISTINCT t.traceparent FROM unnest($1::text[], $2::text[]) AS n (source, id)
JOIN attribution.touchpoint_trace t ON t.source = n.source AND t.id = n.id LIMIT $3
"""
_SAVE_CREDIT: Final = """
INSERT INTO attribution.credit (source, deal_id, revision, decided_at, cause, snapshot)
SELECT source, id, revision, $1, cause, snapshot
FROM unnest($2::text[], $3::text[], $4::int[], $5::text[], $6::json[]) AS n (source, id, revision, cause, snapshot)
"""
_SAVE_STANDING: Final = """
INSERT INTO attribution.standing_credit (source, deal_id, revision, status, digest, amount_minor, unattributed_minor,
    currency, program, program_version, governed_on, touchpoints, partners)
SELECT source, id, revision, status, digest, amount, unattributed, currency, program, version, governed_on,
    touchpoints, ARRAY(SELECT jsonb_array_elements_text(partners))
FROM unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::bytea[], $6::bigint[], $7::bigint[], $8::text[],
    $9::text[], $10::bigint[], $11::date[], $12::int[], $13::jsonb[]) AS n (source, id, revision, status, digest,
    amount, unattributed, currency, program, version, governed_on, touchpoints, partners)
ON CONFLICT (source, deal_id) DO UPDATE SET revision = excluded.revision, status = excluded.status,
    digest = excluded.digest, amount_minor = excluded.amount_minor, unattributed_minor = excluded.unattributed_minor,
    currency = excluded.currency, program = excluded.program, program_version = excluded.program_version,
    governed_on = excluded.governed_on, touchpoints = excluded.touchpoints, partners = excluded.partners
"""

Window = tuple[int, datetime, datetime]
"""An account, and the first and last instant of touchpoints that may count on any of its deals."""


class Programs:
    """The program versions of the database, each parsed once in this process: a version never changes."""

    def __init__(self) -> None:
        self._parsed: dict[tuple[str, int], program.Program] = {}
        self._rules = Rules()

    async def rules(self, connection: asyncpg.Connection) -> Rules:
        """The rules of all versions stored by now."""
        stored = {tuple(row) for row in await connection.fetch(_VERSIONS)}
        if stored != self._parsed.keys():
            missing = sorted(stored - self._parsed.keys())
            rows = await connection.fetch(_DOCUMENTS, *map(list, zip(*missing, strict=True))) if missing else []
            known = {key: parsed for key, parsed in self._parsed.items() if key in stored}
            added = {
                (row["program"], row["version"]): program.parse(parse.program_document(row["document"])) for row in rows
            }
            self._parsed = known | added
            self._rules = Rules(self._parsed.values())
        return self._rules


async def candidates(connection: asyncpg.Connection, accounts: Sequence[int]) -> dict[int, list[Candidate]]:
    """The deals of these accounts that are won or have standing credit, each with what stands.

    One statement, so that a deal and its credit are seen at one moment: a revision that another worker writes in
    between shows as a violated key, never as a lost update.
    """
    found: dict[int, list[Candidate]] = {}
    for row in await connection.fetch(_CANDIDATES, accounts):
        found.setdefault(row["account_id"], []).append(_candidate(row))
    return found


async def one_deal(connection: asyncpg.Connection, source: str, deal_id: str) -> tuple[int, Candidate] | None:
    """A deal with its account and what stands, or None when it is unknown."""
    row = await connection.fetchrow(_ONE_DEAL, source, deal_id)
    return (row["account_id"], _candidate(row)) if row else None


async def won_deals(connection: asyncpg.Connection, account_id: int, limit: int) -> list[Candidate]:
    """The account's won deals, latest close first."""
    return [_candidate(row) for row in await connection.fetch(_WON_DEALS, account_id, limit)]


def _candidate(row: asyncpg.Record) -> Candidate:
    deal = Deal(
        source=row["source"], id=row["deal_id"], stage=Stage(row["stage"]), name=row["name"],
        amount_minor=row["amount_minor"], currency=row["currency"], closed_at=row["closed_at"], keyed=row["keyed"],
    )  # fmt: skip
    if row["revision"] is None:
        return Candidate(deal, None)
    return Candidate(
        deal,
        Standing(
            revision=row["revision"], status=Status(row["status"]), digest=row["digest"],
            amount_minor=row["standing_minor"], currency=row["standing_currency"], program=row["program"],
            program_version=row["program_version"], governed_on=row["governed_on"], touchpoints=row["touchpoints"],
        ),
    )  # fmt: skip


async def touches(
    connection: asyncpg.Connection, windows: Sequence[Window], limit: int | None
) -> AsyncIterator[tuple[int, list[Touch]]]:
    """The touchpoints of each account within its window, account after account in the order of `windows`.

    At most `limit` per account. Touchpoints whose other key belongs to another account are left out.
    """
    columns = [list(column) for column in zip(*windows, strict=True)]
    cursor = await connection.cursor(_TOUCHES, *columns, limit)
    account: int | None = None
    held: list[Touch] = []
    shared: dict[str, str] = {}  # partners and activities repeat by the thousand; keep one string of each
    while rows := await cursor.fetch(FETCH_ROWS):
        for of, source, touch_id, partner, activity, occurred_at, received_at in rows:
            if of != account:
                if account is not None:
                    yield account, held
                account, held = of, []
            held.append(
                Touch(
                    shared.setdefault(source, source), touch_id, shared.setdefault(partner, partner),
                    shared.setdefault(activity, activity), occurred_at, received_at,
                )
            )  # fmt: skip
    if account is not None:
        yield account, held


async def ambiguous_touches(connection: asyncpg.Connection, account_id: int, limit: int) -> list[Touch]:
    """Touchpoints that name this account and another one, the earliest first."""
    return [Touch(*row) for row in await connection.fetch(_AMBIGUOUS, account_id, limit)]


async def traces(connection: asyncpg.Connection, touchpoints: Iterable[Touch], limit: int) -> list[str]:
    """The traces of these touchpoints' requests, as far as they were traced, at most `limit`."""
    named = {(touch.source, touch.id) for touch in touchpoints}
    rows = await connection.fetch(_TRACES, [name for name, _ in named], [name for _, name in named], limit)
    return [row["traceparent"] for row in rows]


async def save(connection: asyncpg.Connection, changes: Sequence[Change], decided_at: datetime) -> None:
    """Write new revisions and point to them. A revision written meanwhile by another worker violates the key."""
    rows = [(c.deal.source, c.deal.id, c.revision, c.cause, c.snapshot.decode()) for c in changes]
    await connection.execute(_SAVE_CREDIT, decided_at, *map(list, zip(*rows, strict=True)))
    await connection.execute(_SAVE_STANDING, *map(list, zip(*map(_standing_row, changes), strict=True)))


def _standing_row(change: Change) -> tuple[object, ...]:
    decided, policy = change.decision, change.decision.policy
    return (
        change.deal.source, change.deal.id, change.revision, decided.status, change.digest, decided.amount_minor,
        decided.unattributed_minor, decided.currency, policy.program if policy else None,
        policy.version if policy else None, decided.governed_on, decided.touchpoints,
        orjson.dumps([share.partner for share in decided.shares]).decode(),
    )  # fmt: skip
