"""What mapping a CRM's export to the doors of ingest has in common: rows, their outcomes, times, flags, ids.

A row becomes one item for a door, or a refusal that says why. Columns are found by name, never by place.
"""

from __future__ import annotations

import csv
import random
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

JsonObject = dict[str, Any]
Row = Mapping[str, str]
Export = Mapping[str, Sequence[Row]]
"""Rows by table."""

EMPTY_HASHES: Final = frozenset({"", "1B2M2Y8AsgTpgAmY7PhCfg==", "d41d8cd98f00b204e9800998ecf8427e"})
"""MD5 of the empty text, in both spellings: it looks filled and says nothing."""
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_WHOLE: Final = "%Y-%m-%d %H:%M:%S"
_ALPHABET: Final = string.ascii_uppercase + "012345"
_ID, _CHECKED_ID, _CHUNK = 15, 18, 5


@dataclass(frozen=True, slots=True)
class Item:
    """What one row says at one door: the path below `/ingest/v1/` and the body of the item."""

    path: str
    body: JsonObject

    @property
    def fact(self) -> tuple[str, str, int]:
        """Door, id and version (0 where there is none): what is looked for in the database afterwards."""
        return self.path, self.body["id"], self.body.get("version", 0)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a row is not sent."""

    reason: str


Outcome = Item | Refusal


@dataclass(frozen=True, slots=True)
class Decided:
    """What the export does not say and the test decides: the currency, and by a fixed seed who did a touchpoint."""

    currency: str
    partners: Sequence[str]
    seed: int

    def partner(self, touch: str) -> str:
        """The partner laid over a touchpoint: by its id alone, so that it is the same in any order."""
        return random.Random(f"{self.seed}:partner:{touch}").choice(self.partners)

    def one_of(self, rows: Sequence[Row], touch: str) -> Row:
        """The row laid over a touchpoint, such as its company."""
        return random.Random(f"{self.seed}:row:{touch}").choice(rows)

    def money(self, amount: str) -> JsonObject:
        """The field `amount` of a deal, exactly as the export writes it; nothing where it is blank."""
        return {"amount": {"amount": amount, "currency": self.currency}} if amount else {}


def read(folder: Path, prefix: str = "") -> dict[str, list[Row]]:
    """All tables of an export, by the names of their files without `prefix` and `_data.csv`."""
    tables: dict[str, list[Row]] = {}
    for path in sorted(folder.glob(f"{prefix}*_data.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            tables[path.name.removeprefix(prefix).removesuffix("_data.csv")] = list(csv.DictReader(file, strict=True))
    return tables


def instant(text: str) -> datetime:
    """A time of the export, which is UTC; hours may have one digit, seconds a fraction. Raises ValueError."""
    return datetime.strptime(text, f"{_WHOLE}.%f" if "." in text else _WHOLE).replace(tzinfo=UTC)


def version(text: str) -> int:
    """A time of the export as a version: microseconds since 1970."""
    return (instant(text) - EPOCH) // timedelta(microseconds=1)


def flag(text: str) -> bool:
    """`TRUE`, `true`, `false` or nothing. Raises ValueError for anything else."""
    known = {"true": True, "false": False, "": False}
    if text.lower() not in known:
        raise ValueError(f"{text!r} is neither true nor false")
    return known[text.lower()]


def filled(text: str) -> str:
    """The text, or nothing where it is the hash of nothing."""
    return "" if text in EMPTY_HASHES else text


def salesforce_fault(kind: str, text: str, prefix: str) -> str | None:
    """What is wrong with an id of Salesforce before anything is joined by it, or None.

    It has 15 letters and digits that begin with the prefix of its object, and often three more that tell which of the
    15 are capitals.
    """
    if len(text) not in {_ID, _CHECKED_ID}:
        return f"{kind} id has {len(text)} characters"
    if not (text.isascii() and text.isalnum()):
        return f"{kind} id contains blanks"
    if not text.startswith(prefix):
        return f"{kind} id does not begin with {prefix}"
    if len(text) == _CHECKED_ID and text[_ID:] != _suffix(text[:_ID]):
        return f"{kind} id fails its check letters"
    return None


def _suffix(text: str) -> str:
    chunks = (text[start : start + _CHUNK] for start in range(0, _ID, _CHUNK))
    return "".join(_ALPHABET[sum(letter.isupper() << place for place, letter in enumerate(chunk))] for chunk in chunks)
