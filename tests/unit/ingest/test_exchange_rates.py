"""Exchange rates: what is refused, in which words, and what is appended."""

import json
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from services.ingest.domain import batch, exchange_rates
from services.ingest.domain.batch import Refused
from shared.events.exchange import RatePublished

GOLDEN = Path(__file__).parents[2] / "contracts" / "golden" / "rate.published.json"
NOW = datetime(2026, 3, 5, 15, 15, tzinfo=UTC)
GOOD: dict[str, Any] = {"base": "EUR", "quote": "USD", "on": "2026-03-05", "rate": "1.0842"}


def read(body: object) -> list[exchange_rates.ExchangeRate]:
    return batch.read(json.dumps(body).encode(), exchange_rates.SHAPE, partial(exchange_rates.objections, now=NOW))


def faults(body: object) -> dict[str, str]:
    with pytest.raises(Refused) as caught:
        read(body)
    return {fault.field: fault.message for fault in caught.value.faults}


def test_the_event_is_the_one_its_consumers_read() -> None:
    """What ingest appends for the golden rate is the golden event; the source is the key's."""
    golden = json.loads(GOLDEN.read_text())
    body = {key: value for key, value in golden.items() if key not in {"source", "received_at"}}
    (event,) = exchange_rates.events(read(body), "ecb", NOW, "00-trace")
    assert RatePublished.model_validate_json(event.data).model_dump(mode="json") == golden
    assert (event.topic, event.type, event.source, event.time, event.traceparent) == (
        "tributary.exchange-rates", "rate.published", "ecb", NOW, "00-trace",
    )  # fmt: skip
    assert (event.key, event.id) == ('["ecb","EUR","USD"]', '["rate.published","EUR","USD","2026-03-05"]')


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("1.0840", "1.084"), ("1", "1"), ("100", "100"), ("007.50", "7.5"), (" 1.0 ", "1"),
        ("0.000000000001", "0.000000000001"),
        ("999999999999.999999999999", "999999999999.999999999999"),
    ],
)  # fmt: skip
def test_a_rate_has_one_spelling(written: str, kept: str) -> None:
    """So that a repeat is one, however it is written; no digit is lost."""
    (item,) = read(GOOD | {"rate": written})
    assert item["rate"] == kept


@pytest.mark.parametrize(
    ("change", "field", "complaint"),
    [
        ({"rate": 1.0842}, "rate", "must be a string"),
        ({"rate": "0"}, "rate", "must be above zero"),
        ({"rate": "0.000"}, "rate", "must be above zero"),
        ({"rate": "-1.5"}, "rate", "is not a rate"),
        ({"rate": "1,0842"}, "rate", "is not a rate"),
        ({"rate": "1e3"}, "rate", "is not a rate"),
        ({"rate": ".5"}, "rate", "is not a rate"),
        ({"rate": "NaN"}, "rate", "is not a rate"),
        ({"rate": "\u0661.\u0665"}, "rate", "is not a rate"),
        ({"rate": "1000000000000"}, "rate", "at most 12 digits"),
        ({"rate": "1.0000000000001"}, "rate", "at most 12"),
        ({"rate": "9" * 41}, "rate", "at most 40"),
        ({"base": "EURO"}, "base", "ISO 4217"),
        ({"base": "eur"}, "base", "ISO 4217"),
        ({"quote": "XBT"}, "quote", "ISO 4217"),
        ({"quote": "EUR"}, "quote", "is the base itself"),
        ({"on": "05.03.2026"}, "on", "not a date"),
        ({"on": None}, "on", "must be a string"),
        ({"on": "2026-03-07"}, "on", "more than a day in the future"),
        ({"source": "ecb"}, "source", "not a field Tributary knows; check the spelling"),
    ],
)
def test_a_wrong_field_is_named_with_the_reason(change: dict[str, Any], field: str, complaint: str) -> None:
    """Two known currencies, a day, and a number that is exact."""
    found = faults([GOOD | {"on": "2026-03-04"}, GOOD | change])
    assert list(found) == [f"items[1].{field}"]
    assert complaint in found[f"items[1].{field}"]


def test_a_source_quotes_a_pair_once_a_day() -> None:
    """The same rate twice does no harm, another one does; the inverse is another pair."""
    inverse = {"base": "USD", "quote": "EUR", "on": "2026-03-05", "rate": "0.9223"}
    assert len(read([GOOD, GOOD | {"rate": "1.08420"}, GOOD | {"on": "2026-03-06", "rate": "1.1"}, inverse])) == 4
    assert list(faults([GOOD, GOOD | {"rate": "1.0843"}])) == ["items[1].rate"]
