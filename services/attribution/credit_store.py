"""All SQL of credit: the facts it is decided from, what stands, and new revisions. Never commits.

Touchpoints are read account by account through a cursor, so that memory is bounded by the largest account in hand and
not by the batch.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg
import orjson

from services.attribution import partner_store
from services.attribution.domain import links, parse, statements
from services.attribution.domain.changes import Candidate, Change, Difference
from services.attribution.domain.facts import Deal, FactKey, Standing, Touch
from services.attribution.domain.partners import NOBODY, Directory
from services.attribution.domain.policy import Rules
from shared import program
from shared.events.credit import Status
from shared.events.deal import Kind, Stage
from shared.program import Program

FETCH_ROWS: Final = 5_000
"""Touchpoints fetched at a time: a few megabytes, and a few milliseconds of the event loop."""

_CANDIDATE: Final = """
SELECT d.account_id, d.source, d.deal_id, d.stage, d.name, d.amount_minor, d.currency, d.closed_at, d.kind, d.region,
       d.product, d.created_at, nullif(d.milestones, '{}') AS milestones, d.removed, d.merged_into, d.keys, u.dated,
       d.margin_minor, d.first_year_minor,
       ARRAY(SELECT k.key FROM attribution.account_key k WHERE k.account_id = d.account_id ORDER BY k.key) AS account,
       (SELECT array_agg(ARRAY[l.source, l.id]) FROM attribution.late_claim l
        WHERE l.deal_source = d.source AND l.deal_id = d.deal_id AND l.admitted) AS admitted,
       s.revision, s.status, s.digest, s.amount_minor AS standing_minor, s.currency AS standing_currency, s.program,
       s.program_version, s.governed_on, s.touchpoints
FROM attribution.deal d
JOIN attribution.account u ON u.account_id = d.account_id
LEFT JOIN attribution.standing_credit s ON s.source = d.source AND s.deal_id = d.deal_id
"""
_CANDIDATES: Final = f"""{_CANDIDATE}
WHERE d.account_id = ANY($1::bigint[]) AND (d.stage = 'won' OR s.revision IS NOT NULL)
"""
_ONE_DEAL: Final = f"{_CANDIDATE} WHERE d.source = $1 AND d.deal_id = $2"
# (SELECT 'won') as in `store`: not by the index of all won deals.
_WON_DEALS: Final = f"""{_CANDIDATE}
WHERE d.account_id = $1 AND d.stage = (SELECT 'won') ORDER BY d.closed_at DESC, d.source, d.deal_id LIMIT $2
"""
# Each touchpoint is read by one of its keys. OFFSET 0 keeps the planner from reading all touchpoints of the time first
# and looking for their account afterwards, which it believes to be cheap while the table has no statistics; and from
# looking an account's keys up by how they begin, which is to read those of all accounts.
_TOUCHES: Final = """
SELECT a.account_id, t.source, t.id, t.partner, t.activity, t.occurred_at, t.received_at, t.withdrawn{keys}
FROM unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[])
    WITH ORDINALITY AS a (account_id, since, until, place)
