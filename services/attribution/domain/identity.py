"""Whose account is it? Strong keys alone decide: ids in a CRM, DUNS and VAT numbers, the company's own domains.

A name decides nothing, until somebody states whose it is: then it is a key as exact as the others. All keys of one deal
snapshot, and of one statement about a company, are linked; linked keys are one unit of work, which only grows, so it is
the same whatever order the facts come in. What of a unit is one company on a day is told by `links`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.attribution.domain import names
from services.attribution.domain.shared_domains import is_shared
from shared import keys
from shared.events.account import DEFAULT_CRM, AccountRef
from shared.events.directory import AccountLinked


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


def number_key(duns: str | None, vat: str | None) -> str | None:
    """The key of a company's DUNS number or, without one, of its VAT number."""
    if duns:
        return f"duns:{duns}"
    return f"vat:{vat}" if vat else None


def name_key(name: str | None) -> str | None:
    """The key of a name, spelled in one way: it links only where somebody stated whose name it is."""
    spelled = names.spelled(name) if name else ""
    return f"name:{spelled}" if spelled else None


def strong_keys(account: AccountRef | None) -> tuple[str, ...]:
    """The strong keys of an account reference, the strongest first."""
    if account is None:
        return ()
    keys_ = (
        crm_key(account.crm, account.crm_id), number_key(account.duns, None), number_key(None, account.vat),
        domain_key(account.domain),
    )  # fmt: skip
    return tuple(filter(None, keys_))


def statement_keys(event: AccountLinked) -> tuple[str, ...]:
    """All keys that a statement about one company names, its aliases among them; sorted, each once."""
    found = [
        *(crm_key(one.crm, one.id) for one in event.crm_ids),
        number_key(event.duns, None), number_key(None, event.vat),
        *map(domain_key, event.domains), *map(name_key, event.aliases),
    ]  # fmt: skip
    return tuple(sorted({key for key in found if key is not None}))


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
