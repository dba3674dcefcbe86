"""Messages to rows of facts, or the reason of refusal.

Touchpoints are the flood, so they take a short way: one pass by pydantic's compiled core into plain dicts. What that
pass does not take is read again by the full contract, whose error names the field.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Final, NamedTuple, NotRequired, TypeVar

import orjson
from pydantic import StringConstraints, TypeAdapter, ValidationError
from pydantic_core import from_json
from typing_extensions import TypedDict

from services.attribution.domain import identity
from shared import program
from shared.errors import Fault, Invalid
from shared.events.base import MAX_ID, MAX_TEXT, Contract, Money
from shared.events.deal import DealObserved, Stage
from shared.events.program import ProgramActivated
from shared.events.touchpoint import TouchpointRecorded

_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 2200  # both as `shared.events.base.Instant`, checked here without a Python call per field
_ESCAPED_NUL: Final = b"\\u0000"
_DIGEST_BYTES: Final = 16  # 2^64 bodies under one natural key before two are likely to look alike

_Id = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID, strip_whitespace=True)]


class _Account(TypedDict):
    domain: NotRequired[_Id | None]
    crm: NotRequired[_Id]
    crm_id: NotRequired[_Id | None]
    duns: NotRequired[_Id | None]
    vat: NotRequired[_Id | None]
    name: NotRequired[_Id | None]


_Text = Annotated[str, StringConstraints(max_length=MAX_TEXT)]


class _Touchpoint(TypedDict):
    source: _Id
    id: _Id
    partner: _Id
    account: _Account
    activity: _Id
    occurred_at: str
    received_at: str
    evidence: NotRequired[_Text | None]
    details: NotRequired[dict[_Id, _Text]]


_Fact = TypeVar("_Fact", bound=Contract)
_read_touchpoint = TypeAdapter(_Touchpoint).validator.validate_json


class TouchRow(NamedTuple):
    """A row of `touchpoint`, in the order of its columns.

    It is matched by at most two keys: `id_key`, the strongest id its sender gave (of a CRM, else DUNS, else VAT), and
    `domain_key`. `name_key` is there when it has neither.
    """

    source: str
    id: str
    partner: str
    activity: str
    occurred_at: datetime
    received_at: datetime
    id_key: str | None
    domain_key: str | None
    name_key: str | None
    account_name: str | None
    evidence: str | None
    details: str | None
    fingerprint: bytes

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(key for key in (self.id_key, self.domain_key, self.name_key) if key is not None)


@dataclass(frozen=True, slots=True)
class DealVersion:
    """A deal snapshot as it is stored.

    `keys` are its strong keys, or its own key when it has none; then `name_key` is its account's name, if it has one.
    """

    source: str
    id: str
    version: int
    stage: Stage
    name: str | None
    amount_minor: int | None
    currency: str | None
    closed_at: datetime | None
    keyed: bool
    keys: tuple[str, ...]
    name_key: str | None
    account_name: str | None
    kind: str
    region: str | None
    product: str | None
    created_at: datetime | None
    milestones: str
    removed: bool
    merged_into: str | None
    margin_minor: int | None
    first_year_minor: int | None
    body: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class ProgramVersion:
    """A program version as it is stored; its document has been parsed once and is valid.

    `recurs` tells whether a plan of it asks when an account's first deal was.
    """

    program: str
    version: int
    effective_from: date
    document: str
    received_at: datetime
    fingerprint: bytes
    recurs: bool


def touchpoint(value: bytes) -> TouchRow:
    """The row of a `touchpoint.recorded`; raises `Invalid` naming each field at fault."""
    try:
        fact = _read_touchpoint(value)
        occurred_at, received_at = _instant(fact["occurred_at"]), _instant(fact["received_at"])
    except ValueError:  # pydantic's ValidationError is one
        return _touchpoint_by_contract(value)
    if _ESCAPED_NUL in value:
        return _touchpoint_by_contract(value)
    account = fact["account"]
    return _touch_row(
        fact["source"], fact["id"], fact["partner"], fact["activity"], occurred_at, received_at,
        identity.crm_key(account.get("crm"), account.get("crm_id")), account.get("duns"), account.get("vat"),
        account.get("domain"), account.get("name"), fact.get("evidence"), fact.get("details") or None,
    )  # fmt: skip


def _touch_row(
    source: str, name: str, partner: str, activity: str, occurred_at: datetime, received_at: datetime,
    crm_key: str | None, duns: str | None, vat: str | None, domain: str | None, account_name: str | None,
    evidence: str | None, details: Mapping[str, str] | None,
) -> TouchRow:  # fmt: skip
    body: tuple[object, ...] = (partner, activity, occurred_at, crm_key, domain, account_name, evidence, details)
    if duns or vat:  # facts without them keep the fingerprint they had before there were such numbers
        body += (duns, vat)
    id_key = crm_key or identity.number_key(duns, vat)
    domain_key = identity.domain_key(domain)
    name_key = identity.name_key(account_name) if account_name and not id_key and not domain_key else None
    return TouchRow(
        source, name, partner, activity, occurred_at, received_at, id_key, domain_key, name_key, account_name, evidence,
        orjson.dumps(details).decode() if details else None, fingerprint(body),
    )  # fmt: skip


def _instant(text: str) -> datetime:
    """A plain ISO 8601 instant in UTC; ValueError for anything the contract should look at."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None or not _FIRST_YEAR < instant.year < _LAST_YEAR:
        raise ValueError(text)
    return instant if instant.tzinfo is UTC else instant.astimezone(UTC)


