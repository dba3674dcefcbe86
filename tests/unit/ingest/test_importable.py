"""What the doors take, a spreadsheet can say."""

import pytest

from services.ingest.domain import deals, exchange_rates, partners, receipts, touchpoints
from services.ingest.domain.batch import Shape
from tributary.imports.mapping import FIELDS, Kind


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        (Kind.DEALS, deals.SHAPE),
        (Kind.TOUCHPOINTS, touchpoints.SHAPE),
        (Kind.PARTNERS, partners.SHAPE),
        (Kind.RECEIPTS, receipts.SHAPE),
        (Kind.EXCHANGE_RATES, exchange_rates.SHAPE),
    ],
)
def test_every_field_of_a_door_can_be_mapped(kind: Kind, shape: Shape[object]) -> None:
    """A field added to a door and forgotten in the importer is found here."""
    schema = shape.schema()
    account = {f"account.{name}" for name in schema.get("$defs", {}).get("Account", {}).get("properties", ())}
    beside_amounts = {"currency"} if "amount" in FIELDS[kind] else set()
    mapped = {name.rstrip(".") for name in FIELDS[kind]} - beside_amounts
    assert mapped == (schema["properties"].keys() - {"account"}) | account