CROSS JOIN LATERAL (
    SELECT t.* FROM (SELECT key FROM attribution.account_key WHERE account_id = a.account_id OFFSET 0) k
    CROSS JOIN LATERAL (
        SELECT * FROM attribution.touchpoint
        WHERE id_key = k.key AND occurred_at BETWEEN a.since AND a.until{only} OFFSET 0) t
    LEFT JOIN attribution.account_key o ON o.key = t.domain_key
    WHERE k.key NOT LIKE 'domain:%' AND k.key NOT LIKE 'name:%'
        AND (o.account_id IS NULL OR o.account_id = a.account_id)
    UNION ALL  -- by domain alone: with an id of this account it came above, with another's it is ambiguous
    SELECT t.* FROM (SELECT key FROM attribution.account_key WHERE account_id = a.account_id OFFSET 0) k
    CROSS JOIN LATERAL (
        SELECT * FROM attribution.touchpoint
        WHERE domain_key = k.key AND occurred_at BETWEEN a.since AND a.until{only} OFFSET 0) t
    LEFT JOIN attribution.account_key o ON o.key = t.id_key
    WHERE k.key LIKE 'domain:%' AND o.account_id IS NULL
    UNION ALL  -- by a name that somebody stated to be this account's
    SELECT t.* FROM (SELECT key FROM attribution.account_key WHERE account_id = a.account_id OFFSET 0) k
    CROSS JOIN LATERAL (
        SELECT * FROM attribution.touchpoint
        WHERE name_key = k.key AND occurred_at BETWEEN a.since AND a.until{only} OFFSET 0) t
    WHERE k.key LIKE 'name:%'
    LIMIT $4
) t ORDER BY a.place
"""
_KEYS: Final = ", array_remove(ARRAY[t.id_key, t.domain_key, t.name_key], NULL) AS keys"
_PLAIN_TOUCHES: Final = _TOUCHES.format(keys="", only="")
_KEYED_TOUCHES: Final = _TOUCHES.format(keys=_KEYS, only="")
_PARTNERS_TOUCHES: Final = _TOUCHES.format(keys=_KEYS, only=" AND partner = ANY($5::text[])")
_AMBIGUOUS: Final = """
SELECT t.source, t.id, t.partner, t.activity, t.occurred_at, t.received_at, t.withdrawn
FROM attribution.ambiguous_touchpoint a JOIN attribution.touchpoint t ON t.source = a.source AND t.id = a.id
JOIN attribution.account_key c ON c.key = t.id_key
JOIN attribution.account_key d ON d.key = t.domain_key
WHERE c.account_id <> d.account_id AND $1 IN (c.account_id, d.account_id)
ORDER BY t.occurred_at, t.source, t.id LIMIT $2
"""
# No program's name is empty. Sequence numbers of facts stored one after the other grow, for directory facts are stored
# alone.
_STAMP: Final = """
SELECT program, version FROM attribution.program_version
UNION ALL SELECT '', coalesce(max(seq), 0) FROM attribution.partner_entry
UNION ALL SELECT '', -coalesce(max(seq), 0) FROM attribution.partner_merge
"""
_DOCUMENTS: Final = """
SELECT p.program, p.version, p.document
FROM unnest($1::text[], $2::bigint[]) AS n (program, version)
JOIN attribution.program_version p ON p.program = n.program AND p.version = n.version
"""
_TRACES: Final = """
SELECT DISTINCT t.traceparent FROM unnest($1::text[], $2::text[]) AS n (source, id)
JOIN attribution.touchpoint_trace t ON t.source = n.source AND t.id = n.id LIMIT $3
"""
_PUBLISHED: Final = """
SELECT c.source, c.deal_id, c.snapshot FROM unnest($1::text[], $2::text[], $3::int[]) AS n (source, id, revision)
JOIN attribution.credit c ON c.source = n.source AND c.deal_id = n.id AND c.revision = n.revision
"""
_LATE: Final = """
SELECT l.deal_source, l.deal_id, l.source, l.id FROM unnest($1::text[], $2::text[]) AS n (source, id)
JOIN attribution.late_claim l ON l.deal_source = n.source AND l.deal_id = n.id WHERE NOT l.admitted
"""
_FORGET_LATE: Final = """
DELETE FROM attribution.late_claim l
USING unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS n (deal_source, deal_id, source, id)
WHERE l.deal_source = n.deal_source AND l.deal_id = n.deal_id AND l.source = n.source AND l.id = n.id
    AND NOT l.admitted
"""
_NOTE_LATE: Final = """
INSERT INTO attribution.late_claim (deal_source, deal_id, source, id)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) ON CONFLICT DO NOTHING
"""
# OFFSET 0 as above: the few torn ones first.
_TORN: Final = """
SELECT a.source, a.id FROM attribution.ambiguous_touchpoint a
CROSS JOIN LATERAL (
    SELECT id_key, domain_key FROM attribution.touchpoint WHERE source = a.source AND id = a.id OFFSET 0) t
WHERE a.torn AND (SELECT bool_or(k.account_id = ANY($1::bigint[])) FROM attribution.account_key k
    WHERE k.key = ANY(ARRAY[t.id_key, t.domain_key]))
"""
_NOTE_TORN: Final = """
INSERT INTO attribution.ambiguous_touchpoint (source, id, torn)
SELECT source, id, $3 FROM unnest($1::text[], $2::text[]) AS n (source, id)
ON CONFLICT (source, id) DO UPDATE SET torn = excluded.torn
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


