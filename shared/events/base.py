"""What all contracts have in common: strictness, text without NUL, and money as a decimal string."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, StringConstraints, model_validator

from shared import money

MAX_ID = 200
"""Longest id or name: ids of real CRMs and partner systems are below 64 characters; index entries stay small."""
YEARS = range(1970, 2201)
"""Seconds read as milliseconds, and year 9999, are mistakes and not dates."""
MAX_TEXT = 2_000
"""Longest free text (a description, an evidence link): a paragraph, not a document."""


def _storable(value: str) -> str:
    if "\x00" in value:  # PostgreSQL text cannot hold it
        raise ValueError("must not contain a NUL character")
    return value


def _within_calendar(value: datetime) -> datetime:
    if value.year not in YEARS:
        raise ValueError(f"must lie between the years {YEARS.start} and {YEARS.stop - 1}")
    return value.astimezone(UTC)


Id = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_ID, strip_whitespace=True), AfterValidator(_storable)
]
Name = Id
MAX_ACCOUNT_KEY = 1_000
"""Longest account key: the kind, a CRM's name with its separators escaped, and an id."""
AccountKey = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ACCOUNT_KEY), AfterValidator(_storable)]
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT), AfterValidator(_storable)]
Instant = Annotated[AwareDatetime, AfterValidator(_within_calendar)]
"""A point in time with its offset, kept in UTC."""


class Contract(BaseModel):
    """An immutable message part. Unknown fields are ignored so that a newer producer may add optional ones."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Money(Contract):
    """An exact amount on the wire: `{"amount": "1234.50", "currency": "USD"}`, never a float."""

    amount: str
    currency: str

    @model_validator(mode="after")
    def _exact(self) -> Self:
        money.to_minor(self.amount, self.currency)
        return self

    @property
    def minor(self) -> int:
        return money.to_minor(self.amount, self.currency)

    @classmethod
    def of(cls, minor: int, currency: str) -> Self:
        return cls(amount=money.to_decimal(minor, currency), currency=currency)
