"""The fields callers send, as strict types: a word of the wrong JSON type is refused, never guessed at.

They mirror `shared.events.base` and are stricter and faster: checks run in pydantic's core wherever it has them, for
every touchpoint passes here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Final, Generic, NotRequired, TypeVar

from pydantic import AfterValidator, ConfigDict, Field, PlainValidator, StringConstraints, WithJsonSchema, with_config
from typing_extensions import TypedDict

from services.ingest.domain import normalise
from shared import money
from shared.events.base import MAX_ID, MAX_TEXT

FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2200
"""Years outside are mistakes, such as the year 9999 for "never"."""
FIRST_YEAR_OF_INSTANTS: Final = 1971
"""An instant in 1970 is a count of seconds that was read as milliseconds."""
MAX_ENTRIES: Final = 50
"""Entries of `details`, `milestones`, or a list of names or accounts: a form's worth, not a document."""
MAX_WORD: Final = 40
"""Longest text of an amount, a currency or a registry number that is looked at, and repeated in the error."""
MAX_VERSION: Final = 2**63 - 1
"""Versions are stored as 64-bit integers."""

_NO_NUL: Final = "^[^\x00]*$"  # PostgreSQL text cannot hold NUL
# Blanks and dashes of any kind, for spreadsheets and word processors put in their own.
_DUNS_FILLING: Final = re.compile("[\\s\u2010-\u2015\u2212-]")
_VAT_FILLING: Final = re.compile("[\\s.\u2010-\u2015\u2212-]")
_DUNS: Final = re.compile("[0-9]{9}")
_VAT: Final = re.compile(r"(?=.*[0-9])[A-Z]{2}[0-9A-Z+*]{2,18}")  # old Irish numbers have a + or *


def _instant(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError('must be a string such as "2026-03-01T14:30:00Z"')  # noqa: TRY004  pydantic reports ValueErrors
    try:
        instant = datetime.fromisoformat(value.strip())
    except ValueError:
        raise ValueError("is not an ISO 8601 date and time; write it like 2026-03-01T14:30:00Z") from None
    if instant.tzinfo is None:
        raise ValueError("lacks its time zone; write it like 2026-03-01T14:30:00Z or …+02:00")
    try:
        instant = instant.astimezone(UTC)
    except OverflowError:  # the first or last instants of the calendar
        instant = datetime.min.replace(tzinfo=UTC)
    if not FIRST_YEAR_OF_INSTANTS <= instant.year <= LAST_YEAR:
        raise ValueError(
            f"must lie between the years {FIRST_YEAR_OF_INSTANTS} and {LAST_YEAR}; are seconds read as milliseconds?"
        )
    return instant


def _day(value: object) -> date:
    if not isinstance(value, str):
        raise ValueError('must be a string such as "2026-03-01"')  # noqa: TRY004  pydantic reports ValueErrors
    try:
        day = datetime.strptime(value.strip(), "%Y-%m-%d").date()  # noqa: DTZ007  a date has no zone
    except ValueError:
        raise ValueError("is not a date; write it like 2026-03-01") from None
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError(f"must lie between the years {FIRST_YEAR} and {LAST_YEAR}")
    return day


def _duns(value: str) -> str:
    digits = _DUNS_FILLING.sub("", value)
    if not _DUNS.fullmatch(digits):
        raise ValueError(f"{value!r} is no DUNS number; write its nine digits, like 15-048-3782")
    return digits


def _vat(value: str) -> str:
    number = _VAT_FILLING.sub("", value)
    if number.isascii():  # elsewhere `upper` makes two letters of one
        number = number.upper()
    if not _VAT.fullmatch(number):
        raise ValueError(f"{value!r} is no VAT number; write the two letters of the country first, like DE136695976")
    return number


def _currency(value: str) -> str:
    if value not in money.DECIMALS:
        raise ValueError(f"{value!r} is no currency Tributary knows; use an ISO 4217 code such as USD")
    return value


Id = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID, strip_whitespace=True, pattern=_NO_NUL)]
Name = Id
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT, pattern=_NO_NUL)]
Said = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT, strip_whitespace=True, pattern=_NO_NUL)]
"""A text that must say something: a reason, the evidence of a statement."""
Flag = Annotated[bool, Field(strict=True)]
Instant = Annotated[
    datetime, PlainValidator(_instant), WithJsonSchema({"type": "string", "format": "date-time"}, mode="validation")
]
Day = Annotated[date, PlainValidator(_day), WithJsonSchema({"type": "string", "format": "date"}, mode="validation")]
Version = Annotated[int, Field(strict=True, ge=0, le=MAX_VERSION)]
Currency = Annotated[str, StringConstraints(max_length=MAX_WORD), AfterValidator(_currency)]
Domain = Annotated[
    str,
    StringConstraints(min_length=1, max_length=normalise.MAX_ADDRESS, strip_whitespace=True),
    AfterValidator(normalise.domain),
]
Duns = Annotated[
    str,
    StringConstraints(max_length=MAX_WORD),
    AfterValidator(_duns),
    Field(description="Nine digits; blanks and dashes are taken out."),
]
Vat = Annotated[
    str,
    StringConstraints(max_length=MAX_WORD),
    AfterValidator(_vat),
    Field(description="The country's two letters and the number; blanks, dots and dashes are taken out."),
]