def _touchpoint_by_contract(value: bytes) -> TouchRow:
    """The same by the full contract, which takes other spellings of an instant and names the field at fault."""
    fact = checked(TouchpointRecorded, value)
    account = fact.account
    return _touch_row(
        fact.source, fact.id, fact.partner, fact.activity, fact.occurred_at, fact.received_at,
        identity.crm_key(account.crm, account.crm_id), account.duns, account.vat, account.domain, account.name,
        fact.evidence, fact.details or None,
    )  # fmt: skip


def deal(value: bytes) -> DealVersion:
    """The row of a `deal.observed`; raises `Invalid` naming each field at fault."""
    fact = checked(DealObserved, value)
    _refuse_other_currencies(fact)
    if fact.stage is Stage.WON and not fact.removed and fact.merged_into is None:
        missing = [name for name in ("amount", "closed_at") if getattr(fact, name) is None]
        if missing:
            raise Invalid(*(Fault(name, "a won deal must have it") for name in missing))
    strong = identity.strong_keys(fact.account)
    name = fact.account.name if fact.account else None
    amount = _exact(fact.amount)
    return DealVersion(
        source=fact.source,
        id=fact.id,
        version=fact.version,
        stage=fact.stage,
        name=fact.name,
        amount_minor=amount[0],
        currency=amount[1],
        closed_at=fact.closed_at,
        keyed=bool(strong),
        keys=strong or (identity.own_key(fact.source, fact.id),),
        name_key=None if strong else identity.name_key(name),
        account_name=name,
        kind=fact.kind,
        region=fact.region,
        product=fact.product,
        created_at=fact.created_at,
        milestones=orjson.dumps(fact.milestones).decode(),
        removed=fact.removed,
        merged_into=fact.merged_into,
        margin_minor=fact.margin.minor
        if fact.margin and fact.amount
        else None,  # without an amount no currency is kept
        first_year_minor=fact.first_year_value.minor if fact.first_year_value and fact.amount else None,
        body=value.decode(),
        fingerprint=fingerprint(_deal_content(fact, amount)),
    )


def _refuse_other_currencies(fact: DealObserved) -> None:
    """Raise `Invalid` where a base of pay is in another currency than the amount."""
    if fact.amount is None:
        return
    of = fact.amount.currency
    bases = {"margin": fact.margin, "first_year_value": fact.first_year_value}
    faults = [
        Fault(name, f"must be in {of}, the currency of the amount")
        for name, base in bases.items()
        if base is not None and base.currency != of
    ]
    if faults:
        raise Invalid(*faults)


def _exact(amount: Money | None) -> tuple[int | None, str | None]:
    """Minor units and currency: 5.0 and 5.00 are one body."""
    return (amount.minor, amount.currency) if amount else (None, None)


def _deal_content(fact: DealObserved, amount: tuple[int | None, str | None]) -> tuple[object, ...]:
    """What a repeat of a deal snapshot must equal. Without the later fields it is what it was before them."""
    later = {"duns", "vat"}
    account = fact.account.model_dump(exclude=later) if fact.account else None
    content: tuple[object, ...] = (
        account, fact.name, fact.stage, fact.kind, amount, fact.created_at, fact.closed_at, fact.milestones
    )  # fmt: skip
    numbers = fact.account.model_dump(include=later, exclude_none=True) if fact.account else {}
    added = (fact.region, fact.product, fact.removed or None, fact.merged_into, numbers or None)
    if fact.margin is not None or fact.first_year_value is not None:
        return (*content, *added, _exact(fact.margin), _exact(fact.first_year_value))
    return content if not any(added) else (*content, *added)


def program_version(value: bytes) -> ProgramVersion:
    """The row of a `program.activated`, its document parsed; raises `Invalid` naming each field at fault."""
    fact = checked(ProgramActivated, value)
    parsed = program.parse(fact.document)
    if (parsed.program, parsed.version) != (fact.program, fact.version):
        raise Invalid(Fault("document", "names another program or version than the event"))
    document = orjson.dumps(fact.document, option=orjson.OPT_SORT_KEYS)
    return ProgramVersion(
        fact.program, fact.version, parsed.effective_from, document.decode(), fact.received_at,
        fingerprint(document.decode()), parsed.compensation.recurs,
    )  # fmt: skip


def checked(contract: type[_Fact], value: bytes) -> _Fact:
    """A message by its full contract; raises `Invalid` naming each field at fault."""
    try:
        return contract.model_validate_json(value)
    except ValidationError as error:
        faults = (Fault(".".join(map(str, item["loc"])) or "message", item["msg"]) for item in error.errors())
        raise Invalid(*faults) from None


def fingerprint(body: object) -> bytes:
    """What a repeat must equal. Canonical: instants in UTC, keys sorted."""
    return hashlib.blake2b(orjson.dumps(body, option=orjson.OPT_SORT_KEYS), digest_size=_DIGEST_BYTES).digest()


def as_json(value: bytes) -> str:
    """A message's body for keeping beside a conflict: with all that was said, numbers of any length among it."""
    return json.dumps(from_json(value), ensure_ascii=False)


def program_document(text: str) -> Mapping[str, object]:
    """A stored program document."""
    loaded: Mapping[str, object] = orjson.loads(text)
    return loaded
