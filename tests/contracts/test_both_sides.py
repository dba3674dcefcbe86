"""Each golden event as its producer writes it and its consumers read it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from services.attribution.domain import changes, parse
from services.attribution.domain.facts import Deal, Touch
from services.attribution.domain.policy import Rules
from services.ingest.domain import programs
from services.rewards import sealer
from services.rewards.domain import facts as rewards
from services.rewards.domain import seal
from shared import program
from shared.events import ledger
from shared.events.deal import Stage

GOLDEN = Path(__file__).parent / "golden"


def golden(name: str) -> tuple[bytes, dict[str, Any]]:
    body = (GOLDEN / f"{name}.json").read_bytes()
    return body, json.loads(body)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_attribution_reads_the_facts_it_stores() -> None:
    """Touchpoints, deals and programs arrive with their natural keys, account keys and amounts."""
    touch = parse.touchpoint(golden("touchpoint.recorded")[0])
    assert (touch.source, touch.id, touch.partner) == ("brightfield-portal", "T-1001", "brightfield")
    assert (touch.id_key, touch.domain_key) == ("crm:crm:A-77", "domain:acme.example")
    deal = parse.deal(golden("deal.observed")[0])
    assert (deal.source, deal.id, deal.amount_minor, deal.currency) == ("crm", "D-501", 123_450, "USD")
    assert (deal.region, deal.product) == ("EMEA", "calibration")
    assert (deal.margin_minor, deal.first_year_minor) == (40_000, 61_725)
    version = parse.program_version(golden("program.activated")[0])
    assert (version.program, version.version) == ("northwind-partners", 1)


def test_rewards_reads_credit_directory_and_program() -> None:
    """The credit's amounts add up, the partner's tier has its date, the program's document is valid."""
    credit = rewards.credit(golden("credit.decided")[0]).event
    assert [(share.partner, share.amount.minor) for share in credit.shares] == [("brightfield", 123_450)]
    assert credit.margin is not None
    assert credit.first_year_value is not None
    assert (credit.margin.minor, credit.first_year_value.minor, credit.first_closed_on) == (40_000, 61_725, None)
    assert (credit.region, credit.product) == ("EMEA", "calibration")
    partner = rewards.partner(golden("partner.upserted")[0]).event
    assert (partner.id, partner.tier, partner.tier_since.isoformat()) == ("brightfield", "silver", "2026-01-01")
    assert (partner.recruiter, partner.currency) == ("summit", "EUR")
    assert rewards.activation(golden("program.activated")[0]).event.version == 1


def test_attribution_writes_the_golden_credit() -> None:
    """Deciding the golden deal from the golden touchpoint gives the golden event, but for words and times."""
    _, touch = golden("touchpoint.recorded")
    _, deal = golden("deal.observed")
    _, expected = golden("credit.decided")
    rules = Rules([program.parse(golden("program.activated")[1]["document"])])
    candidate = changes.Candidate(
        Deal(
            deal["source"],
            deal["id"],
            Stage.WON,
            deal["name"],
            123_450,
            "USD",
            instant(deal["closed_at"]),
            region=deal["region"],
            product=deal["product"],
            account=("crm:crm:A-77", "domain:acme.example"),
            margin_minor=40_000,
            first_year_minor=61_725,
        ),
        None,
    )
    fact = Touch(
        touch["source"], touch["id"], touch["partner"], touch["activity"], instant(touch["occurred_at"]),
        instant(touch["received_at"]),
    )  # fmt: skip
    found = changes.difference(candidate, [fact], rules)
    assert found is not None
    change = changes.change(found, None, instant(deal["closed_at"]) + timedelta(seconds=3))
    written = json.loads(change.snapshot)
    assert written.keys() == expected.keys()
    for name in expected.keys() - {"model", "decided_at", "shares"}:
        assert written[name] == expected[name], name
    [share], [golden_share] = written["shares"], expected["shares"]
    for line in (share["touchpoints"][0], golden_share["touchpoints"][0]):
        line["occurred_at"] = instant(line["occurred_at"])
    assert share == golden_share


def test_rewards_writes_the_golden_seal() -> None:
    """The head of a chain: what its hash is made of, and the hash, which anyone can compute again."""
    body, expected = golden("ledger.sealed")
    said = ledger.LedgerSealed.model_validate_json(body)
    block = seal.Block(
        said.version, said.seq, bytes.fromhex(said.prev_hash), bytes.fromhex(said.merkle_root),
        seal.Position(said.first.xid, said.first.journal), seal.Position(said.last.xid, said.last.journal),
        said.journals, said.sum_abs_minor,
    )  # fmt: skip
    event = sealer.event(seal.Sealed(block, (), ()), said.sealed_at)
    assert json.loads(event.data) == expected
    assert (event.topic, event.type, event.id) == ("tributary.ledger", "ledger.sealed", "seal-2")


def test_ingest_writes_the_golden_program() -> None:
    """An activated document travels as its owner wrote it, under its name and version."""
    _, expected = golden("program.activated")
    document = expected["document"]
    event = programs.event(program.parse(document), document, "admin", datetime(2026, 1, 1, tzinfo=UTC), None)
    written = json.loads(event.data)
    assert instant(written.pop("received_at")) == instant(expected.pop("received_at"))
    assert written == expected
