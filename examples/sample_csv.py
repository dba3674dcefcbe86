"""Small spreadsheets of the example for `tributary import`: `python -m examples.sample_csv` writes them into `csv/`.

They hold all partners, the first deals, and the touchpoints of those deals' customers, of a year with a fixed end.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Final

from examples import northwind

FOLDER: Final = Path(__file__).with_name("csv")
ANCHOR: Final = date(2026, 6, 30)
DEALS: Final = 12

PARTNER: Final = ("id", "name", "kind", "tier", "tier_since", "version")
DEAL: Final = (
    "id", "version", "name", "stage", "kind", "amount", "currency", "created_at", "closed_at", "account_crm_id",
    "account_domain", "account_name",
)  # fmt: skip
TOUCHPOINT: Final = (
    "id", "partner", "activity", "occurred_at", "reported_at", "account_domain", "account_name", "evidence",
)  # fmt: skip


def files() -> dict[str, str]:
    """The text of each file by its name."""
    year = northwind.generate(northwind.SEED, ANCHOR)
    chosen = year.deals[:DEALS]
    customers = {deal["account"]["name"] for deal in chosen}
    touchpoints = [touch for touch in year.touchpoints if touch["account"]["name"] in customers]
    return {
        "partners.csv": _text(PARTNER, year.partners),
        "deals.csv": _text(DEAL, map(_flat, chosen)),
        "touchpoints.csv": _text(TOUCHPOINT, map(_flat, touchpoints)),
    }


def _flat(body: northwind.JsonObject) -> northwind.JsonObject:
    """One level: the account's fields get a prefix, the amount's stand beside the others."""
    flat = {key: value for key, value in body.items() if not isinstance(value, dict)}
    flat |= {f"account_{key}": value for key, value in body["account"].items()}
    flat |= body.get("amount", {})
    return flat


def _text(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    target = io.StringIO()
    writer = csv.DictWriter(target, columns, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    return target.getvalue()


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
