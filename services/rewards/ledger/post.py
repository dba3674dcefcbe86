"""Posting a batch of journals: a constant number of statements, each key once, balances exact under concurrency.

The order matters: keys first and sorted (a repeat is found before anything is booked; no deadlock between two posters),
then the balance rows are locked in id order, which also reads them as they are now, and only then journals, legs and
balances are written, in one statement. The caller owns the transaction; nothing commits here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import itemgetter
from typing import Final, NamedTuple

import asyncpg
import orjson

from services.rewards.domain.accounts import Account
from services.rewards.domain.journal import Journal
from shared.errors import TributaryError

BATCH: Final = 5_000
"""Journals per set of statements: throughput no longer grows beyond it, and the arrays stay below a few megabytes."""

_ACCOUNTS: Final = """
SELECT a.code, a.currency, a.account_id
FROM unnest($1::text[], $2::text[]) AS n (code, currency) JOIN rewards.account a USING (code, currency)
"""
_CREATE_ACCOUNTS: Final = """
WITH made AS (
    INSERT INTO rewards.account (code, kind, currency, role, partner)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
        AS n (code, kind, currency, role, partner)
    ORDER BY code, currency ON CONFLICT DO NOTHING RETURNING account_id)
INSERT INTO rewards.balance (account_id) SELECT account_id FROM made
"""
_KEYS: Final = """
INSERT INTO rewards.posting_key (idempotency_key, fingerprint)
SELECT * FROM unnest($1::text[], $2::bytea[]) AS n (key, fingerprint) ORDER BY key COLLATE "C"
ON CONFLICT DO NOTHING RETURNING idempotency_key, journal_id
"""
_KNOWN_KEYS: Final = """
SELECT idempotency_key, fingerprint, journal_id FROM rewards.posting_key WHERE idempotency_key = ANY($1::text[])
"""
_LOCK: Final = """
SELECT account_id, posted_minor, version FROM rewards.balance
WHERE account_id = ANY($1::bigint[]) ORDER BY account_id FOR UPDATE
"""
# Headers, legs and balances in one statement: the guards see headers and legs when it ends, so neither can exist
# without the other, and no balance can be left behind.
_BOOK: Final = """
WITH header AS (
    INSERT INTO rewards.journal (
        journal_id, kind, effective_on, leg_count, partner, deal_source, deal_id, plan, adjusts_journal_id, program,
        program_version, source_event, reason)
    SELECT * FROM unnest(
        $1::bigint[], $2::text[], $3::date[], $4::smallint[], $5::text[], $6::text[], $7::text[], $8::text[],
        $9::bigint[], $10::text[], $11::integer[], $12::text[], $13::json[])),
leg AS (
    INSERT INTO rewards.entry (journal_id, leg_no, account_id, currency, amount_minor, balance_after, account_version)
    SELECT * FROM unnest(
        $14::bigint[], $15::smallint[], $16::bigint[], $17::text[], $18::bigint[], $19::bigint[], $20::bigint[]))
UPDATE rewards.balance AS b SET posted_minor = n.posted_minor, version = n.version
FROM unnest($21::bigint[], $22::bigint[], $23::bigint[]) AS n (account_id, posted_minor, version)
WHERE b.account_id = n.account_id
"""


class KeyConflict(TributaryError):
    """A posting key that exists with other content: two computations disagree, and neither may win silently."""


class Outcome(StrEnum):
    """What became of a journal handed in."""

    POSTED = "posted"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


class Result(NamedTuple):
    """The outcome for one journal, and the id under which its key is booked."""

    outcome: Outcome
    journal_id: int


@dataclass(slots=True)
class Running:
    """An account's balance and version while a batch is numbered."""

    posted_minor: int
    version: int


async def post(connection: asyncpg.Connection, journals: Sequence[Journal]) -> list[Result]:
    """Book the journals whose keys are new, in the order of their keys; answer for each what became of it.

    The caller decides what a CONFLICT means (see `post_all`). Raises asyncpg.CheckViolationError when a journal does
    not balance. Never commits.
    """
    results: list[Result] = []
    for begin in range(0, len(journals), BATCH):
        results.extend(await _post_batch(connection, journals[begin : begin + BATCH]))
    return results


async def post_all(connection: asyncpg.Connection, journals: Sequence[Journal]) -> int:
    """Book journals that must not meet other content under their keys; returns how many were new."""
    results = await post(connection, journals)
    for journal, result in zip(journals, results, strict=True):
        if result.outcome is Outcome.CONFLICT:
            raise KeyConflict(f"{journal.key} is booked as journal {result.journal_id} with other content")
    return sum(result.outcome is Outcome.POSTED for result in results)


