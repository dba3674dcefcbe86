"""What rewards believes of a message: the golden ones, and nothing that contradicts itself."""

from pathlib import Path

import orjson
import pytest

from services.rewards.domain import facts
from shared.errors import Invalid
from shared.events.base import Money
from tests.unit.rewards.builders import activated, decided, partner, usd

GOLDEN = Path(__file__).parents[2] / "contracts" / "golden"


def test_the_golden_events_of_its_producers_are_read() -> None:
    """Attribution's and ingest's golden messages are facts here, with their sums in order."""
    credit = facts.credit((GOLDEN / "credit.decided.json").read_bytes()).event
    assert credit.amount is not None
    assert credit.unattributed is not None
    assert sum(share.amount.minor for share in credit.shares) + credit.unattributed.minor == credit.amount.minor
    assert facts.partner((GOLDEN / "partner.upserted.json").read_bytes()).event.tier
    assert facts.activation((GOLDEN / "program.activated.json").read_bytes()).event.version


def test_a_part_of_a_credited_deal_may_be_nobodys() -> None:
    """Shares and an unattributed rest make up the amount together; how the rest is explained is carried along."""
    told = decided("D-1", 1, {"acme": 5}, unattributed=7).model_dump(mode="json") | {
        "unattributed_parts": [{"reason": "direct", "text": "", "share": "7/12", "amount": usd(7)}],
        "participants": [{"partner": "beta", "influence": "delivered"}], "deal_kind": "renewal", "account": ["crm:A1"],
    }  # fmt: skip
    event = facts.credit(orjson.dumps(told)).event
    assert (event.amount, event.unattributed) == (Money.of(12, "USD"), Money.of(7, "USD"))
    assert [part.amount.minor for part in event.unattributed_parts] == [7]


def test_when_and_why_it_was_sent_is_no_part_of_a_fact() -> None:
    """Another time of sending or another cause is a repeat; another amount is another content."""
    one = decided("D-1", 1, {"acme": 100})
    again = one.model_copy(update={"cause": "rebuilt", "decided_at": one.decided_at.replace(year=2027)})
    other = decided("D-1", 1, {"acme": 101})
    prints = [facts.credit(event.model_dump_json().encode()).fingerprint for event in (one, again, other)]
    assert prints[0] == prints[1] != prints[2]
    retold = partner("acme").model_copy(update={"received_at": one.decided_at.replace(year=2027)})
    assert facts.partner(retold.model_dump_json().encode()).fingerprint == facts.partner(
        partner("acme").model_dump_json().encode()
    ).fingerprint  # fmt: skip


GOOD = decided("D-1", 1, {"acme": 5, "beta": 6}).model_dump_json()


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (GOOD.replace('"partner":"beta"', '"partner":"acme"'), "shares[1].partner: 'acme' has a share already"),
        (GOOD.replace('"0.06","currency":"USD"', '"0.06","currency":"EUR"'), "shares[1].amount.currency"),
        (GOOD.replace('"amount":"0.06"', '"amount":"0.07"'), "amount: must equal the sum"),
        (GOOD.replace('"amount":"0.06"', '"amount":0.06'), "shares.1.amount.amount"),
        (GOOD.replace('"governed_on":"2026-03-02"', '"governed_on":null'), "governed_on: is missing"),
        (GOOD.replace('"status":"credited"', '"status":"maybe"'), "status"),
        ("[]", "message"), ("{", "message: invalid JSON"), ('{"id": "\\ud800"}', "message: invalid JSON"),
    ],
)  # fmt: skip
def test_a_credit_that_contradicts_itself_is_refused_by_field(body: str, fault: str) -> None:
    """The shares and the rest must make up the amount, in one currency, each partner once."""
    with pytest.raises(Invalid) as error:
        facts.credit(body.encode())
    assert fault in str(error.value)


def test_a_program_under_another_name_or_version_is_refused() -> None:
    """The event's key and the document's must agree, and the document must be a valid program."""
    body = activated(3).model_dump_json().replace('"version":3', '"version":4', 1)
    with pytest.raises(Invalid, match=r"document\.version: is 3, but the event says 4"):
        facts.activation(body.encode())
    with pytest.raises(Invalid, match="extra_word"):
        facts.activation(activated().model_dump_json().replace('"currency"', '"extra_word"').encode())
