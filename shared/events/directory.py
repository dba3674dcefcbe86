"""Who is who: partners and the tiers they hold, and which names belong to one company. Facts by natural key.

Statements about identity are versioned: of one (source, id) the highest version counts, and `undone` takes it back.
`effective_from` is the first close date of deals it concerns; without it, it has always been so.
"""

from __future__ import annotations

from datetime import date
from typing import Final

from pydantic import Field

from shared.events.account import DEFAULT_CRM, AccountRef
from shared.events.base import Contract, Id, Instant, Name, Text

TOPIC: Final = "tributary.directory"
PARTNER_UPSERTED: Final = "partner.upserted"
PARTNER_MERGED: Final = "partner.merged"
ACCOUNT_LINKED: Final = "account.linked"
ACCOUNT_MERGED: Final = "account.merged"
ACCOUNT_SEPARATED: Final = "account.separated"


class PartnerUpserted(Contract):
    """A fact under its natural key (id, version).

    The tier at a date is that of the fact with the latest `tier_since` not after it; among equal dates the highest
    version wins. So tiers have a history, and a promotion today does not change what last year's deals paid. `kind`,
    `recruiter` (the partner that brought this one, which overrides pay) and `currency` (in which it is paid) are of the
    same date.
    """

    id: Id
    version: int = Field(ge=0, le=2**63 - 1)
    name: Name
    tier: Id
    tier_since: date
    kind: Id | None = None
    recruiter: Id | None = None
    currency: str | None = None
    received_at: Instant


class Statement(Contract):
    """What every statement about identity has: its natural key (source, id, version), its time, and its evidence."""

    source: Id
    id: Id
    version: int = Field(ge=0, le=2**63 - 1)
    effective_from: date | None = None
    evidence: Text | None = None
    undone: bool = False
    received_at: Instant


class PartnerMerged(Statement):
    """What `partner` does counts as `into`'s, on deals closed from `effective_from` on: two entities of one partner."""

    partner: Id
    into: Id
    effective_from: date


class CrmId(Contract):
    """An account's id in one of the vendor's CRMs."""

    crm: Id = DEFAULT_CRM
    id: Id


class AccountLinked(Statement):
    """All names of one customer company as the sender knows it. `aliases` are exact names that may stand alone."""

    name: Name | None = None
    aliases: tuple[Name, ...] = ()
    domains: tuple[Id, ...] = ()
    crm_ids: tuple[CrmId, ...] = ()
    duns: Id | None = None
    vat: Id | None = None


class AccountMerged(Statement):
    """These accounts are one company. Undone, they are apart again, as far as nothing else links them."""

    accounts: tuple[AccountRef, ...] = Field(min_length=2)


class AccountSeparated(Statement):
    """The keys of `account` are a company of their own: whatever links them with other keys does not count."""

    account: AccountRef
