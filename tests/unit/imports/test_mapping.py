"""From cells to items: names, dates, money and stages by plain rules, and every wrong cell named."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from shared.errors import Invalid
from tributary.imports import mapping
from tributary.imports.mapping import Kind, Rules
from tributary.imports.rows import Row

BERLIN = ZoneInfo("Europe/Berlin")


def item(kind: Kind, cells: dict[str, str], occurrence: int = 0, **more: Any) -> dict[str, Any]:  # noqa: ANN401  any field
    columns = mapping.columns(kind, list(cells), more.pop("wanted", {}), more.get("constants", {}))
    rules = Rules(kind, columns, **{"version": 7, "zone": BERLIN, **more})
    return rules.item(Row(2, tuple(cells.values())), occurrence)


DEAL = {"id": "D", "stage": "Won"}
TOUCH = {"partner": "p", "activity": "demo", "occurred_at": "2026-03-05", "domain": "acme.example"}


def test_a_deal_is_read_with_its_account_money_and_milestones() -> None:
    """Columns of a field's name need no mapping, however they are written; empty cells say nothing."""
    cells = DEAL | {
        "Account Name": "Acme", "account.crm_id": "A1", "Domain": "", "amount": " 1054 ", "currency": "USD",
        "Closed At": "2026-03-05", "created-at": "2026-01-05", "milestones.demo": "2026-02-01", "colour": "red",
    }  # fmt: skip
    assert item(Kind.DEALS, cells) == {
        "id": "D", "version": 7, "stage": "won", "account": {"name": "Acme", "crm_id": "A1"},
        "amount": {"amount": "1054", "currency": "USD"}, "closed_at": "2026-03-05T23:59:59+01:00",
        "created_at": "2026-01-05T00:00:00+01:00", "milestones": {"demo": "2026-02-01T00:00:00+01:00"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("cell", "form", "expected"),
    [
        ("2026-07-01", None, "2026-07-01T23:59:59+02:00"),
        ("2026-07-01T10:00", None, "2026-07-01T10:00:00+02:00"),
        ("2026-07-01 10:00:00Z", None, "2026-07-01T10:00:00+00:00"),
        ("3/1/2017", "%m/%d/%Y", "2017-03-01T23:59:59+01:00"),
        ("01.03.2017 08:30", "%d.%m.%Y %H:%M", "2017-03-01T08:30:00+01:00"),
    ],
)
def test_dates_are_read_in_their_form_and_zone(cell: str, form: str | None, expected: str) -> None:
    """A close on a day is a close at its end; a time of day stands as it is."""
    assert item(Kind.DEALS, DEAL | {"closed_at": cell}, date_format=form)["closed_at"] == expected


def test_mapped_columns_and_constants_come_before_equal_names() -> None:
    """The same column may serve two fields."""
    cells = {"id": "not this", "key": "D", "deal_stage": "Engaging", "stage": "x"}
    found = item(
        Kind.DEALS, cells, wanted={"id": "key", "name": "key", "stage": "deal_stage"}, stages={"Engaging": "open"},
        constants={"kind": "renewal"},
    )  # fmt: skip
    assert found == {"id": "D", "name": "D", "stage": "open", "version": 7, "kind": "renewal"}


@pytest.mark.parametrize(
    ("cells", "field", "complaint"),
    [
        ({"stage": "Signed"}, "stage", "--stage"),
        ({"stage": ""}, "stage", "is empty"),
        ({"amount": "5"}, "amount", "--currency"),
        ({"version": "1.5"}, "version", "whole number"),
        ({"closed_at": "3/1/2017"}, "closed_at", "--date-format"),
    ],
)
def test_a_wrong_cell_is_named(cells: dict[str, str], field: str, complaint: str) -> None:
    """With what to do about it."""
    with pytest.raises(Invalid) as caught:
        item(Kind.DEALS, DEAL | cells)
    assert [fault.field for fault in caught.value.faults] == [field]
    assert complaint in caught.value.faults[0].message


@pytest.mark.parametrize(
    ("wanted", "constants", "complaint"),
    [
        ({"colour": "id"}, {}, "--map colour: is no field of deals; they are: id, version"),
        ({"id.x": "id"}, {}, "no field"),
        ({"name": "nowhere"}, {}, "no such column; the file has: id"),
        ({}, {"colour": "red"}, "--set colour: is no field"),
        ({"id": "id"}, {"id": "1"}, "both mapped and set"),
        ({}, {}, "stage: is needed; add --map stage=COLUMN"),
    ],
)
def test_options_that_do_not_fit_the_file_are_refused(
    wanted: dict[str, str], constants: dict[str, str], complaint: str
) -> None:
    """Before any row is read."""
    with pytest.raises(Invalid, match=complaint):
        mapping.columns(Kind.DEALS, ["id"], wanted, constants)


def test_a_touchpoint_without_id_gets_one_from_its_row() -> None:
    """The same row has the same id in every import; its second occurrence, another row, another id."""
    first = item(Kind.TOUCHPOINTS, TOUCH)["id"]
    assert first == item(Kind.TOUCHPOINTS, TOUCH)["id"]
    assert (
        len({first, item(Kind.TOUCHPOINTS, TOUCH, 1)["id"], item(Kind.TOUCHPOINTS, TOUCH | {"note": "x"})["id"]}) == 3
    )
    assert item(Kind.TOUCHPOINTS, TOUCH | {"id": "T"})["id"] == "T"
    assert "version" not in item(Kind.TOUCHPOINTS, TOUCH)


def test_a_partner_has_a_day_not_an_instant() -> None:
    """`tier_since` stays a date in any form."""
    cells = {"id": "p", "name": "P", "tier": "silver", "tier_since": "1.2.2026"}
    assert item(Kind.PARTNERS, cells, date_format="%d.%m.%Y") == cells | {"tier_since": "2026-02-01", "version": 7}


def test_amounts_beside_the_amount_are_in_its_currency() -> None:
    """Margin and first-year value share its column of currencies, and name the remedy where there is none."""
    cells = DEAL | {"amount": "10", "margin": "4", "First Year Value": "5", "currency": "EUR"}
    found = item(Kind.DEALS, cells)
    assert "currency" not in found
    assert (found["margin"], found["first_year_value"]) == (
        {"amount": "4", "currency": "EUR"}, {"amount": "5", "currency": "EUR"},
    )  # fmt: skip
    with pytest.raises(Invalid) as caught:
        item(Kind.DEALS, DEAL | {"margin": "4"})
    assert [(fault.field, "--currency" in fault.message) for fault in caught.value.faults] == [("margin", True)]


def test_a_partner_has_a_currency_of_its_own() -> None:
    """What it is paid in is a field, not part of an amount."""
    cells = {"id": "p", "name": "P", "tier": "silver", "tier_since": "2026-02-01", "recruiter": "q", "currency": "EUR"}
    assert item(Kind.PARTNERS, cells) == cells | {"version": 7}


def test_receipts_and_exchange_rates_are_read_as_they_stand() -> None:
    """Days in any form, no version, and no amount where the cell is empty."""
    paid = {"id": "P-1", "deal": "D-1", "kind": "payment", "amount": "10.00", "of": "", "on": "5.3.2026"}
    in_form: dict[str, Any] = {"date_format": "%d.%m.%Y"}
    assert item(Kind.RECEIPTS, paid, constants={"currency": "USD"}, **in_form) == {
        "id": "P-1", "deal": "D-1", "kind": "payment", "amount": {"amount": "10.00", "currency": "USD"},
        "on": "2026-03-05",
    }  # fmt: skip
    left = {"id": "C-1", "deal": "D-1", "kind": "churn", "amount": "", "on": "2026-03-05"}
    assert item(Kind.RECEIPTS, left) == {name: text for name, text in left.items() if text}
    rate = {"base": "EUR", "quote": "USD", "on": "5.3.2026", "rate": "1.0842"}
    assert item(Kind.EXCHANGE_RATES, rate, **in_form) == rate | {"on": "2026-03-05"}
    with pytest.raises(Invalid) as caught:
        item(Kind.EXCHANGE_RATES, rate | {"rate": " "})
    assert sorted(fault.field for fault in caught.value.faults) == ["on", "rate"]
