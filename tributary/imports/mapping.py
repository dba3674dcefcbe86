"""From the cells of a row to an item of the API: a pure table of fields, their columns and their kinds.

Load-bearing idea: the importer knows shapes (numbers, dates, money), and the server knows meaning. What only the
server can judge (activities, tiers, domains) is left to it, so that a spreadsheet and an API client meet one rule.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

from shared.errors import Fault, Invalid
from tributary.imports.rows import Row

END_OF_DAY: Final = time(23, 59, 59)
"""A deal closed "on the 5th" was closed by its end: touchpoints of that day count."""
GENERATED_ID_LENGTH: Final = 32
"""Hexadecimal digits of a generated id: 128 bits never collide."""

JsonObject = dict[str, Any]


class Kind(StrEnum):
    """What a file holds; the value is the path of its door."""

    DEALS = "deals"
    TOUCHPOINTS = "touchpoints"
    PARTNERS = "partners"
    RECEIPTS = "receipts"
    EXCHANGE_RATES = "exchange-rates"


_ACCOUNT: Final = ("account.domain", "account.crm", "account.crm_id", "account.duns", "account.vat", "account.name")
FIELDS: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.DEALS: (
        "id", "version", *_ACCOUNT, "name", "stage", "amount", "currency", "created_at", "closed_at", "kind",
        "milestones.", "region", "product", "margin", "first_year_value", "removed", "merged_into",
    ),
    Kind.TOUCHPOINTS: (
        "id", "partner", *_ACCOUNT, "activity", "occurred_at", "reported_at", "evidence", "details.",
    ),
    Kind.PARTNERS: ("id", "name", "tier", "tier_since", "kind", "recruiter", "currency", "version"),
    Kind.RECEIPTS: ("id", "deal", "kind", "amount", "currency", "of", "on"),
    Kind.EXCHANGE_RATES: ("base", "quote", "on", "rate"),
}  # fmt: skip
"""The fields a column can be mapped to; one that ends in a dot takes any name after it."""
REQUIRED: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.DEALS: ("id", "stage"),
    Kind.TOUCHPOINTS: ("partner", "activity", "occurred_at"),
    Kind.PARTNERS: ("id", "name", "tier", "tier_since"),
    Kind.RECEIPTS: ("id", "deal", "kind", "on"),
    Kind.EXCHANGE_RATES: ("base", "quote", "on", "rate"),
}
NATURAL_KEY: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.DEALS: ("id", "version"),
    Kind.TOUCHPOINTS: ("id",),
    Kind.PARTNERS: ("id", "version"),
    Kind.RECEIPTS: ("id",),
    Kind.EXCHANGE_RATES: ("base", "quote", "on"),
}
"""What two rows must not have in common unless they say the same."""
STAGES: Final = ("open", "won", "lost")
FLAGS: Final[Mapping[str, bool]] = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
"""How the exports of CRMs write a yes or no, in any case."""

_INSTANTS: Final = ("created_at", "closed_at", "occurred_at", "reported_at")
_DAYS: Final = ("tier_since", "on")
_AMOUNTS: Final = ("amount", "margin", "first_year_value")


@dataclass(frozen=True, slots=True)
class Rules:
    """How the cells of one file are read.

    `columns` gives each mapped field's column number; `constants` hold for every row. `version` is that of rows
    without one; `date_format` is one of strptime, or None for ISO 8601.
    """

    kind: Kind
    columns: Mapping[str, int]
    version: int
    zone: ZoneInfo
    constants: Mapping[str, str] = field(default_factory=dict)
    stages: Mapping[str, str] = field(default_factory=dict)
    date_format: str | None = None

    def item(self, row: Row, occurrence: int) -> JsonObject:
        """The API item of a row; raises `Invalid` naming each cell at fault.

        A touchpoint without an id gets one from its row's content and `occurrence`, the number of equal rows before.
        """
        texts = {name: row.cells[number].strip() for name, number in self.columns.items()}
        said = {name: text for name, text in {**texts, **self.constants}.items() if text}
        item: JsonObject = {}
        faults = [Fault(name, "is empty") for name in REQUIRED[self.kind] if name not in said]
        for name, text in said.items():
            try:
                self._put(item, name, text, said)
            except ValueError as error:
                faults.append(Fault(name, str(error)))
        if faults:
            raise Invalid(*faults)
        if "version" in FIELDS[self.kind]:
            item.setdefault("version", self.version)
        elif self.kind is Kind.TOUCHPOINTS and "id" not in item:
            item["id"] = generated_id(row, occurrence)
        return item

    def _put(self, item: JsonObject, name: str, text: str, said: Mapping[str, str]) -> None:
        group, _, inner = name.partition(".")
        if name == "currency" and "amount" in FIELDS[self.kind]:
            return  # it stands with each amount
        if name in _AMOUNTS:
            if "currency" not in said:
                raise ValueError("has no currency; add --currency USD, or map a column to currency")
            item[name] = {"amount": text, "currency": said["currency"]}
        elif inner:
            item.setdefault(group, {})[inner] = self._instant(name, text) if group == "milestones" else text
        else:
            item[name] = self._convert(name, text)

    def _convert(self, name: str, text: str) -> str | int | bool:
        if name in _INSTANTS:
            return self._instant(name, text)
        if name in _DAYS:
            return self._moment(text)[0].date().isoformat()
        if name == "version":
            if not re.fullmatch(r"\d{1,19}", text, re.ASCII):
                raise ValueError(f"{text[:40]!r} is not a whole number")
            return int(text)
        if name == "stage":
            return self._stage(text)
        if name == "removed":
            return _flag(text)
        return text

    def _stage(self, text: str) -> str:
        stage = self.stages.get(text) or (text.lower() if text.lower() in STAGES else None)
        if stage is None:
            raise ValueError(
                f"{text[:40]!r} is none of open, won, lost; add --stage {text[:40]!r}=open (or won, or lost)"
            )
        return stage

    def _instant(self, name: str, text: str) -> str:
        moment, has_time = self._moment(text)
        if moment.tzinfo is None:
            if name == "closed_at" and not has_time:
                moment = datetime.combine(moment.date(), END_OF_DAY)
            moment = moment.replace(tzinfo=self.zone)
        return moment.isoformat()

    def _moment(self, text: str) -> tuple[datetime, bool]:
        """A point in time, and whether the cell names a time of day."""
        if self.date_format is not None:
            try:
                moment = datetime.strptime(text, self.date_format)  # noqa: DTZ007  the zone is added by the caller
            except ValueError:
                raise ValueError(f"{text[:40]!r} is not a date like {self.date_format}") from None
            return moment, bool(re.search("%[HIMScXfs]", self.date_format))
        try:
            return datetime.combine(date.fromisoformat(text), time()), False
        except ValueError:
            pass
        try:
            return datetime.fromisoformat(text), True
        except ValueError:
            raise ValueError(
                f"{text[:40]!r} is not an ISO date; say its form with --date-format, as %m/%d/%Y"
            ) from None


def _flag(text: str) -> bool:
    flag = FLAGS.get(text.lower())
    if flag is None:
        raise ValueError(f"{text[:40]!r} is neither true nor false; write one of {', '.join(FLAGS)}")
    return flag


def generated_id(row: Row, occurrence: int) -> str:
    """An id that the same row gets in every import, and its equal neighbours do not."""
    content = json.dumps([row.cells, occurrence], ensure_ascii=False, separators=(",", ":"))
    return "csv-" + hashlib.sha256(content.encode()).hexdigest()[:GENERATED_ID_LENGTH]


def columns(
    kind: Kind, header: Sequence[str], wanted: Mapping[str, str], constants: Mapping[str, str]
) -> dict[str, int]:
    """The column number of each mapped field: those `wanted` (field to column), else columns of the field's name.

    Raises `Invalid` on an unknown field or column, a field given twice, or a required field without a column.
    """
    faults = [
        Fault(f"--map {name}", f"is no field of {kind}; they are: {_listed(kind)}")
        for name in wanted
        if not _is_field(kind, name)
    ]
    faults += [
        Fault(f"--set {name}", f"is no field of {kind}; they are: {_listed(kind)}")
        for name in constants
        if not _is_field(kind, name)
    ]
    faults += [
        Fault(f"--map {name}={column}", f"no such column; the file has: {', '.join(header)}")
        for name, column in wanted.items()
        if column not in header
    ]
    faults += [Fault(name, "is both mapped and set; choose one") for name in wanted if name in constants]
    if faults:
        raise Invalid(*faults)
    found = {name: header.index(column) for name, column in wanted.items()}
    for number, column in enumerate(header):
        name = _same_name(kind, column)
        if name and name not in found and name not in constants:
            found[name] = number
    missing = [name for name in REQUIRED[kind] if name not in found and name not in constants]
    if missing:
        raise Invalid(*(Fault(name, f"is needed; add --map {name}=COLUMN or --set {name}=VALUE") for name in missing))
    return found


def _listed(kind: Kind) -> str:
    return ", ".join(name + "NAME" if name.endswith(".") else name for name in FIELDS[kind])


def _is_field(kind: Kind, name: str) -> bool:
    group, dot, inner = name.partition(".")
    return name in FIELDS[kind] if not inner else name in FIELDS[kind] or group + dot in FIELDS[kind]


def _same_name(kind: Kind, column: str) -> str | None:
    """The field a column means by its name: `Closed At`, `account.domain`, `domain`, `account_name`."""
    plain = re.sub(r"[\s-]+", "_", column.strip().lower())
    candidates: tuple[Callable[[], str], ...] = (
        lambda: plain,
        lambda: plain.replace("account_", "account.", 1),
        lambda: f"account.{plain}",
    )
    for candidate in candidates:
        name = candidate()
        if not name.endswith(".") and _is_field(kind, name):
            return name
    return None
