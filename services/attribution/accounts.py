"""Keys that are stated together become one unit of work: opened, joined or merged as the statements demand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import asyncpg

from services.attribution import account_store, store
from services.attribution.domain import identity


@dataclass(frozen=True, slots=True)
class Links:
    """The account of every key of a batch; which accounts took in others; which gained keys or lost touchpoints."""

    accounts: Mapping[str, int]
    survivors: Sequence[int]
    widened: Sequence[int]


async def link(connection: asyncpg.Connection, groups: Sequence[Sequence[str]]) -> Links:
    """Let the keys of each group belong to one account.

    A name that becomes somebody's takes along the deals that call their account so and have no other key.
    """
    names = {key for group in groups for key in group if key.startswith("name:")}
    groups = [*(group for group in groups if group), *await account_store.own_keys(connection, names)]
    resolved = await store.resolve(connection, {key for group in groups for key in group})
    known = {key: found.account_id for key, found in resolved.items()}
    parts = identity.components(groups, known)
    opened = iter(await account_store.open_accounts(connection, sum(not part.accounts for part in parts)))
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
    await account_store.save_keys(connection, gained)
    await account_store.merge_accounts(connection, survivors)
    await account_store.note_dated(connection, {accounts[group[0]] for group in groups if _by_name(group)})
    widened += await account_store.bystanders(connection, gained.keys())
    return Links(accounts, list(survivors.values()), widened)


def _by_name(group: Sequence[str]) -> bool:
    """Whether a deal without a key belongs somewhere by its name alone: it may be called otherwise later."""
    return any(key.startswith("deal:") for key in group) and any(key.startswith("name:") for key in group)
