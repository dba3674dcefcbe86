"""From messages to stored facts: check, store under the natural key, link accounts, mark what may change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import asyncpg

from services.attribution import deals, directory, name_store, program_store, review, store
from services.attribution.batch import Batch, conflict, read
from services.attribution.domain import names, parse, statements
from services.attribution.domain.parse import DealVersion, ProgramVersion, TouchRow
from shared.errors import Invalid
from shared.events import deal, program, touchpoint
from shared.events import directory as directory_events
from shared.events import review as review_events
from shared.message import Message, Refused

TOPICS: Final = (touchpoint.TOPIC, deal.TOPIC, program.TOPIC, directory_events.TOPIC, review_events.TOPIC)

Marks = dict[int, str | None]
"""Accounts whose credit may change, each with the trace of the message that caused it."""


class Facts:
    """The handler of the attribution consumer."""

    async def store(self, connection: asyncpg.Connection, messages: Sequence[Message]) -> Sequence[Refused]:
        """Store what is new in the batch, in a constant number of statements; returns the messages refused."""
        refused = _unknown(messages)
        touches = _touchpoints(messages, refused)
        snapshots = read(messages, {deal.OBSERVED}, parse.deal, _deal_key, "deal", refused)
        programs = read(messages, {program.ACTIVATED}, parse.program_version, _program_key, "program", refused)
        withdrawals = _withdrawals(messages, refused)
        others = directory.read_all(messages, refused)
        decisions = review.read_all(messages, refused)
        alone = snapshots.rows or programs.rows or withdrawals or others.any or decisions
        await (store.alone(connection) if alone else store.together(connection))
        if programs.rows:
            await _store_programs(connection, programs)
        marks = await directory.store_all(connection, others)
        if snapshots.rows:
            marks |= await _store_deals(connection, snapshots)
        if touches.rows:
            marks |= await _store_touchpoints(connection, touches)
        if withdrawals:
            trace = next((m.traceparent for m in withdrawals.values() if m.traceparent), None)
            marks |= dict.fromkeys(await store.save_withdrawals(connection, list(withdrawals)), trace)
        if decisions:
            marks |= await review.apply_all(connection, decisions)
        conflicts = [*touches.conflicts, *snapshots.conflicts, *programs.conflicts, *others.conflicts]
        if conflicts:
            await store.save_conflicts(connection, conflicts)
            marks |= dict.fromkeys(await review.settle_conflicts(connection, conflicts))
        await store.mark(connection, marks)
        return refused


def _unknown(messages: Sequence[Message]) -> list[Refused]:
    """Messages of a type we do not know, on topics whose every message matters to credit.

    They are put aside, for a newer release to replay. The other topics also carry types that only others read.
    """
    known = {touchpoint.TOPIC: (touchpoint.RECORDED, touchpoint.WITHDRAWN), deal.TOPIC: (deal.OBSERVED,)}
    return [
        Refused(m, f"ce_type: {m.type or 'missing'}, expected {' or '.join(known[m.topic])}")
        for m in messages
        if m.topic in known and m.type not in known[m.topic]
    ]


def _touchpoints(messages: Sequence[Message], refused: list[Refused]) -> Batch[TouchRow]:
    """The touchpoints of a batch. Of repeats within it the earliest report counts, as it does in the table."""
    batch: Batch[TouchRow] = Batch()
    rows = batch.rows
    for message in messages:
        if message.type != touchpoint.RECORDED:
            continue
        try:
            row = parse.touchpoint(message.value)
        except Invalid as error:
            refused.append(Refused(message, str(error)))
            continue
        key = row[:2]
        held = rows.get(key)
        if held is not None and held.fingerprint != row.fingerprint:
            batch.conflicts.append(conflict("touchpoint", (*key, 0), row.fingerprint, message))
        elif held is None or row.received_at < held.received_at:
            rows[key] = row
            batch.messages[key] = message
    return batch


def _withdrawals(messages: Sequence[Message], refused: list[Refused]) -> dict[statements.Withdrawal, Message]:
    found: dict[statements.Withdrawal, Message] = {}
    for message in messages:
        if message.type == touchpoint.WITHDRAWN:
            try:
                found[statements.withdrawal(message.value)] = message
            except Invalid as error:
                refused.append(Refused(message, str(error)))
    return found


def _deal_key(row: DealVersion) -> tuple[str, str, int]:
    return row.source, row.id, row.version


def _program_key(row: ProgramVersion) -> tuple[str, str, int]:
    return "", row.program, row.version  # a program version has no source beside its program


async def _store_programs(connection: asyncpg.Connection, batch: Batch[ProgramVersion]) -> None:
    facts = list(batch.rows.values())
    trace = next((m.traceparent for m in batch.messages.values() if m.traceparent), None)
    for other in await program_store.save_programs(connection, facts, trace):
        batch.contradict("program", _program_key(other))


async def _store_deals(connection: asyncpg.Connection, batch: Batch[DealVersion]) -> Marks:
    """Store snapshots, link their keys, move the deals on; returns the accounts whose credit may change."""
    fresh, others = await store.save_deal_versions(connection, list(batch.rows.values()))
    for other in others:
        batch.contradict("deal", _deal_key(other))
    return await deals.point(connection, {fact: batch.trace(*_deal_key(fact)) for fact in fresh})


async def _store_touchpoints(connection: asyncpg.Connection, batch: Batch[TouchRow]) -> Marks:
    """Store touchpoints; returns the accounts with a won deal that they belong to."""
    others, moved = await store.save_touchpoints(connection, sorted(batch.rows.values()))
    for other in others:
        batch.contradict("touchpoint", other, version=0)
    rows = batch.rows.values()
    assigned = moved | await store.apply_waiting(connection, [(row.source, row.id) for row in rows])
    traced = [(row.source, row.id, trace) for row in rows if (trace := batch.trace(row.source, row.id)) is not None]
    await store.save_traces(connection, traced)
    waiting = {names.spelled(row.account_name): row.account_name for row in rows if row.name_key and row.account_name}
    await name_store.save_unmatched_names(connection, waiting)
    found = await store.resolve(connection, {key for row in rows for key in row.keys} | assigned)
    if not found:
        return {}
    await store.save_ambiguous(connection, list(_ambiguous(rows, found)))
    marks: Marks = {}
    for row in rows:
        for key in row.keys:
            if key in found and found[key].won:
                marks.setdefault(found[key].account_id, batch.trace(row.source, row.id))
    for key in assigned:
        if key in found and found[key].won:
            marks.setdefault(found[key].account_id, None)
    return marks


def _ambiguous(rows: Iterable[TouchRow], found: Mapping[str, store.Resolved]) -> Iterable[tuple[str, str]]:
    """Natural keys of touchpoints whose two keys belong to two different accounts."""
    for row in rows:
        by_id, by_domain = found.get(row.id_key or ""), found.get(row.domain_key or "")
        if by_id is not None and by_domain is not None and by_id.account_id != by_domain.account_id:
            yield row.source, row.id
