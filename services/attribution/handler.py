"""From messages to stored facts: check, store under the natural key, link accounts, mark what may change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

import asyncpg

from services.attribution import store
from services.attribution.domain import identity, parse
from services.attribution.domain.parse import DealVersion, ProgramVersion, TouchRow
from services.attribution.store import Conflict
from shared.errors import Invalid
from shared.events import deal, program, touchpoint
from shared.message import Message, Refused

TOPICS: Final = (touchpoint.TOPIC, deal.TOPIC, program.TOPIC)

Row = TypeVar("Row", TouchRow, DealVersion, ProgramVersion)


@dataclass(slots=True)
class Batch(Generic[Row]):
    """The facts of one type in a batch, one per natural key, with the trace and the body of each."""

    rows: dict[tuple[str | int, ...], Row] = field(default_factory=dict)
    messages: dict[tuple[str | int, ...], Message] = field(default_factory=dict)
    conflicts: list[Conflict] = field(default_factory=list)

    def trace(self, *natural_key: str | int) -> str | None:
        return self.messages[natural_key].traceparent


class Facts:
    """The handler of the attribution consumer."""

    async def store(self, connection: asyncpg.Connection, messages: Sequence[Message]) -> Sequence[Refused]:
        """Store what is new in the batch, in a constant number of statements; returns the messages refused."""
        refused = _unknown(messages)
        touches = _touchpoints(messages, refused)
        deals = _read(messages, deal.OBSERVED, parse.deal, "deal", refused)
        programs = _read(messages, program.ACTIVATED, parse.program_version, "program", refused)
        await (store.alone(connection) if deals.rows or programs.rows else store.together(connection))
        if programs.rows:
            await _store_programs(connection, programs)
        marks = await _store_deals(connection, deals) if deals.rows else {}
        if touches.rows:
            marks |= await _store_touchpoints(connection, touches)
        await store.mark(connection, marks)
        await store.save_conflicts(connection, (*touches.conflicts, *deals.conflicts, *programs.conflicts))
        return refused


def _unknown(messages: Sequence[Message]) -> list[Refused]:
    """Messages of a type we do not know, on topics whose every message matters to credit.

    They are put aside, for a newer release to replay. The program topic also carries types that only others read.
    """
    known = {touchpoint.TOPIC: touchpoint.RECORDED, deal.TOPIC: deal.OBSERVED}
    return [
        Refused(m, f"ce_type: {m.type or 'missing'}, expected {known[m.topic]}")
        for m in messages
        if m.topic in known and m.type != known[m.topic]
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
            batch.conflicts.append(_conflict("touchpoint", (*key, 0), row, message))
        elif held is None or row.received_at < held.received_at:
            rows[key] = row
            batch.messages[key] = message
    return batch


def _read(
    messages: Sequence[Message], kind: str, read: Callable[[bytes], Row], name: str, refused: list[Refused]
) -> Batch[Row]:
    """The facts of one type; what does not parse is added to `refused`, a second body of one key to the conflicts."""
    batch: Batch[Row] = Batch()
    for message in messages:
        if message.type != kind:
            continue
        try:
            row = read(message.value)
        except Invalid as error:
            refused.append(Refused(message, str(error)))
            continue
        key = _key(row)
        if batch.rows.setdefault(key, row).fingerprint != row.fingerprint:
            batch.conflicts.append(_conflict(name, key, row, message))
        else:
            batch.messages.setdefault(key, message)
    return batch


def _key(row: Row) -> tuple[str | int, ...]:
    if isinstance(row, DealVersion):
        return row.source, row.id, row.version
    return (row.program, row.version) if isinstance(row, ProgramVersion) else row[:2]


def _conflict(kind: str, key: Sequence[str | int], row: Row, message: Message) -> Conflict:
    """A conflict under a natural key of (source, id, version); a program version has no source beside its program."""
    *names, version = key
    source, name = (str(names[0]), str(names[-1])) if len(names) > 1 else ("", str(names[0]))
    return Conflict(kind, source, name, int(version), row.fingerprint, parse.as_json(message.value))


async def _store_programs(connection: asyncpg.Connection, batch: Batch[ProgramVersion]) -> None:
    facts = list(batch.rows.values())
    trace = next((m.traceparent for m in batch.messages.values() if m.traceparent), None)
    for other in await store.save_programs(connection, facts, trace):
        key = (other.program, other.version)
        batch.conflicts.append(_conflict("program", key, other, batch.messages[key]))


async def _store_deals(connection: asyncpg.Connection, batch: Batch[DealVersion]) -> dict[int, str | None]:
    """Store snapshots, link their keys, move the deals on; returns the accounts whose credit may change."""
    fresh, others = await store.save_deal_versions(connection, list(batch.rows.values()))
    for other in others:
        key = (other.source, other.id, other.version)
        batch.conflicts.append(_conflict("deal", key, other, batch.messages[key]))
    if not fresh:
        return {}
    links = await _link(connection, [fact.keys for fact in fresh])
    newest: dict[store.DealKey, DealVersion] = {}
    for fact in fresh:
        held = newest.get((fact.source, fact.id))
        if held is None or fact.version > held.version:
            newest[fact.source, fact.id] = fact
    known = await store.known_deals(connection, newest.keys())
    moved = [
        (fact, links.accounts[fact.keys[0]])
        for key, fact in newest.items()
        if key not in known or fact.version > known[key].version
    ]
    await store.point_deals(connection, moved)
    marks: dict[int, str | None] = dict.fromkeys((*links.survivors, *links.widened), batch.trace(*_key(fresh[0])))
    for fact, account in moved:
        before = known.get((fact.source, fact.id))
        if fact.stage == deal.Stage.WON or (before is not None and before.credited):
            marks[account] = batch.trace(*_key(fact))
    return marks


@dataclass(frozen=True, slots=True)
class Links:
    """The account of every key of a batch; which accounts took in others; which gained keys or lost touchpoints."""

    accounts: Mapping[str, int]
    survivors: Sequence[int]
    widened: Sequence[int]


async def _link(connection: asyncpg.Connection, groups: Sequence[Sequence[str]]) -> Links:
    """Let the keys of each group belong to one account: opened, joined or merged as the groups demand."""
    resolved = await store.resolve(connection, {key for group in groups for key in group})
    known = {key: found.account_id for key, found in resolved.items()}
    parts = identity.components(groups, known)
    opened = iter(await store.open_accounts(connection, sum(not part.accounts for part in parts)))
    accounts: dict[str, int] = {}
    survivors: dict[int, int] = {}
    gained: dict[str, int] = {}
    widened: list[int] = []
    for part in parts:
        account = part.accounts[0] if part.accounts else next(opened)
        survivors |= dict.fromkeys(part.accounts[1:], account)
        accounts |= dict.fromkeys(part.keys, account)
        new = {key: account for key in part.keys if key not in known}
        gained |= new
        if new and part.accounts:
            widened.append(account)
    await store.save_keys(connection, gained)
    await store.merge_accounts(connection, survivors)
    widened += await store.bystanders(connection, gained.keys())
    return Links(accounts, list(survivors.values()), widened)


async def _store_touchpoints(connection: asyncpg.Connection, batch: Batch[TouchRow]) -> dict[int, str | None]:
    """Store touchpoints; returns the accounts with a won deal that they belong to."""
    others = await store.save_touchpoints(connection, sorted(batch.rows.values()))
    for key in others:
        batch.conflicts.append(_conflict("touchpoint", (*key, 0), batch.rows[key], batch.messages[key]))
    rows = batch.rows.values()
    traced = [(row.source, row.id, trace) for row in rows if (trace := batch.trace(row.source, row.id)) is not None]
    await store.save_traces(connection, traced)
    keys = {key for row in rows for key in (row.crm_key, row.domain_key) if key is not None}
    accounts = await store.resolve(connection, keys)
    if not accounts:
        return {}
    await store.save_ambiguous(connection, list(_ambiguous(rows, accounts)))
    marks: dict[int, str | None] = {}
    for row in rows:
        for strong in (row.crm_key, row.domain_key):
            found = accounts.get(strong) if strong else None
            if found is not None and found.won:
                marks.setdefault(found.account_id, batch.trace(row.source, row.id))
    return marks


def _ambiguous(rows: Iterable[TouchRow], accounts: Mapping[str, store.Resolved]) -> Iterable[tuple[str, str]]:
    """Natural keys of touchpoints whose two keys belong to two different accounts."""
    for row in rows:
        by_crm, by_domain = accounts.get(row.crm_key or ""), accounts.get(row.domain_key or "")
        if by_crm is not None and by_domain is not None and by_crm.account_id != by_domain.account_id:
            yield row.source, row.id
