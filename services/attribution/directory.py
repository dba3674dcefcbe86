"""Statements about accounts and partners: from messages to stored facts, linked units, and marks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import asyncpg

from services.attribution import account_store, accounts, name_store, partner_store
from services.attribution.batch import Batch, read
from services.attribution.domain import links, statements
from services.attribution.domain.statements import AccountStatement, PartnerEntry, PartnerMerge
from services.attribution.store import Conflict
from shared.events import directory
from shared.message import Message, Refused


@dataclass(frozen=True, slots=True)
class Statements:
    """The statements of a batch, by what they are about."""

    accounts: Sequence[Batch[AccountStatement]]
    entries: Batch[PartnerEntry]
    merges: Batch[PartnerMerge]

    @property
    def any(self) -> bool:
        return bool(any(batch.rows for batch in self.accounts) or self.entries.rows or self.merges.rows)

    @property
    def conflicts(self) -> list[Conflict]:
        stated = [one for batch in self.accounts for one in batch.conflicts]
        return [*stated, *self.entries.conflicts, *self.merges.conflicts]


def read_all(messages: Sequence[Message], refused: list[Refused]) -> Statements:
    """All statements of a batch; types that only others read are passed over."""
    return Statements(
        [
            read(messages, {kind}, partial(statements.about_accounts, kind), _account_key, kind, refused)
            for kind in sorted(statements.ACCOUNT_TYPES)
        ],
        read(messages, {directory.PARTNER_UPSERTED}, statements.partner_entry, _entry_key, "partner", refused),
        read(messages, {directory.PARTNER_MERGED}, statements.partner_merge, _merge_key, "partner.merged", refused),
    )  # fmt: skip


def _account_key(row: AccountStatement) -> tuple[str, str, int]:
    return row.source, row.id, row.version


def _entry_key(row: PartnerEntry) -> tuple[str, str, int]:
    return "", row.id, row.version


def _merge_key(row: PartnerMerge) -> tuple[str, str, int]:
    return row.source, row.id, row.version


async def store_all(connection: asyncpg.Connection, found: Statements) -> dict[int, str | None]:
    """Store all statements; returns the accounts whose credit may change."""
    marks: dict[int, str | None] = {}
    for batch in found.accounts:
        if batch.rows:
            marks |= await _store_accounts(connection, batch)
    if found.entries.rows:
        await _store_entries(connection, found.entries)
    if found.merges.rows:
        await _store_merges(connection, found.merges)
    return marks


async def _store_accounts(connection: asyncpg.Connection, batch: Batch[AccountStatement]) -> dict[int, str | None]:
    rows = list(batch.rows.values())
    linked = await accounts.link(connection, [row.keys for row in rows])
    others, concerned = await account_store.save_statements(connection, rows, linked.accounts)
    for other in others:
        batch.contradict(f"account.{other.about}", _account_key(other))
    called = {
        (spelled, strong[0]): name
        for row in rows
        if (strong := [key for key in row.keys if links.is_strong(key)])
        for spelled, name in statements.spelled(row.names).items()
    }
    await name_store.save_account_names(connection, called)
    trace = next((m.traceparent for m in batch.messages.values() if m.traceparent), None)
    return dict.fromkeys((*linked.survivors, *linked.widened, *concerned), trace)


async def _store_entries(connection: asyncpg.Connection, batch: Batch[PartnerEntry]) -> None:
    fresh, others = await partner_store.save_entries(connection, list(batch.rows.values()))
    for other in others:
        batch.contradict("partner", _entry_key(other))
    trace = next((m.traceparent for m in batch.messages.values() if m.traceparent), None)
    await partner_store.mark_by_kind(connection, fresh, trace)


async def _store_merges(connection: asyncpg.Connection, batch: Batch[PartnerMerge]) -> None:
    concerned, others = await partner_store.save_merges(connection, list(batch.rows.values()))
    for other in others:
        batch.contradict("partner.merged", _merge_key(other))
    trace = next((m.traceparent for m in batch.messages.values() if m.traceparent), None)
    await partner_store.mark_accounts_of(connection, concerned, trace)
