"""Standard Webhooks: only fresh bytes signed with a known secret get through, and no header breaks the check."""

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from services.ingest.crm import standard_webhooks
from services.ingest.domain import deals
from services.ingest.domain.batch import Malformed, Refused
from services.ingest.settings import Settings
from shared.errors import TributaryError

# The vector published by the Standard Webhooks project.
SECRET = standard_webhooks.decode_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
BODY = b'{"test": 2432232314}'
HEADERS = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
SENT_AT = datetime.fromtimestamp(1614265330, UTC)
OTHER = bytes(range(32))


def verified(now: datetime = SENT_AT, secrets: list[bytes] | None = None, body: bytes = BODY, **changes: str) -> bool:
    headers = HEADERS | {name.replace("_", "-"): value for name, value in changes.items()}
    return standard_webhooks.verified([SECRET] if secrets is None else secrets, headers, body, now)


def test_the_published_vector_verifies() -> None:
    """Signing and verifying agree with the specification's project."""
    assert verified()
    signature = standard_webhooks.sign(SECRET, HEADERS["webhook-id"], HEADERS["webhook-timestamp"], BODY)
    assert signature == HEADERS["webhook-signature"]


@given(st.text(max_size=100), st.uuids(), st.integers(0, 2**32))
def test_what_the_projects_own_library_signs_verifies(text: str, message_id: UUID, second: int) -> None:
    """Another implementation of the specification agrees, whatever the body."""
    sent_at = datetime.fromtimestamp(second, UTC)
    body = text.encode("utf-8", "replace")
    headers = {
        "webhook-id": str(message_id),
        "webhook-timestamp": str(second),
        "webhook-signature": Webhook(SECRET).sign(str(message_id), sent_at, body.decode()),
    }
    assert standard_webhooks.verified([SECRET], headers, body, sent_at)


def test_five_minutes_either_way_and_no_more() -> None:
    """A replayed message is refused, and one from the future too."""
    for minutes in (-5, 5):
        assert verified(SENT_AT + timedelta(minutes=minutes))
        assert not verified(SENT_AT + timedelta(minutes=minutes, seconds=minutes / 5))


def test_a_changed_body_id_or_secret_does_not_verify() -> None:
    """Each part is covered by the signature."""
    assert not verified(body=BODY + b" ")
    assert not verified(webhook_id="msg_other")
    assert not verified(secrets=[OTHER])
    assert not verified(secrets=[])


def test_during_a_rotation_any_signature_may_match_any_secret() -> None:
    """Old and new signatures stand side by side, in any order, beside unknown schemes."""
    several = f"v1a,xyz v1,AAAA {HEADERS['webhook-signature']}"
    assert verified(webhook_signature=several, secrets=[OTHER, SECRET])


def test_the_secret_of_an_unknown_source_cannot_be_guessed() -> None:
    """What is compared for unknown sources never verifies, even if it is known."""
    forged = standard_webhooks.sign(bytes(32), HEADERS["webhook-id"], HEADERS["webhook-timestamp"], BODY)
    assert not verified(webhook_signature=forged, secrets=[])


@pytest.mark.parametrize("name", sorted(HEADERS))
def test_a_missing_header_does_not_verify(name: str) -> None:
    """All three are needed."""
    headers = {key: value for key, value in HEADERS.items() if key != name}
    assert not standard_webhooks.verified([SECRET], headers, BODY, SENT_AT)


@given(st.sampled_from(sorted(HEADERS)), st.text(alphabet=st.characters(max_codepoint=255), max_size=40))
def test_malformed_headers_are_a_plain_no(name: str, value: str) -> None:
    """No comma, no base64, no number, no ASCII: refused, and nothing breaks."""
    if value.split(" ") != [HEADERS[name]]:
        assert not standard_webhooks.verified([SECRET], HEADERS | {name: value}, BODY, SENT_AT)


DEAL = {"id": "D", "version": 1, "stage": "open"}


def read(message: object) -> list[deals.Deal]:
    check = partial(deals.objections, now=SENT_AT)
    return standard_webhooks.read(json.dumps(message).encode(), check)


def test_the_data_is_one_deal_or_several() -> None:
    """As at the generic door."""
    message = {"type": "deal.observed", "timestamp": "2026-01-01T00:00:00Z"}
    assert read({**message, "data": DEAL}) == read({**message, "data": [DEAL]}) == [DEAL]


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ([], "body"),
        ({"type": "ping", "data": {}}, "type"),
        ({"type": "deal.observed"}, "data"),
        ({"type": "deal.observed", "data": []}, "data"),
        ({"type": "deal.observed", "data": {**DEAL, "version": "x"}}, "data.version"),
        ({"type": "deal.observed", "data": [DEAL, {**DEAL, "id": "E", "stage": "won"}]}, "data[1].amount"),
        ({"type": "deal.observed", "data": {**DEAL, "version": float("nan")}}, "data.version"),
    ],
)
def test_faults_are_named_as_they_stand_in_the_message(message: object, field: str) -> None:
    """The sender can find each fault in what it sent."""
    with pytest.raises(Refused) as caught:
        read(message)
    assert caught.value.faults[0].field == field


def test_a_message_that_is_no_json_is_malformed() -> None:
    """With its place, like every other body."""
    with pytest.raises(Malformed, match="line 1"):
        standard_webhooks.read(b"{", partial(deals.objections, now=SENT_AT))


def settings(secrets: str) -> Settings:
    return Settings.model_validate({"database_url": "postgresql://x", "kafka": "x", "webhook_secrets": secrets})


def test_secrets_come_as_json_or_from_a_file(tmp_path: Path) -> None:
    """One source may have several secrets; none at all is fine."""
    text = '{"crm": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw whsec_' + "A" * 32 + '"}'
    assert settings(text).load_webhook_secrets() == {"crm": [SECRET, bytes(24)]}
    file = tmp_path / "secrets.json"
    file.write_text(text)
    assert settings(str(file)).load_webhook_secrets() == {"crm": [SECRET, bytes(24)]}
    assert settings("").load_webhook_secrets() == {}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"crm": "whsec_c2hvcnQ="}', "'crm' must decode to 24 to 64 bytes"),
        ('{"crm": "whsec_***secret***"}', "'crm' is not whsec_"),
        ('{"crm": ["secret"]}', "is not JSON like"),
        ("{secret", "is not JSON like"),
        ("/secret/nowhere", "cannot be read"),
    ],
)
def test_a_wrong_secret_is_named_and_never_shown(text: str, complaint: str) -> None:
    """The error tells the source at fault, and repeats nothing of the secret."""
    with pytest.raises(TributaryError, match=complaint) as caught:
        settings(text).load_webhook_secrets()
    assert "secret***" not in str(caught.value)
    assert "nowhere" not in str(caught.value)