class Reference:
    """What all deals have in common: the program versions, each parsed once in this process, and the partners.

    Readers share it and may see the database at different moments. So what one has read becomes the others' in one
    step, with what it was read from, and each gets its own.
    """

    def __init__(self) -> None:
        self._parsed: dict[tuple[str, int], Program] = {}
        self._rules = Rules()
        self._directory = NOBODY
        self._partners: frozenset[int] = frozenset()

    async def load(self, connection: asyncpg.Connection) -> tuple[Rules, Directory]:
        """The rules and partners as stored by now; read anew only when there is something new."""
        stamp = {tuple(row) for row in await connection.fetch(_STAMP)}
        stored = {(program, version) for program, version in stamp if program}
        rules = self._rules
        if stored != self._parsed.keys():
            parsed = {key: known for key, known in self._parsed.items() if key in stored}
            missing = sorted(stored - parsed.keys())
            rows = await connection.fetch(_DOCUMENTS, *map(list, zip(*missing, strict=True))) if missing else []
            parsed |= {
                (row["program"], row["version"]): program.parse(parse.program_document(row["document"])) for row in rows
            }
            rules = Rules(parsed.values())
            self._parsed, self._rules = parsed, rules
        partners = frozenset(number for name, number in stamp if not name)
        directory = self._directory
        if partners != self._partners:
            directory = await partner_store.directory(connection)
            self._partners, self._directory = partners, directory
        return rules, directory


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
    account = tuple(row["account"])
    deal = Deal(
        source=row["source"], id=row["deal_id"], stage=Stage(row["stage"]), name=row["name"],
        amount_minor=row["amount_minor"], currency=row["currency"], closed_at=row["closed_at"],
        keyed=any(map(links.is_strong, account)), kind=Kind(row["kind"]), region=row["region"], product=row["product"],
        created_at=row["created_at"], milestones=_milestones(row["milestones"]), removed=row["removed"],
        merged_into=row["merged_into"], account=account,
        admitted=frozenset(map(tuple, row["admitted"] or ())), keys=tuple(row["keys"]), dated=row["dated"],
        margin_minor=row["margin_minor"], first_year_minor=row["first_year_minor"],
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


def _milestones(text: str | None) -> dict[str, datetime]:
    if text is None:
        return {}
    return {name: datetime.fromisoformat(instant) for name, instant in orjson.loads(text).items()}


async def touches(
    connection: asyncpg.Connection, windows: Sequence[Window], limit: int | None, *, keyed: bool = False,
    partners: Sequence[str] | None = None,
) -> AsyncIterator[tuple[int, list[Touch]]]:  # fmt: skip
    """The touchpoints of each account within its window, account after account in the order of `windows`.

    At most `limit` per account. Touchpoints whose other key belongs to another account are left out. `keyed` tells
    their keys as well, for accounts whose links depend on the date. `partners` are the only ones looked at.
    """
    if not windows:
        return
    arguments: list[object] = [*(list(column) for column in zip(*windows, strict=True)), limit]
    statement = _KEYED_TOUCHES if keyed else _PLAIN_TOUCHES
    if partners is not None:
        statement = _PARTNERS_TOUCHES
        arguments.append(list(partners))
    cursor = await connection.cursor(statement, *arguments)
    account: int | None = None
    held: list[Touch] = []
    shared: dict[str, str] = {}  # partners and activities repeat by the thousand; keep one string of each
    while rows := await cursor.fetch(FETCH_ROWS):
        for of, source, touch_id, partner, activity, occurred_at, received_at, withdrawn, *keys in rows:
            if of != account:
                if account is not None:
                    yield account, held
                account, held = of, []
            held.append(
                Touch(
                    shared.setdefault(source, source), touch_id, shared.setdefault(partner, partner),
                    shared.setdefault(activity, activity), occurred_at, received_at, withdrawn, None,
                    tuple(keys[0]) if keys else (),
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


async def published(connection: asyncpg.Connection, found: Sequence[Difference]) -> dict[FactKey, dict[str, Any]]:
    """The snapshots that stand for those deals that have credit, to tell what changed."""
    rows = [(*one.key, one.candidate.standing.revision) for one in found if one.candidate.standing is not None]
    if not rows:
        return {}
    fetched = await connection.fetch(_PUBLISHED, *map(list, zip(*rows, strict=True)))
    return {(row["source"], row["deal_id"]): orjson.loads(row["snapshot"]) for row in fetched}


async def note_late(
    connection: asyncpg.Connection, deals: Sequence[FactKey], claims: Sequence[tuple[FactKey, FactKey]]
) -> None:
    """Let the review list show these touchpoints that came too late for a deal (deal, touchpoint), of these deals."""
    if not deals:
        return
    noted = {tuple(row) for row in await connection.fetch(_LATE, *map(list, zip(*deals, strict=True)))}
    late = {claim for deal, touch in claims if statements.fits(claim := (*deal, *touch))}
    for statement, rows in ((_FORGET_LATE, noted - late), (_NOTE_LATE, late - noted)):
        if rows:
            await connection.execute(statement, *map(list, zip(*sorted(rows), strict=True)))


async def note_torn(connection: asyncpg.Connection, accounts: Sequence[int], torn: Collection[FactKey]) -> None:
    """Let the review list show those touchpoints of these accounts that name two companies of one unit."""
    if not accounts:
        return
    noted = {tuple(row) for row in await connection.fetch(_TORN, accounts)}
    for rows, is_torn in ((noted.difference(torn), False), (set(torn) - noted, True)):
        if rows:
            await connection.execute(_NOTE_TORN, *map(list, zip(*sorted(rows), strict=True)), is_torn)


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
