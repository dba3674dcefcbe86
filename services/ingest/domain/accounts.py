"""Which names belong to one customer company: all names of one, several that are one, and one that is its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal, NotRequired

from pydantic import Field, with_config
from typing_extensions import TypedDict

from services.ingest.domain import statements
from services.ingest.domain.batch import Numbered, Objection, Shape
from services.ingest.domain.fields import (
    MAX_ENTRIES,
    STRICT,
    Account,
    Domain,
    Duns,
    Id,
    Name,
    Text,
    Vat,
    present,
    weak,
)
from services.ingest.domain.statements import Evident, Statement
from shared.events import directory
from shared.events.account import DEFAULT_CRM
from shared.events.envelope import Event

MIN_NAMES: Final = 2
"""Names and keys of a statement, and accounts of a merge: one alone says nothing about belonging together."""

_STRONG: Final = "crm_id, duns, vat or domain"
_ALIASES: Final = "Other names, exactly as partners write them: each may then stand for the company alone."


@with_config(STRICT)
class CrmId(TypedDict):
    """The company's id in one of the vendor's CRMs."""

    crm: NotRequired[Id | None]
    id: Id


@with_config(STRICT)
class Linked(Statement):
    """All names of one company, as the sender knows it."""

    name: NotRequired[Name | None]
    aliases: NotRequired[Annotated[list[Name] | None, Field(max_length=MAX_ENTRIES, description=_ALIASES)]]
    domains: NotRequired[Annotated[list[Domain] | None, Field(max_length=MAX_ENTRIES)]]
    crm_ids: NotRequired[Annotated[list[CrmId] | None, Field(max_length=MAX_ENTRIES)]]
    duns: NotRequired[Duns | None]
    vat: NotRequired[Vat | None]
    evidence: NotRequired[Annotated[Text | None, Field(description="What shows it: a link, a document number.")]]


@with_config(STRICT)
class Merge(Evident):
    """Accounts that are one company."""

    accounts: Annotated[
        list[Account],
        Field(min_length=MIN_NAMES, max_length=MAX_ENTRIES, description=f"Each by {_STRONG}."),
    ]


@with_config(STRICT)
class Separation(Evident):
    """An account whose keys are a company of their own."""

    account: Annotated[Account, Field(description=f"By {_STRONG}, and by all of them that are its own.")]


LINKED: Final[Shape[Linked]] = Shape(Linked, Literal["account.linked"])
MERGES: Final[Shape[Merge]] = Shape(Merge, Literal["account.merged"])
SEPARATIONS: Final[Shape[Separation]] = Shape(Separation, Literal["account.separated"])


def link_objections(numbered: Numbered[Linked]) -> Iterator[Objection]:
    """Everything wrong with account statements of the right form. One that is undone need not repeat its names."""
    for index, item in numbered:
        if item.get("undone"):
            continue
        keys, names = _keys(item), {item.get("name"), *(item.get("aliases") or ())} - {None}
        if not keys:
            message = "name the company by at least one of domains, crm_ids, duns or vat: many may share a name"
            yield Objection(index, "domains", message)
        elif len(keys) + len(names) < MIN_NAMES:
            message = (
                "is the only key and links nothing; add another key or a name, or send undone: true to take it back"
            )
            yield Objection(index, next(iter(keys))[0], message)
    yield from statements.contradictions(numbered)


def _keys(item: Linked) -> dict[tuple[str, ...], None]:
    """The different strong keys, in the order of the fields; each begins with the name of its field."""
    keys = [("domains", domain) for domain in item.get("domains") or ()]
    ids = [("crm_ids", one.get("crm") or DEFAULT_CRM, one["id"]) for one in item.get("crm_ids") or ()]
    numbers = [(name, value) for name, value in (("duns", item.get("duns")), ("vat", item.get("vat"))) if value]
    return dict.fromkeys([*keys, *ids, *numbers])


def merge_objections(numbered: Numbered[Merge]) -> Iterator[Objection]:
    """Everything wrong with merges of the right form."""
    for index, item in numbered:
        seen: dict[tuple[object, ...], int] = {}
        for place, account in enumerate(item["accounts"]):
            field = f"accounts.{place}"
            if weak(account):
                yield Objection(index, field, _nameless(account))
                continue
            earlier = seen.setdefault(_identity(account), place)
            if earlier != place:
                yield Objection(index, field, f"is the same as accounts.{earlier}; name another account")
    yield from statements.contradictions(numbered)


def separation_objections(numbered: Numbered[Separation]) -> Iterator[Objection]:
    """Everything wrong with separations of the right form."""
    for index, item in numbered:
        if weak(item["account"]):
            yield Objection(index, "account", _nameless(item["account"]))
    yield from statements.contradictions(numbered)


def _nameless(account: Account) -> str:
    because = "; a name alone may be that of several companies" if account.get("name") else ""
    return f"must name the account by {_STRONG}{because}"


def _identity(account: Account) -> tuple[object, ...]:
    crm_id = account.get("crm_id")
    crm = (account.get("crm") or DEFAULT_CRM) if crm_id else None
    return (crm, crm_id, account.get("duns"), account.get("vat"), account.get("domain"))


def link_events(items: Sequence[Linked], source: str, now: datetime, traceparent: str | None) -> list[Event]:
    """One `account.linked` per item; what a list says twice is said once."""
    return [
        statements.event(directory.ACCOUNT_LINKED, _plain_link(item), source, now, traceparent) for item in items
    ]  # fmt: skip


def _plain_link(item: Linked) -> dict[str, Any]:
    plain: dict[str, Any] = {**item}
    for name in ("aliases", "domains"):
        if plain.get(name):
            plain[name] = list(dict.fromkeys(plain[name]))
    if plain.get("crm_ids"):
        pairs = dict.fromkeys((one.get("crm") or DEFAULT_CRM, one["id"]) for one in plain["crm_ids"])
        plain["crm_ids"] = [{"crm": crm, "id": crm_id} for crm, crm_id in pairs]
    return plain


def merge_events(items: Sequence[Merge], source: str, now: datetime, traceparent: str | None) -> list[Event]:
    """One `account.merged` per item."""
    return [
        statements.event(
            directory.ACCOUNT_MERGED, {**item, "accounts": [present(account) for account in item["accounts"]]},
            source, now, traceparent,
        )
        for item in items
    ]  # fmt: skip


def separation_events(items: Sequence[Separation], source: str, now: datetime, traceparent: str | None) -> list[Event]:
    """One `account.separated` per item."""
    return [
        statements.event(
            directory.ACCOUNT_SEPARATED, {**item, "account": present(item["account"])}, source, now, traceparent
        )
        for item in items
    ]
