"""The contracts between services: one golden JSON per event, read exactly as its consumer reads it.

A change of a golden file is a change of a contract: adding an optional field is allowed, anything else is a new type.
"""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from shared import program
from shared.events import credit, deal, directory, exchange, ledger, receipt, review, touchpoint
from shared.events import program as program_event
from shared.events.base import Contract

GOLDEN = Path(__file__).parent / "golden"
CONTRACTS: dict[str, type[Contract]] = {
    touchpoint.RECORDED: touchpoint.TouchpointRecorded,
    touchpoint.WITHDRAWN: touchpoint.TouchpointWithdrawn,
    deal.OBSERVED: deal.DealObserved,
    receipt.RECORDED: receipt.ReceiptRecorded,
    exchange.PUBLISHED: exchange.RatePublished,
    directory.PARTNER_UPSERTED: directory.PartnerUpserted,
    directory.PARTNER_MERGED: directory.PartnerMerged,
    directory.ACCOUNT_LINKED: directory.AccountLinked,
    directory.ACCOUNT_MERGED: directory.AccountMerged,
    directory.ACCOUNT_SEPARATED: directory.AccountSeparated,
    program_event.ACTIVATED: program_event.ProgramActivated,
    credit.DECIDED: credit.CreditDecided,
    review.DECIDED: review.ReviewDecided,
    ledger.SEALED: ledger.LedgerSealed,
}


def test_every_event_has_a_golden_file() -> None:
    """No contract is without its example."""
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(CONTRACTS)


@pytest.mark.parametrize("name", CONTRACTS)
def test_golden_events_read_and_write_without_a_difference(name: str) -> None:
    """What a consumer reads and writes again is the same JSON, to the character of every value."""
    golden = json.loads((GOLDEN / f"{name}.json").read_text())
    event = CONTRACTS[name].model_validate_json(json.dumps(golden))
    assert json.loads(event.model_dump_json()) == golden


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_newer_producer_may_add_an_optional_field(name: str) -> None:
    """An older consumer reads over what it does not know."""
    golden = json.loads((GOLDEN / f"{name}.json").read_text())
    CONTRACTS[name].model_validate_json(json.dumps(golden | {"added_later": 1}))


@pytest.mark.parametrize("name", CONTRACTS)
def test_an_event_without_a_required_field_is_refused_by_name(name: str) -> None:
    """Each field without a default is required, and its absence names it."""
    golden = json.loads((GOLDEN / f"{name}.json").read_text())
    for field, info in CONTRACTS[name].model_fields.items():
        if info.is_required():
            with pytest.raises(ValidationError) as caught:
                CONTRACTS[name].model_validate({key: value for key, value in golden.items() if key != field})
            assert caught.value.errors()[0]["loc"] == (field,)


def test_the_golden_program_parses() -> None:
    """The document inside `program.activated` is a valid program."""
    golden = json.loads((GOLDEN / "program.activated.json").read_text())
    assert program.parse(golden["document"]).version == golden["version"]