async def _post_batch(connection: asyncpg.Connection, journals: Sequence[Journal]) -> list[Result]:
    first: dict[str, Journal] = {}
    for journal in journals:
        first.setdefault(journal.key, journal)
    accounts = await ensure_accounts(connection, {leg.account for j in first.values() for leg in j.legs})
    fingerprints = {key: journal.fingerprint for key, journal in first.items()}
    made = await connection.fetch(_KEYS, list(fingerprints), list(fingerprints.values()))
    fresh = {row["idempotency_key"]: row["journal_id"] for row in made}
    numbered = sorted(((number, first[key]) for key, number in fresh.items()), key=itemgetter(0))
    await _book(connection, numbered, accounts)
    known: dict[str, tuple[bytes, int]] = {key: (fingerprints[key], number) for key, number in fresh.items()}
    if len(fresh) < len(first):  # in a statement of its own: one that also inserts cannot see a rival's new row
        rows = await connection.fetch(_KNOWN_KEYS, [key for key in first if key not in fresh])
        known |= {row["idempotency_key"]: (row["fingerprint"], row["journal_id"]) for row in rows}
    return [_result(journal, first[journal.key], fresh, known[journal.key]) for journal in journals]


def _result(journal: Journal, first: Journal, fresh: Mapping[str, int], known: tuple[bytes, int]) -> Result:
    fingerprint, journal_id = known
    if journal is first and journal.key in fresh:
        return Result(Outcome.POSTED, journal_id)
    same = journal.fingerprint == fingerprint
    return Result(Outcome.DUPLICATE if same else Outcome.CONFLICT, journal_id)


async def ensure_accounts(connection: asyncpg.Connection, wanted: Iterable[Account]) -> dict[Account, int]:
    """The ids of the accounts, those that do not exist yet made in one statement, each with its balance row."""
    by_name = {(account.code, account.currency): account for account in wanted}
    found = await _account_ids(connection, by_name)
    missing = sorted(by_name[name] for name in by_name.keys() - {(a.code, a.currency) for a in found})
    if missing:
        columns = zip(*((a.code, a.kind, a.currency, a.role, a.partner) for a in missing), strict=True)
        await connection.execute(_CREATE_ACCOUNTS, *map(list, columns))
        found |= await _account_ids(connection, {(a.code, a.currency): a for a in missing})
    return found


async def _account_ids(
    connection: asyncpg.Connection, by_name: Mapping[tuple[str, str], Account]
) -> dict[Account, int]:  # fmt: skip
    rows = await connection.fetch(_ACCOUNTS, [code for code, _ in by_name], [currency for _, currency in by_name])
    return {by_name[row["code"], row["currency"]]: row["account_id"] for row in rows}


async def lock_balances(connection: asyncpg.Connection, account_ids: Iterable[int]) -> dict[int, Running]:
    """The balances of the accounts, locked in id order until the transaction ends."""
    rows = await connection.fetch(_LOCK, list(account_ids))
    return {row["account_id"]: Running(row["posted_minor"], row["version"]) for row in rows}


async def _book(
    connection: asyncpg.Connection, numbered: Sequence[tuple[int, Journal]], accounts: Mapping[Account, int]
) -> None:
    if not numbered:
        return
    headers = [
        (number, j.kind, j.effective_on, len(j.legs), j.partner, j.deal_source, j.deal_id, j.plan, j.adjusts, j.program,
         j.program_version, j.source_event, orjson.dumps(j.reason).decode())
        for number, j in numbered
    ]  # fmt: skip
    running = await lock_balances(connection, accounts.values())
    legs = _legs(numbered, accounts, running)
    balances = [(account_id, r.posted_minor, r.version) for account_id, r in running.items()]
    columns = (*zip(*headers, strict=True), *zip(*legs, strict=True), *zip(*balances, strict=True))
    status = await connection.execute(_BOOK, *columns)
    if status != f"UPDATE {len(balances)}":
        raise TributaryError(f"the ledger has not kept every balance: {status} of {len(balances)}")


def _legs(
    numbered: Sequence[tuple[int, Journal]], accounts: Mapping[Account, int], running: Mapping[int, Running]
) -> list[tuple[int, int, int, str, int, int, int]]:
    """The rows of `entry`, with each account's running balance and version in posting order."""
    rows = []
    for number, journal in numbered:
        for leg_no, leg in enumerate(journal.legs, start=1):
            account_id = accounts[leg.account]
            balance = running[account_id]
            balance.posted_minor += leg.amount_minor
            balance.version += 1
            rows.append((
                number, leg_no, account_id, leg.account.currency, leg.amount_minor,
                balance.posted_minor, balance.version,
            ))  # fmt: skip
    return rows
