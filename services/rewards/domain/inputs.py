"""The facts that earnings are computed from, typed. Money is in minor units of the currency it names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction

from shared.events.credit import Influence
from shared.events.deal import Kind
from shared.events.receipt import Movement
from shared.program import Program


@dataclass(frozen=True, slots=True)
class Credited:
    """One partner's credit of a deal: the exact share as text such as `2/15`, and its amount in minor units.

    `activities` are the parts of the whole deal that come from touchpoints of an activity.
    """

    partner: str
    share: str
    amount_minor: int
    influence: Influence | None = None
    activities: Mapping[str, Fraction] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a credited deal is governed by: the program version in force at its close date, and the deal's own facts."""

    program: str
    program_version: int
    governed_on: date
    currency: str
    amount_minor: int = 0
    kind: Kind = Kind.NEW
    region: str | None = None
    product: str | None = None
    margin_minor: int | None = None
    first_year_minor: int | None = None
    first_closed_on: date | None = None


@dataclass(frozen=True, slots=True)
class Credit:
    """The newest credit snapshot of a deal. Without `terms` it is not won, or no program governs it: `shares` is empty.

    A won deal without any share has terms all the same: a partner that lost its share must not see in its books
    whether somebody else has one.
    """

    source: str
    id: str
    revision: int
    cause: str
    terms: Terms | None = None
    shares: tuple[Credited, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """What a partner is from `since` on, as stated by version `version` of its directory entry."""

    version: int
    tier: str
    since: date
    kind: str | None = None
    recruiter: str | None = None
    currency: str | None = None


def standing_on(facts: Iterable[Standing], day: date) -> Standing | None:
    """The fact with the latest `since` not after `day`; among equal dates the highest version wins."""
    return max((fact for fact in facts if fact.since <= day), key=lambda f: (f.since, f.version), default=None)


@dataclass(frozen=True, slots=True)
class Receipt:
    """Money of a deal that came or went back, or the customer that left (then without an amount)."""

    id: str
    kind: Movement
    on: date
    amount_minor: int = 0
    currency: str | None = None
    of: str | None = None


@dataclass(frozen=True, slots=True)
class Quote:
    """An exchange rate as its source published it: one unit of `base` was `rate` of `quote` on that day."""

    source: str
    base: str
    quote: str
    on: date
    rate: Fraction


@dataclass(frozen=True, slots=True)
class Rerate:
    """An order that deals of a program closed from `first` to `last` pay by another version; the last one counts."""

    id: int
    program: str
    version: int
    first: date
    last: date
    reason: str


@dataclass(frozen=True, slots=True)
class Known:
    """All that decides what a set of deals pays, beside their credit.

    `partners` holds the facts of every partner in the directory that is named; one missing from it is unknown.
    `receipts` are by deal (source, id); `quotes` by (source, base, quote), in the order of their days.
    """

    partners: Mapping[str, Sequence[Standing]]
    programs: Mapping[tuple[str, int], Program]
    receipts: Mapping[tuple[str, str], Sequence[Receipt]] = field(default_factory=dict)
    quotes: Mapping[tuple[str, str, str], Sequence[Quote]] = field(default_factory=dict)
    rerates: Sequence[Rerate] = ()
