"""The sample spreadsheets are what the generator makes."""

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from zoneinfo import ZoneInfo

import pytest

from examples import northwind, sample_csv
from services.ingest.domain import batch, deals, document, exchange_rates, partners, receipts, touchpoints
from tributary.imports import mapping, rows

NOW = datetime(2026, 6, 30, tzinfo=UTC)
DOORS: dict[mapping.Kind, Callable[[bytes], int]] = {
    mapping.Kind.DEALS: lambda body: len(batch.read(body, deals.SHAPE, lambda _: iter(()))),
    mapping.Kind.TOUCHPOINTS: lambda body: len(batch.read(body, touchpoints.SHAPE, lambda _: iter(()))),
    mapping.Kind.PARTNERS: lambda body: len(batch.read(body, partners.SHAPE, lambda _: iter(()))),
    mapping.Kind.RECEIPTS: lambda body: len(batch.read(body, receipts.SHAPE, partial(receipts.objections, now=NOW))),
    mapping.Kind.EXCHANGE_RATES: lambda body: len(
        batch.read(body, exchange_rates.SHAPE, partial(exchange_rates.objections, now=NOW))
    ),
}


def test_the_files_are_current() -> None:
    """`python -m examples.sample_csv` would change nothing."""
    for name, text in sample_csv.files().items():
        assert (sample_csv.FOLDER / name).read_text(encoding="utf-8") == text, name


def test_every_touchpoint_belongs_to_a_customer_and_partner_of_the_other_files() -> None:
    """The files tell one story: nothing in them refers to something that is not there."""
    partners, deals, touchpoints = map(table, ("partners", "deals", "touchpoints"))
    assert {touch["partner"] for touch in touchpoints} <= {partner["id"] for partner in partners}
    assert {touch["account_name"] for touch in touchpoints} <= {deal["account_name"] for deal in deals}
    receipts = table("receipts")
    assert {receipt["deal"] for receipt in receipts} <= {deal["id"] for deal in deals if deal["stage"] == "won"}
    assert {receipt["of"] for receipt in receipts} - {""} <= {receipt["id"] for receipt in receipts}


def table(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((sample_csv.FOLDER / f"{name}.csv").read_text(encoding="utf-8").splitlines()))


@pytest.mark.parametrize("kind", list(mapping.Kind))
def test_every_column_is_understood_without_a_mapping(kind: mapping.Kind) -> None:
    """`tributary import` needs no options for the samples and loses no column; the doors accept every row."""
    file = sample_csv.FOLDER / f"{kind}.csv"
    header = rows.header(file)
    columns = mapping.columns(kind, header, {}, {})
    assert sorted(columns.values()) == list(range(len(header)))
    rules = mapping.Rules(kind, columns, version=0, zone=ZoneInfo("UTC"))
    items = []
    for record in rows.read(file, header):
        assert isinstance(record, rows.Row)
        items.append(rules.item(record, 0))
    assert DOORS[kind](json.dumps(items).encode()) == len(items)


def test_the_samples_name_activities_and_tiers_of_the_program() -> None:
    """What only the server can judge is right, too."""
    known = document.read_yaml(northwind.PROGRAM.read_bytes()).parse()
    assert {touch["activity"] for touch in table("touchpoints")} <= known.activities.keys()
    assert {partner["tier"] for partner in table("partners")} <= known.tiers.keys()
