"""Posting a batch of journals: one call of the database's posting function, the only way into the ledger.

The function (migrations/plans_posting.sql) takes arrays, runs a constant number of statements, books each key once and
keeps balances exact under concurrency. Here journals become its arrays. The caller owns the transaction; nothing
commits.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from typing import Final, NamedTuple

import asyncpg
import orjson

from services.rewards.domain.accounts import Account
from services.rewards.domain.journal import Journal
from shared.errors import TributaryError

BATCH: Final = 5_000
"""Journals per set of statements: throughput no longer grows beyond it, and the arrays stay below a few megabytes."""

# All arrays but the reasons come as their text (see `_texts`, `_plain`).
_POST: Final = """
SELECT outcome, booked_as FROM rewards.post(
    $1::text::text[], $2::text::bytea[], $3::text::text[], $4::text::date[], $5::text::date[], $6::text::smallint[],
    $7::text::text[], $8::text::text[], $9::text::text[], $10::text::text[], $11::text::text[], $12::text::bigint[],
    $13::text::bigint[], $14::text::text[], $15::text::integer[], $16::text::text[], $17,
    $18::text::text[], $19::text::text[], $20::text::text[], $21::text::text[],
    $22::text::integer[], $23::text::smallint[], $24::text::integer[], $25::text::bigint[], $26)
"""
BEYOND_BALANCE: Final = "TRB01"
"""SQLSTATE of the posting function: an account would go beyond zero; its detail is what is there."""
PERIOD_CLOSED: Final = "TRB02"
"""SQLSTATE of the posting function: a journal asked for a closed month."""


class KeyConflict(TributaryError):
    """A posting key that exists with other content: two computations disagree, and neither may win silently."""


class PeriodClosed(TributaryError):
    """A journal was to be accounted in a month that is closed."""


class BeyondBalance(TributaryError):
    """A journal would have taken an account beyond zero: more than is payable, or than is to be recovered."""

    def __init__(self, held_minor: int) -> None:
        super().__init__(f"only {held_minor} minor units are there")
        self.held_minor = held_minor


class Outcome(StrEnum):
    """What became of a journal handed in."""

    POSTED = "posted"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


class Result(NamedTuple):
    """The outcome for one journal, and the id under which its key is booked."""

    outcome: Outcome
    journal_id: int


_OUTCOMES: Final = {outcome.value: outcome for outcome in Outcome}


async def post(
    connection: asyncpg.Connection, journals: Sequence[Journal], *, within_balance: bool = False
) -> list[Result]:  # fmt: skip
    """Book the journals whose keys are new, in their order; answer for each what became of it.

    `within_balance` raises `BeyondBalance` when the account of a journal's first leg would go beyond zero. The caller
    decides what a CONFLICT means (see `post_all`). Raises `PeriodClosed` when a journal names a closed month, and
    asyncpg.IntegrityConstraintViolationError for one that does not balance or reverses what is reversed already. After
    an error the transaction can only be rolled back. Never commits.
    """
    results: list[Result] = []
    for begin in range(0, len(journals), BATCH):
        results.extend(await _post_batch(connection, journals[begin : begin + BATCH], within_balance))
    return results


async def post_all(connection: asyncpg.Connection, journals: Sequence[Journal]) -> int:
    """Book journals that must not meet other content under their keys; returns how many were new."""
    results = await post(connection, journals)
    for journal, result in zip(journals, results, strict=True):
        if result.outcome is Outcome.CONFLICT:
            raise KeyConflict(f"{journal.key} is booked as journal {result.journal_id} with other content")
    return sum(result.outcome is Outcome.POSTED for result in results)


async def _post_batch(
    connection: asyncpg.Connection, journals: Sequence[Journal], within_balance: bool
) -> list[Result]:  # fmt: skip
    try:
        rows = await connection.fetch(_POST, *_headers(journals), *_accounts_and_legs(journals), within_balance)
    except asyncpg.PostgresError as error:
        if error.sqlstate == BEYOND_BALANCE:
            raise BeyondBalance(int(error.detail)) from error
        if error.sqlstate == PERIOD_CLOSED:
            raise PeriodClosed(str(error)) from error
        raise
    return [Result(_OUTCOMES[outcome], journal_id) for outcome, journal_id in rows]


def _headers(journals: Sequence[Journal]) -> tuple[object, ...]:
    """The first seventeen arrays of the posting function."""
    return (
        _texts([j.key for j in journals]),
        _texts([f"\\x{j.fingerprint.hex()}" for j in journals]),
        _texts([j.kind for j in journals]),
        _plain([j.effective_on for j in journals]),
        _plain([j.period for j in journals]),
        _plain([len(j.legs) for j in journals]),
        _texts([j.partner for j in journals]),
        _texts([j.deal_source for j in journals]),
        _texts([j.deal_id for j in journals]),
        _texts([j.plan for j in journals]),
        _texts([j.scope for j in journals]),
        _plain([j.adjusts for j in journals]),
        _plain([j.reverses for j in journals]),
        _texts([j.program for j in journals]),
        _plain([j.program_version for j in journals]),
        _texts([j.source_event for j in journals]),
        [orjson.dumps(j.reason).decode() for j in journals],  # each would have to be escaped and read twice
    )


def _accounts_and_legs(journals: Sequence[Journal]) -> tuple[str, ...]:
    """Four arrays of the batch's accounts, and four of its legs, which name journals and accounts by their places."""
    places: dict[Account, int] = {}
    of_journal: list[int] = []
    numbers: list[int] = []
    accounts: list[int] = []
    amounts: list[int] = []
    for place, journal in enumerate(journals, start=1):
        for number, (account, amount) in enumerate(journal.legs, start=1):
            of_journal.append(place)
            numbers.append(number)
            accounts.append(places.setdefault(account, len(places) + 1))
            amounts.append(amount)
    return (
        _texts([a.code for a in places]),
        _texts([a.currency for a in places]),
        _texts([a.role for a in places]),
        _texts([a.partner for a in places]),
        *map(_plain, (of_journal, numbers, accounts, amounts)),
    )


def _texts(values: Sequence[str | None]) -> str:
    """An array of texts as PostgreSQL writes it.

    The driver asks of each element of a list whether it is an array itself, which takes longer than all else it does.
    """
    quoted = ["NULL" if v is None else '"' + v.replace("\\", "\\\\").replace('"', '\\"') + '"' for v in values]
    return "{" + ",".join(quoted) + "}"


def _plain(values: Sequence[int | date | None]) -> str:
    """The same of numbers or days: PostgreSQL writes them and what is missing as JSON does, but for the brackets."""
    return "{" + orjson.dumps(values)[1:-1].decode() + "}"