NAMED_BY: Final = "domain, crm_id, duns, vat or name"
"""What an account may be named by, as an error says it."""
STRICT: Final = ConfigDict(extra="forbid")


@with_config(STRICT)
class Account(TypedDict):
    """A customer company as the sender knows it; see `shared.events.account.AccountRef`."""

    domain: NotRequired[Domain | None]
    crm: NotRequired[Id | None]
    crm_id: NotRequired[Id | None]
    duns: NotRequired[Duns | None]
    vat: NotRequired[Vat | None]
    name: NotRequired[Name | None]


@with_config(STRICT)
class Amount(TypedDict):
    """Money on the wire: `{"amount": "1234.50", "currency": "USD"}`, never a number."""

    amount: Annotated[str, StringConstraints(max_length=MAX_WORD)]
    currency: Annotated[str, StringConstraints(max_length=MAX_WORD)]


def _exact(value: Amount) -> Amount:
    return _of_at_least(0, value, "must not be negative; a refund lowers the deal's amount")


def _base(value: Amount) -> Amount:
    return _of_at_least(0, value, "must not be negative, as the deal's amount must not")


def _positive(value: Amount) -> Amount:
    return _of_at_least(1, value, "must be above zero; what went back is a refund or a chargeback")


def _of_at_least(least: int, value: Amount, otherwise: str) -> Amount:
    """An amount of at least so many minor units, with the currency's full decimals."""
    minor = money.to_minor(value["amount"], value["currency"])
    if minor < least:
        raise ValueError(otherwise)
    return {"amount": money.to_decimal(minor, value["currency"]), "currency": value["currency"]}


ExactAmount = Annotated[Amount, AfterValidator(_exact)]
BaseAmount = Annotated[Amount, AfterValidator(_base)]
"""What pay may be a percentage of, beside the deal's amount."""
PositiveAmount = Annotated[Amount, AfterValidator(_positive)]

Type = TypeVar("Type", bound=str)
Data = TypeVar("Data")


@with_config(ConfigDict(extra="ignore"))
class CloudEvent(TypedDict, Generic[Type, Data]):
    """A CloudEvents 1.0 event in structured mode. Other attributes and extensions are allowed and not kept."""

    specversion: Annotated[str, StringConstraints(pattern=r"^1\.0$")]
    type: Type
    source: Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT)]
    id: Id
    data: Data


def keyless(account: Account) -> bool:
    """Whether an account is named by nothing at all."""
    return weak(account) and not account.get("name")


def weak(account: Account) -> bool:
    """Whether an account has no key that is its own: many companies may share a name."""
    return not (account.get("crm_id") or account.get("domain") or account.get("duns") or account.get("vat"))


def present(fields: Mapping[str, object]) -> dict[str, object]:
    """The fields that say something: to send null is to send nothing."""
    return {name: value for name, value in fields.items() if value is not None}
