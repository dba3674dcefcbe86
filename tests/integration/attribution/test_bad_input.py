"""Messages and requests that nobody should send: refused by name, never a failure."""

import base64
import json
from collections.abc import Iterator, Sequence

import asyncpg
import pytest

from shared.consume import POISON_ERRORS
from shared.events import deal, directory, review, touchpoint
from shared.message import Message, Refused
from tests.integration.attribution.harness import (
    JSON,
    Attribution,
    activated,
    decided,
    linked,
    merged,
    message,
    partner_merged,
    separated,
    touch,
    upserted,
    withdrawn,
    won,
)


def cursor(*values: str) -> str:
    """A made-up place in a list."""
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


STRANGE = [
    "!!", cursor(), cursor("x"), cursor("a", "b", "c"), cursor("\x00", "a"), cursor("a", "\ud800"),
    cursor("a" * 300, "b"),
    cursor("conflict", "deal", "crm", "D-1", "9" * 30, "00"), cursor("conflict", "deal", "crm", "D-1", "x", "00"),
    cursor("conflict", "deal", "crm", "D-1", "1", "0"), cursor("proposal", "\ud800", "b"), cursor("proposal", "b"),
    cursor("late_claim", "a", "b", "c"), cursor("2026-01-01T00:00:00", "x"), cursor("0001-01-01T00:00:00+00:00", "x"),
    cursor("9999-12-31T23:59:59-23:00", "x"), cursor("2026-01-01T00:00:00+00:00", "\ud800"),
    cursor("2026-01-01T00:00:00+00:00", "\x00"),
]  # fmt: skip
LISTS = ["deals", "deals/crm/D-1", "partners/ada/credits", "review", "review?kind=proposal", "review/decisions"]


@pytest.mark.parametrize("path", LISTS)
async def test_made_up_cursors_are_refused(reviewed: Attribution, path: str) -> None:
    """On every list, for keys of the vendor and of partners; a place that could exist gives a page."""
    for partner in (None, "ada"):
        async with reviewed.client("*", partner=partner) as client:
            for made_up in STRANGE:
                answer = await client.get(path, params={"cursor": made_up, **_query(path)})
                if answer.status_code != 200:
                    assert answer.status_code in {403, 422}, (made_up, answer.text)
                    assert answer.headers["content-type"] == "application/problem+json"


def _query(path: str) -> dict[str, str]:
    return dict([path.split("?")[1].split("=")]) if "?" in path else {}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("deals/crm/D-1?format=pdf", 422), ("deals/crm/D-1?revision=0", 422),
        ("deals/crm/D-1?revision=99999999999", 422),
        ("deals/crm/D-1?revision=7", 404), ("deals/crm/none?revision=1", 404), ("accounts/nobody", 404),
        ("accounts/%00", 422), ("accounts/domain:acme.example?on=yesterday", 422), ("influence?from=x", 422),
        ("influence?to=2026-02-30", 422), ("review?limit=0", 422), ("review?kind=x", 422),
        ("review/decisions?limit=1000000", 422), ("touchpoints/portal/%ED%A0%80", 404), ("accounts/%ED%A0%80", 404),
    ],
)  # fmt: skip
async def test_requests_that_make_no_sense_are_problems(reviewed: Attribution, path: str, status: int) -> None:
    """404 for what is not there, 422 for what is malformed, never 500."""
    async with reviewed.client("*") as client:
        answer = await client.get(path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def poisons() -> Iterator[Message]:
    """Messages that each lack something, or have something that cannot be stored."""
    for topic, kind in (
        (touchpoint.TOPIC, touchpoint.WITHDRAWN), (directory.TOPIC, directory.PARTNER_UPSERTED),
        (directory.TOPIC, directory.PARTNER_MERGED), (directory.TOPIC, directory.ACCOUNT_LINKED),
        (directory.TOPIC, directory.ACCOUNT_MERGED), (directory.TOPIC, directory.ACCOUNT_SEPARATED),
        (review.TOPIC, review.DECIDED), (deal.TOPIC, deal.OBSERVED),
    ):  # fmt: skip
        for body in (b"", b"not json", b"{}", b"[]", b"\xff", b'{"id": "\xff"}'):
            yield message(body, topic, kind)
    bodies: list[JSON] = [
        linked(), linked(aliases=["Inc \x00"]), linked(aliases=["!"]), linked(version=-1), linked(version=2**63),
        merged({"crm_id": "X"}), merged({"name": "X"}, {"name": "Y"}), separated({"name": "X"}),
        partner_merged("ada", "ada"), partner_merged("ada", "bob", "someday"), upserted("", None), withdrawn(""),
        decided("late_claim", ["a", "b"]), decided("late_claim", ["a", "b", "c", "\x00"]), decided("gossip", ["a"]),
        decided("conflict", ["deal", "crm", "D-1", "one", "00"]), decided("conflict", ["deal", "crm", "D-1", "1", "0"]),
        decided("conflict", ["deal", "crm", "D-1", "9" * 30, "00"]), decided("proposal", ["x" * 9_000, "y"]),
    ]  # fmt: skip
    yield from (message(body) for body in bodies)


async def test_poisoned_messages_are_refused_by_name(attribution: Attribution) -> None:
    """Each says what is wrong with it; the good ones of the same batch have their effect."""
    bad = list(poisons())
    refused = await attribution.store(activated(), *bad, touch("t1"), won())
    assert [item.message for item in refused if not item.reason] == []
    assert len(refused) == len(bad)
    await attribution.settle()
    assert await attribution.amounts() == {"ada": "1000.00"}


async def stored_as_the_kit_does(attribution: Attribution, messages: Sequence[Message]) -> list[Refused]:
    """Store a batch; a message that the database refuses is found by halving."""
    try:
        return list(await attribution.store(*messages))
    except POISON_ERRORS as error:
        if len(messages) == 1:
            return [Refused(messages[0], str(error))]
    middle = len(messages) // 2
    return [
        *await stored_as_the_kit_does(attribution, messages[:middle]),
        *await stored_as_the_kit_does(attribution, messages[middle:]),
    ]


UNREAD = ["\\u0000", "1e999999", "NaN", "-Infinity", "9" * 200, "[" * 150 + "]" * 150]
"""JSON that a contract passes over in a field it does not know, and that a column may not take."""


@pytest.mark.parametrize("value", UNREAD)
async def test_unknown_fields_of_any_content_do_no_harm(attribution: Attribution, value: str) -> None:
    """What is kept as it came is stored or refused, in a first message and in one that contradicts it."""
    said = f'"{value}"' if value.startswith("\\") else value
    facts = [touch("t9"), touch("t9", "bob"), won("D-9"), won("D-9", amount="1.00"), linked(domains=["a.example"]),
             linked(domains=["b.example"]), partner_merged("x", "y"), partner_merged("x", "z")]  # fmt: skip
    strange = [message(fact)._replace(value=f'{{"more": {said}, {json.dumps(fact)[1:]}'.encode()) for fact in facts]
    for batch in (strange, strange, [message(fact) for fact in (activated(), touch("t1"), won())]):
        await stored_as_the_kit_does(attribution, batch)
    await attribution.settle()
    assert "ada" in await attribution.amounts()
    async with attribution.client("*") as client:
        for path in ("review", "touchpoints/portal/t9", "deals/crm/D-1", "accounts/domain:a.example"):
            assert (await client.get(path)).status_code in {200, 404}, path
    assert isinstance(asyncpg.DataError(), POISON_ERRORS)
