"""Strict reading of CSV: every record is a row with all its cells, or a bad row with its line and the reason."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.errors import Fault, Invalid


@dataclass(frozen=True, slots=True)
class Row:
    """A record: the line it begins on (the header is on line 1), and its cells in the order of the columns."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bad:
    """A row that is not sent, and why."""

    row: Row
    reason: str


def header(path: Path) -> tuple[str, ...]:
    """The column names; raises `Invalid` when the file cannot be a table in UTF-8 with distinct column names."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            names = tuple(name.strip() for name in next(csv.reader(file, strict=True), ()))
        except csv.Error as error:
            raise Invalid(Fault("line 1", f"is no CSV header: {error}")) from None
    if not any(names):
        raise Invalid(Fault("line 1", "must hold the names of the columns"))
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise Invalid(Fault("line 1", f"names the column {min(repeated)!r} twice"))
    return names


def count_lines(path: Path) -> int:
    """The number of lines, for a progress bar; raises `Invalid` where the file is not UTF-8, before any is sent."""
    number = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                raise Invalid(Fault(f"line {number}", "is not UTF-8 text; save the file as CSV in UTF-8")) from None
    return number


def read(path: Path, columns: Sequence[str]) -> Iterator[Row | Bad]:
    """The records after the header. Empty lines are passed over; ragged and broken ones are `Bad`."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        next(reader)
        while True:
            line = reader.line_num + 1
            try:
                cells = tuple(next(reader))
            except StopIteration:
                return
            except csv.Error as error:
                read_to = f"; lines {line} to {reader.line_num} were passed over" if reader.line_num > line else ""
                yield Bad(Row(line, ()), f"is broken CSV: {error}{read_to}")
                continue
            if not cells:
                continue
            row = Row(line, cells)
            if len(cells) == len(columns):
                yield row
            else:
                yield Bad(row, f"has {len(cells)} cells where the header has {len(columns)}")
