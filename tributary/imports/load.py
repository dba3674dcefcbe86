"""One import from file to report: read, map, send, and set aside what was refused."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shared.errors import Invalid
from tributary.imports import rows
from tributary.imports.mapping import NATURAL_KEY, Rules
from tributary.imports.rows import Bad
from tributary.imports.sending import BATCH, Item


@dataclass(slots=True)
class Report:
    """What became of a file's rows."""

    read: int = 0
    accepted: int = 0
    refused: list[Bad] = field(default_factory=list)


Send = Callable[[Sequence[Item]], list[Bad]]
Progress = Callable[[int], None]


def load(path: Path, header: Sequence[str], rules: Rules, send: Send, progress: Progress) -> Report:
    """Import a file. `send` posts a batch and returns the rows refused; `progress` is told the lines read so far."""
    report = Report()
    batch: list[Item] = []

    def flush() -> None:
        refused = send(batch) if batch else []
        report.refused += refused
        report.accepted += len(batch) - len(refused)
        batch.clear()
        progress(line)

    line = 1
    for line, result in _items(path, header, rules):  # noqa: B007  `flush` tells it as progress
        report.read += 1
        if isinstance(result, Bad):
            report.refused.append(result)
        else:
            batch.append(result)
        if len(batch) == BATCH:
            flush()
    flush()
    report.refused.sort(key=lambda bad: bad.row.line)
    return report


def _items(path: Path, header: Sequence[str], rules: Rules) -> Iterator[tuple[int, Item | Bad]]:
    equal_rows: Counter[bytes] = Counter()
    first: dict[tuple[object, ...], tuple[int, bytes]] = {}
    for result in rows.read(path, header):
        if isinstance(result, Bad):
            yield result.row.line, result
            continue
        content = _digest(result.cells)
        try:
            body = rules.item(result, equal_rows[content])
        except Invalid as error:
            yield result.line, Bad(result, "; ".join(map(str, error.faults)))
            continue
        equal_rows[content] += 1
        names = NATURAL_KEY[rules.kind]
        earlier, same = first.setdefault(tuple(body[name] for name in names), (result.line, _digest(body)))
        if same == _digest(body):
            yield result.line, Item(result, body)
        else:
            named = "id" if "id" in names else ", ".join(names)
            yield result.line, Bad(result, f"{named}: is that of line {earlier}, which says something else")


def _digest(content: object) -> bytes:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).digest()


def write_refused(path: Path, header: Sequence[str], refused: Sequence[Bad]) -> None:
    """The refused rows as a table that can be mended and imported: line, reason, and the cells as they were."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["line", "reason", *header])
        writer.writerows([bad.row.line, bad.reason, *bad.row.cells] for bad in refused)
