"""An import from file to report: what a dry run finds, and rows that contradict each other."""

from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tributary.imports import load, mapping, rows
from tributary.imports.mapping import Kind
from tributary.imports.sending import check

RECEIPTS = """\
id,deal,kind,amount,currency,of,on
P-1,D-1,payment,10.00,USD,,2026-03-05
P-1,D-1,payment,10.00,USD,,2026-03-05
P-1,D-1,payment,11.00,USD,,2026-03-05
C-1,D-1,churn,1.00,USD,,2026-03-05
"""
RATES = """\
base,quote,on,rate
EUR,USD,2026-03-05,1.0842
EUR,USD,2026-03-06,1.0900
EUR,USD,2026-03-05,1.0843
EUR,EUR,2026-03-05,1
"""


@pytest.mark.parametrize(
    ("kind", "text", "refused"),
    [
        (Kind.RECEIPTS, RECEIPTS, {
            4: "id: is that of line 2, which says something else",
            5: "amount: must be left out: a customer that leaves moves no money by that",
        }),
        (Kind.EXCHANGE_RATES, RATES, {
            4: "base, quote, on: is that of line 2, which says something else",
            5: "quote: is the base itself; name another currency",
        }),
    ],
)  # fmt: skip
def test_a_dry_run_names_each_bad_row(tmp_path: Path, kind: Kind, text: str, refused: dict[int, str]) -> None:
    """By the rules of the doors, and what contradicts an earlier row of the file."""
    file = tmp_path / f"{kind}.csv"
    file.write_text(text)
    header = rows.header(file)
    rules = mapping.Rules(kind, mapping.columns(kind, header, {}, {}), version=1, zone=ZoneInfo("UTC"))
    report = load.load(file, header, rules, partial(check, kind), lambda _: None)
    assert {bad.row.line: bad.reason for bad in report.refused} == refused
    assert (report.read, report.accepted) == (4, 2)
