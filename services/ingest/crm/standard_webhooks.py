"""Standard Webhooks 1.0: who sent these bytes, and are they fresh.

Load-bearing idea: the signature covers the raw body, so it is checked before anything is parsed. An unknown source and
a wrong signature take the same way and get the same answer, so that nobody learns which sources exist.
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from pydantic_core import from_json, to_json

from services.ingest.domain import batch, deals
from services.ingest.domain.batch import Malformed, Refused
from shared.errors import Fault
from shared.events import deal

TOLERANCE_S: Final = 300
"""Older or newer messages may be replays (five minutes both ways, as the specification says)."""
MIN_SECRET_BYTES: Final = 24
MAX_SECRET_BYTES: Final = 64
"""Lengths of a secret, as the specification says."""
MAX_SIGNATURES: Final = 10
"""Signatures of one message that are tried: a few old and new secrets during a rotation."""
PREFIX: Final = "whsec_"

_NOBODYS_SECRET: Final = bytes(32)  # compared for unknown sources too, so that they take as long; it never verifies


def decode_secret(text: str) -> bytes:
    """The bytes of a `whsec_…` secret; raises ValueError, without the secret, when it is not one."""
    try:
        encoded = text.removeprefix(PREFIX)
        secret = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"is not {PREFIX} followed by base64") from None
    if not MIN_SECRET_BYTES <= len(secret) <= MAX_SECRET_BYTES:
        raise ValueError(f"must decode to {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes; it has {len(secret)}")
    return secret


def sign(secret: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    """The value of `webhook-signature` for a message."""
    digest = hmac.digest(secret, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode()


def verified(secrets: Sequence[bytes], headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
    """Whether one of the secrets signed these bytes within the last five minutes. Malformed headers are a plain no."""
    message_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    fresh = (
        timestamp.isascii()
        and timestamp.isdigit()
        and len(timestamp) <= 12  # noqa: PLR2004  a digit more than the year 9999 needs
        and abs(now.timestamp() - int(timestamp)) <= TOLERANCE_S
    )
    offered = [one.encode() for one in headers.get("webhook-signature", "").split(" ")[:MAX_SIGNATURES]]
    matches = False
    for secret in secrets or [_NOBODYS_SECRET]:
        expected = sign(secret, message_id, timestamp, body).encode()
        for signature in offered:
            matches |= hmac.compare_digest(expected, signature)
    return bool(message_id) and fresh and matches and bool(secrets)


def read(body: bytes, check: batch.Check[deals.Deal]) -> list[deals.Deal]:
    """The snapshots of a verified message `{"type": "deal.observed", "timestamp": …, "data": {…} or […]}`.

    Raises `Malformed` or `Refused` as `batch.read` does; fields are named `data.amount` or `data[3].amount`.
    """
    try:
        message = from_json(body)
    except ValueError as error:
        raise Malformed(str(error)) from None
    if not isinstance(message, dict):
        raise Refused(Fault("body", 'must be an object like {"type": "deal.observed", "timestamp": …, "data": {…}}'))
    if message.get("type") != deal.OBSERVED:
        raise Refused(Fault("type", f"must be {deal.OBSERVED}; send no other messages here"))
    data = message.get("data")
    if not isinstance(data, dict | list):
        raise Refused(Fault("data", "must be a deal snapshot, or an array of them"))
    try:
        return batch.read(to_json(data, inf_nan_mode="constants"), deals.SHAPE, check)
    except Refused as error:
        faults = (Fault(_under_data(fault.field), fault.message) for fault in error.faults)
        raise Refused(*faults, forbidden=error.forbidden) from None


def _under_data(field: str) -> str:
    if field.startswith("items"):
        return "data" + field.removeprefix("items")
    return "data" if field == "body" else f"data.{field}"
