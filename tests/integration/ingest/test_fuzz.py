"""Whatever is thrown at the doors, the answer is a clear one: never a 500."""

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared import http
from shared.program import parse
from tests.integration.ingest.conftest import PROGRAM, Door
from tests.integration.ingest.test_api import DEAL, PARTNER, TOUCH, signed
from tests.integration.ingest.test_receipts import RATE, RECEIPT
from tests.integration.ingest.test_statements import ACCOUNT, MERGE, PARTNER_MERGE, SEPARATION, WITHDRAWAL

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
VALID = {
    "touchpoints": TOUCH, "deals": DEAL, "partners": {"id": "p", **PARTNER}, "partners/p": PARTNER, "programs": PROGRAM,
    "webhooks/hooked": {"type": "deal.observed", "data": DEAL}, "touchpoints/withdrawals": WITHDRAWAL,
    "accounts": ACCOUNT, "accounts/merges": MERGE, "accounts/separations": SEPARATION, "partners/merges": PARTNER_MERGE,
    "receipts": RECEIPT, "exchange-rates": RATE,
}  # fmt: skip
TYPES = [
    "application/json", "application/cloudevents+json", "application/cloudevents-batch+json", "application/yaml",
    "application/json; charset=utf-7", "text/plain", "",
]  # fmt: skip


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, bytes]:
    """A door, a content type, and a body: bytes, any JSON, or a valid one with wrong places."""
    path = draw(st.sampled_from(sorted(VALID)))
    wrong = draw(
        st.dictionaries(
            st.sampled_from([*VALID[path], "data", "kind", "undone", "duns", "vat", "milestones", "margin", "of"]),
            JSON,
            max_size=3,
        )
    )
    damaged = {**VALID[path], **wrong}
    body = draw(
        st.binary(max_size=100)
        | (JSON | st.just(damaged) | st.just([damaged, VALID[path]])).map(json.dumps).map(str.encode)
    )
    return path, draw(st.sampled_from(TYPES)), body


@given(requests())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_request_breaks_a_door(door: Door, request_: tuple[str, str, bytes]) -> None:
    """Bytes, any JSON and nearly right bodies, in every content type, are accepted or refused as a problem document."""
    path, content_type, body = request_
    door.ingest.catalogue.add(parse(PROGRAM), PROGRAM)
    headers = {"content-type": content_type, **(signed(body) if path.startswith("webhooks") else {})}
    method = "PUT" if path == "partners/p" else "POST"
    answer = await door.send(method, path, await door.key("*"), content=body, headers=headers)
    if answer.status_code != 202:
        assert answer.status_code in {400, 409, 415, 422}
        assert answer.headers["content-type"] == http.PROBLEM_TYPE
