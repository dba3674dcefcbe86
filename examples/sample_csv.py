"""Small spreadsheets of the example for `tributary import`: `python -m examples.sample_csv` writes them into `csv/`.

They hold all partners, the first deals with what their customers paid, and those customers' touchpoints, of a year with
a fixed end; and a few invented exchange rates of its last days.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

from examples import northwind
from shared import money

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
RECEIPT: Final = ("id", "deal", "kind", "amount", "currency", "of", "on")
EXCHANGE_RATE: Final = ("base", "quote", "on", "rate")
EUR_IN_USD: Final = ("1.0871", "1.0859", "1.0864", "1.0902", "1.0888")
"""Invented, of the last days up to `ANCHOR`."""
SECOND_RATE: Final = timedelta(days=30)
"""When the second half of a deal is paid, after its close."""


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
        "receipts.csv": _text(RECEIPT, _receipts(chosen)),
        "exchange-rates.csv": _text(EXCHANGE_RATE, _exchange_rates()),
    }


def _receipts(deals: Iterable[northwind.JsonObject]) -> Iterator[northwind.JsonObject]:
    """Each won deal is paid in two halves, as far as they are due; of the first one a tenth is given back."""
    refunded = False
    for deal in deals:
        if deal["stage"] != "won":
            continue
        currency = deal["amount"]["currency"]
        whole = money.to_minor(deal["amount"]["amount"], currency)
        closed_on = datetime.fromisoformat(deal["closed_at"]).date()
        for number, minor in ((1, whole // 2), (2, whole - whole // 2)):
            on = closed_on + (number - 1) * SECOND_RATE
            if on > ANCHOR:
                continue
            paid = {"id": f"P-{deal['id']}-{number}", "deal": deal["id"], "kind": "payment", "currency": currency}
            yield {**paid, "amount": money.to_decimal(minor, currency), "on": on.isoformat()}
            if number == 2 and not refunded:  # noqa: PLR2004  the second half
                refunded = True
                back = {**paid, "id": f"R-{deal['id']}", "kind": "refund", "of": paid["id"]}
                yield {**back, "amount": money.to_decimal(whole // 10, currency), "on": on.isoformat()}


def _exchange_rates() -> Iterator[northwind.JsonObject]:
    for before, rate in enumerate(EUR_IN_USD):
        yield {"base": "EUR", "quote": "USD", "on": (ANCHOR - timedelta(days=before)).isoformat(), "rate": rate}


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
