"""Statements about identity, withdrawals and decisions: from messages to rows, or the reason of refusal."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from services.attribution.domain import identity, names
from services.attribution.domain.links import Link
from services.attribution.domain.parse import checked, fingerprint
from shared.errors import Fault, Invalid
from shared.events import directory, review, touchpoint
from shared.events.base import Contract


class About(StrEnum):
    """What a statement about accounts says."""

    LINKED = "linked"
    MERGED = "merged"
    SEPARATED = "separated"


@dataclass(frozen=True, slots=True)
class AccountStatement:
    """A version of a statement about accounts, as it is stored. `names` are spelled as they were given."""

    about: About
    source: str
    id: str
    version: int
    keys: tuple[str, ...]
    names: tuple[str, ...]
    effective_from: date | None
    undone: bool
    received_at: datetime
    body: str
    fingerprint: bytes

    @property
    def plain(self) -> bool:
        """Whether it holds for all deals, so that the unit it makes is one company without further computation."""
        return self.about is not About.SEPARATED and self.effective_from is None and not self.undone


@dataclass(frozen=True, slots=True)
class PartnerEntry:
    """A version of a partner's directory entry, as far as attribution reads it."""

    id: str
    version: int
    kind: str | None
    since: date
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class PartnerMerge:
    """A version of a statement that one partner counts as another."""

    source: str
    id: str
    version: int
    partner: str
    into: str
    effective_from: date
    undone: bool
    body: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A touchpoint taken back by its sender."""

    source: str
    id: str
    partner: str | None
    reason: str
    received_at: datetime


_ACCOUNTS: Final[dict[str, tuple[About, type[directory.Statement]]]] = {
    directory.ACCOUNT_LINKED: (About.LINKED, directory.AccountLinked),
    directory.ACCOUNT_MERGED: (About.MERGED, directory.AccountMerged),
    directory.ACCOUNT_SEPARATED: (About.SEPARATED, directory.AccountSeparated),
}
ACCOUNT_TYPES: Final = frozenset(_ACCOUNTS)
_LATER: Final = {"recruiter", "currency"}


def about_accounts(kind: str, value: bytes) -> AccountStatement:
    """The row of a statement about accounts; raises `Invalid` naming each field at fault."""
    about, contract = _ACCOUNTS[kind]
    event = checked(contract, value)
    keys, given = _named(event)
    if not keys and not event.undone:
        raise Invalid(Fault("account", "names no key that could be linked"))
    return AccountStatement(
        about, event.source, event.id, event.version, keys, given, event.effective_from, event.undone,
        event.received_at, value.decode(), _lasting(event),
    )  # fmt: skip


def _named(event: directory.Statement) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The keys and the names of a statement."""
    match event:
        case directory.AccountLinked():
            given = tuple(name for name in (event.name, *event.aliases) if name is not None)
            return identity.statement_keys(event), given
        case directory.AccountMerged():
            keys = {key for account in event.accounts for key in identity.strong_keys(account)}
            return tuple(sorted(keys)), ()
        case directory.AccountSeparated():
            return tuple(sorted(identity.strong_keys(event.account))), ()
        case _:
            raise TypeError(type(event).__name__)


def partner_entry(value: bytes) -> PartnerEntry:
    """The row of a `partner.upserted`."""
    event = checked(directory.PartnerUpserted, value)
    content = event.model_dump(mode="json", exclude={"received_at", *_LATER})
    later = event.model_dump(mode="json", include=_LATER, exclude_none=True)
    # Entries without the later fields keep the fingerprint they had before there were such fields.
    return PartnerEntry(event.id, event.version, event.kind, event.tier_since, fingerprint(content | later))


def partner_merge(value: bytes) -> PartnerMerge:
    """The row of a `partner.merged`."""
    event = checked(directory.PartnerMerged, value)
    if event.partner == event.into:
        raise Invalid(Fault("into", "must be another partner"))
    return PartnerMerge(
        event.source, event.id, event.version, event.partner, event.into, event.effective_from, event.undone,
        value.decode(), _lasting(event),
    )  # fmt: skip


def withdrawal(value: bytes) -> Withdrawal:
    """The row of a `touchpoint.withdrawn`."""
    event = checked(touchpoint.TouchpointWithdrawn, value)
    return Withdrawal(event.source, event.id, event.partner, event.reason, event.received_at)


def decision(value: bytes) -> review.ReviewDecided:
    """A `review.decided`, its item of the length its kind has."""
    event = checked(review.ReviewDecided, value)
    refuse_item(event.kind, event.item)
    return event


ITEM_FIELDS: Final[dict[review.Kind, tuple[str, ...]]] = {
    review.Kind.AMBIGUOUS_ACCOUNT: ("source", "id"),
    review.Kind.CONFLICT: ("of", "source", "id", "version", "fingerprint"),
    review.Kind.LATE_CLAIM: ("source", "id", "deal_source", "deal_id"),
    review.Kind.PROPOSAL: ("name", "account"),
    review.Kind.UNMATCHED_DEAL: ("source", "id"),
    review.Kind.UNMATCHED_TOUCHPOINT: ("source", "id"),
}
"""What identifies an item of the review list, by kind."""


MAX_ITEM_BYTES: Final = 2_400
"""What identifies an item stands in an index, whose entries hold 2,700 bytes. Ids of real systems are far below; only
four of two hundred letters each, in a script of four bytes a letter, are beyond it."""
_VERSION: Final = re.compile(r"[0-9]{1,19}")
_PRINT: Final = re.compile(r"([0-9a-f]{2})*")


def refuse_item(kind: review.Kind, item: tuple[str, ...]) -> None:
    """Raise `Invalid` unless the item has the parts that its kind is identified by."""
    fields = ITEM_FIELDS[kind]
    by_name = dict(zip(fields, item, strict=False))
    if (
        len(item) != len(fields)
        or any("\x00" in part for part in item)
        or not fits(item)
        or not _VERSION.fullmatch(version := by_name.get("version", "0"))
        or int(version) >= 2**63  # a version of a fact is below
        or not _PRINT.fullmatch(by_name.get("fingerprint", ""))
    ):
        raise Invalid(Fault("item", f"a {kind} is identified by {', '.join(fields)}, as the review list shows it"))


def fits(item: Iterable[str]) -> bool:
    """Whether an item can be noted and decided at all."""
    return sum(len(part.encode()) for part in item) <= MAX_ITEM_BYTES


def link(row: AccountStatement) -> Link:
    """A statement in force as the pure functions read it."""
    return Link(row.keys, row.about is About.SEPARATED, row.effective_from)


def spelled(given: tuple[str, ...]) -> dict[str, str]:
    """Names by their spelling, as first given."""
    found: dict[str, str] = {}
    for name in given:
        found.setdefault(names.spelled(name), name)
    found.pop("", None)
    return found


def _lasting(event: directory.Statement) -> bytes:
    return fingerprint(_without_time(event))


def _without_time(event: Contract) -> object:
    """A repeat is sent at another time and is the same fact."""
    return event.model_dump(mode="json", exclude={"received_at"})
