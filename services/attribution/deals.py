"""New deal snapshots: their keys are linked, their accounts' names noted, and the newest becomes the deal's state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import asyncpg

from services.attribution import account_store, accounts, name_store, store
from services.attribution.domain import names
from services.attribution.domain.parse import DealVersion
from shared.events import deal

Marks = dict[int, str | None]


async def point(connection: asyncpg.Connection, fresh: Mapping[DealVersion, str | None]) -> Marks:
    """Link the keys of new snapshots and let the newest be their deals' present state; returns what may change."""
    if not fresh:
        return {}
    named = await store.resolve(connection, {fact.name_key for fact in fresh if fact.name_key})
    groups = [(*fact.keys, fact.name_key) if fact.name_key in named else fact.keys for fact in fresh]
    links = await accounts.link(connection, [tuple(filter(None, group)) for group in groups])
    await _store_names(connection, fresh)
    newest: dict[store.DealKey, DealVersion] = {}
    for fact in fresh:
        held = newest.get((fact.source, fact.id))
        if held is None or fact.version > held.version:
            newest[fact.source, fact.id] = fact
    known = await store.known_deals(connection, newest.keys())
    moved = [
        (fact, links.accounts[fact.keys[0]])
        for key, fact in newest.items()
        if key not in known or fact.version >= known[key].version
    ]
    await store.point_deals(connection, moved)
    first = next(iter(fresh.values()))
    # Where links are computed, whatever a snapshot names together may join or part companies.
    computed = await account_store.dated(connection, {links.accounts[fact.keys[0]] for fact in fresh})
    marks: Marks = dict.fromkeys((*links.survivors, *links.widened, *computed), first)
    for fact, account in moved:
        before = known.get((fact.source, fact.id))
        if fact.stage == deal.Stage.WON or (before is not None and before.credited):
            marks[account] = fresh[fact]
        if before is not None and before.credited:  # where it was, it may have been the first deal
            marks.setdefault(before.account_id, fresh[fact])
    return marks


async def _store_names(connection: asyncpg.Connection, facts: Iterable[DealVersion]) -> None:
    """What the deals' accounts are called: with a key, to be proposed to others; without one, to be proposed one."""
    called: dict[tuple[str, str], str] = {}
    waiting: dict[str, str] = {}
    for fact in facts:
        spelled = names.spelled(fact.account_name) if fact.account_name else ""
        if spelled and fact.account_name and fact.keyed:
            called[spelled, fact.keys[0]] = fact.account_name
        elif spelled and fact.account_name:
            waiting[spelled] = fact.account_name
    await name_store.save_account_names(connection, called)
    await name_store.save_unmatched_names(connection, waiting)
