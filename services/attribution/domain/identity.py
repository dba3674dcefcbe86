"""Whose account is it? Strong keys alone decide: the CRM's id and the company's own domain; names never.

All strong keys of one deal snapshot belong to one account, and accounts that share a key are one. Links only
accumulate, so the accounts are the same whatever order the snapshots come in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.attribution.domain.shared_domains import is_shared
from shared import keys
from shared.events.account import DEFAULT_CRM, AccountRef


def crm_key(crm: str | None, crm_id: str | None) -> str | None:
    """The key of an account's id in one CRM; ids of two CRMs never meet."""
    if not crm_id:
        return None
    crm = crm or DEFAULT_CRM
    if ":" in crm or "%" in crm:  # a separator inside the CRM's name must not make two different accounts look alike
        crm = crm.replace("%", "%25").replace(":", "%3A")
    return f"crm:{crm}:{crm_id}"


def domain_key(domain: str | None) -> str | None:
    """The key of a company's own domain; None for domains that many companies share."""
    return None if not domain or is_shared(domain) else f"domain:{domain}"


def strong_keys(account: AccountRef | None) -> tuple[str, ...]:
    """The strong keys of an account reference, at most one of each kind."""
    if account is None:
        return ()
    return tuple(filter(None, (crm_key(account.crm, account.crm_id), domain_key(account.domain))))


def own_key(source: str, deal_id: str) -> str:
    """The key of a deal that names no account by a strong key: an account of its own, matched by nothing else."""
    return f"deal:{keys.pack(source, deal_id)}"


@dataclass(frozen=True, slots=True)
class Component:
    """Keys that belong together, and the accounts (sorted) that hold some of them already."""

    keys: tuple[str, ...]
    accounts: tuple[int, ...]


def components(groups: Iterable[Sequence[str]], known: Mapping[str, int]) -> list[Component]:
    """Join groups of keys that share a key or a known account. Sorted, so that the result is the same in any order."""
    parent: dict[str | int, str | int] = {}

    def root(item: str | int) -> str | int:
        parent.setdefault(item, item)
        while parent[item] != item:
            parent[item] = parent[parent[item]]  # halve the path, so that long chains stay cheap
            item = parent[item]
        return item

    for group in groups:
        for key in group:
            parent[root(key)] = root(group[0])
            if key in known:
                parent[root(key)] = root(known[key])
    members: dict[str | int, tuple[list[str], list[int]]] = {}
    for item in parent:
        found_keys, accounts = members.setdefault(root(item), ([], []))
        if isinstance(item, str):
            found_keys.append(item)
        else:
            accounts.append(item)
    joined = (Component(tuple(sorted(k)), tuple(sorted(a))) for k, a in members.values())
    return sorted(joined, key=lambda component: component.keys)
