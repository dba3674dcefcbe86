"""Posting a batch of journals: one call of the database's posting function, the only way into the ledger.

The function (migrations/plans_posting.sql) takes arrays, runs a constant number of statements, books each key once and
keeps balances exact under concurrency. Here journals become its arrays. The caller owns the transaction; nothing
commits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

import asyncpg
import orjson

from services.rewards.domain.accounts import Account
from services.rewards.domain.journal import Journal
from shared.errors import TributaryError

BATCH: Final = 5_000
"""Journals per set of statements: throughput no longer grows beyond it, and the arrays stay below a few megabytes."""

_POST: Final = """
SELECT outcome, booked_as FROM rewards.post(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25,
    $26)
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


def _headers(journals: Sequence[Journal]) -> Iterable[Sequence[object]]:
    """The first seventeen arrays of the posting function."""
    return zip(
        *[
            (j.key, j.fingerprint, j.kind, j.effective_on, j.period, len(j.legs), j.partner, j.deal_source, j.deal_id,
             j.plan, j.scope, j.adjusts, j.reverses, j.program, j.program_version, j.source_event,
             orjson.dumps(j.reason).decode())
            for j in journals
        ],
        strict=True,
    )  # fmt: skip


def _accounts_and_legs(journals: Sequence[Journal]) -> tuple[Sequence[object], ...]:
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
    names = [(a.code, a.currency, a.role, a.partner) for a in places]
    named = zip(*names, strict=True) if names else ([], [], [], [])  # an empty journal is refused there, not here
    return *named, of_journal, numbers, accounts, amounts
