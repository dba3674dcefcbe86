"""What a partner's key is told, to the byte, while others act; and that nothing of them shows."""

from datetime import timedelta

import httpx
import pytest

from tests.integration.attribution.harness import (
    JSON,
    Attribution,
    activated,
    decided,
    linked,
    merged,
    partner_merged,
    touch,
    withdrawn,
    won,
)
from tests.integration.attribution.test_api import read

ELSEWHERE = {"domain": "elsewhere.example"}


def situation() -> list[JSON]:
    """By position, Ada is first and has 40 % whoever stands in the middle and at the end."""
    return [
        activated(),
        touch("t1", "ada", days=90), touch("t2", "bob", days=50), touch("t3", "cleo", days=30),
        touch("t4", "bob", days=3), touch("t5", "ada", days=200), won(),
        touch("far", "dora", days=20, account=ELSEWHERE), won("D-2", account=ELSEWHERE),
        touch("quiet", "dora", days=25, account={"domain": "quiet.example"}),
    ]  # fmt: skip


OTHERS: dict[str, list[JSON]] = {
    "more in the middle": [touch("x1", "dora", days=40), touch("x2", "dora", days=20)],
    "a withdrawal": [withdrawn("t3", "cleo")],
    "another at the end": [touch("x3", "zoe", days=1)],
    "a merge of others": [partner_merged("bob", "bob-new")],
    "an account that joins": [merged({"domain": "acme.example"}, {"domain": "quiet.example"})],
    "other names of the account": [linked(domains=["acme.example", "acme.de"], aliases=["Acme"])],
    "a late claim, accepted": [
        touch("x4", "gus", days=2, late=60), decided("late_claim", ["portal", "x4", "crm", "D-1"]),
    ],
    "a contradiction": [touch("t2", "mallory", days=50)],
    "a new deal of others": [won("D-9", account=ELSEWHERE)],
}  # fmt: skip


async def told(client: httpx.AsyncClient) -> dict[str, bytes]:
    """All that a partner can read of itself."""
    answers = {}
    for path in (
        "deals/crm/D-1", "deals/crm/D-1?format=text", "deals/crm/D-1?revision=1", "deals/crm/D-1?revision=2",
        "deals/crm/D-1?limit=1", "deals/crm/D-2", "deals/crm/D-9", "touchpoints/portal/t1", "touchpoints/portal/t5",
        "touchpoints/portal/t2", "touchpoints/portal/x1", "partners/ada/credits", "partners/bob/credits", "deals",
        "influence", "accounts/domain:acme.example", "review", "review/decisions", "summary",
    ):  # fmt: skip
        answer = await client.get(path)
        answers[path] = f"{answer.status_code} {answer.headers['content-type']} ".encode() + answer.content
    return answers


@pytest.mark.parametrize("what", OTHERS)
async def test_what_others_do_changes_no_byte(attribution: Attribution, what: str) -> None:
    """As long as this partner's share and amount stay, every answer to its key stays."""
    await attribution.tell(*situation())
    async with attribution.client("*", partner="ada") as client:
        before = await told(client)
        attribution.now += timedelta(days=3)
        await attribution.tell(*OTHERS[what])
        assert (await attribution.amounts())["ada"] == "400.00"
        assert await told(client) == before


async def test_a_partner_counts_its_own_revisions(attribution: Attribution) -> None:
    """What changed for it, with its own numbers and causes; each can be read back; none names or counts others."""
    await attribution.tell(*situation())
    for fact in (*OTHERS["more in the middle"], touch("x5", "dora", days=120), won(version=2, amount="500.00")):
        attribution.now += timedelta(days=1)
        await attribution.tell(fact)
    assert len(await attribution.causes()) == 5
    async with attribution.client("*", partner="ada") as client:
        deal = await read(client, "deals/crm/D-1")
        own = [(one["revision"], one["cause"]) for one in deal["revisions"]]
        assert own[-2:] == [(2, own[-2][1]), (1, "won")]
        assert [number for number, _ in own] == [3, 2, 1]
        assert own[0][1] == "amount 1,000.00 USD -> 500.00 USD"
        assert own[1][1].startswith("your share 2/5 -> ")
        assert deal["credit"]["revision"] == 3
        for number, amount in ((1, "1000.00"), (2, "1000.00"), (3, "500.00")):
            past = await read(client, "deals/crm/D-1", revision=number)
            assert (past["credit"]["revision"], past["credit"]["amount"]["amount"]) == (number, amount)
        assert (await client.get("deals/crm/D-1", params={"revision": 4})).status_code == 404
        said = b"".join(answer for answer in (await told(client)).values() if answer.startswith(b"200")).decode()
        assert not any(name in said for name in ("bob", "cleo", "dora", "t2", "t3", "t4", "x1", "x5"))


async def test_what_counts_as_a_partners_own_is_shown_to_it(attribution: Attribution) -> None:
    """After a merge, with the name it was reported for; to the merged one, its touchpoint and no deal."""
    await attribution.tell(*situation(), partner_merged("bob", "ada"))
    async with attribution.client("*", partner="ada") as client:
        deal = await read(client, "deals/crm/D-1")
        assert [(line["id"], line.get("reported_for")) for line in deal["touchpoints"]] == [
            ("t5", None), ("t1", None), ("t2", "bob"), ("t4", "bob"),
        ]  # fmt: skip
        assert (await client.get("touchpoints/portal/t2")).status_code == 200
        assert (await client.get("touchpoints/portal/t3")).status_code == 404
    async with attribution.client("*", partner="bob") as client:
        assert (await client.get("deals/crm/D-1")).status_code == 404
        mine = await read(client, "touchpoints/portal/t2")
        assert (mine["touchpoint"]["id"], mine["deals"]) == ("t2", [])
        assert (await read(client, "partners/bob/credits"))["items"] == []
