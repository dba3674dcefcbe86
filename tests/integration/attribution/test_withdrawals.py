"""Touchpoints taken back, deals removed from the CRM or merged into others: credit goes, and says why."""

import pytest

from tests.integration.attribution.harness import JSON, NOW, Attribution, activated, decided, touch, withdrawn, won
from tests.integration.attribution.test_api import every, read

LINEAR = {"kind": "linear"}


async def test_a_withdrawn_touchpoint_gives_its_credit_back(attribution: Attribution) -> None:
    """Once, however often it is withdrawn; its page says that, and why."""
    await attribution.tell(activated(model=LINEAR), touch("t1", "ada"), touch("t2", "bob"), won())
    await attribution.tell(withdrawn("t2", "bob"))
    assert await attribution.tell(withdrawn("t2", "bob", "other words"), withdrawn("t2"), touch("t2", "bob")) == 0
    assert await attribution.amounts() == {"ada": "1000.00"}
    assert await attribution.causes() == ["won", "touchpoint withdrawn portal/t2"]
    async with attribution.client() as client:
        page = await read(client, "touchpoints/portal/t2")
        deal = await read(client, "deals/crm/D-1")
    assert (page["status"], page["text"]) == ("withdrawn", "Its sender took it back: entered twice")
    assert [(d["credited"], d["reason"]) for d in page["deals"]] == [(False, "withdrawn")]
    assert [(line["id"], line.get("reason")) for line in deal["touchpoints"]] == [("t1", None), ("t2", "withdrawn")]


@pytest.mark.parametrize("together", [True, False])
async def test_a_withdrawal_may_come_first(attribution: Attribution, together: bool) -> None:
    """In the batch of its touchpoint, or long before it."""
    facts = [withdrawn("t2", "bob"), touch("t2", "bob")]
    await attribution.tell(activated(model=LINEAR), touch("t1", "ada"), won())
    for batch in [facts] if together else [[fact] for fact in facts]:
        await attribution.tell(*batch)
    assert await attribution.amounts() == {"ada": "1000.00"}


@pytest.mark.parametrize("first", [True, False])
async def test_nobody_withdraws_what_another_partner_reported(attribution: Attribution, first: bool) -> None:
    """Keys may share a source: a stranger's withdrawal has no effect, and is not in the way of the right one."""
    facts = [withdrawn("t1", "mallory"), touch("t1", "ada")]
    await attribution.tell(activated(), won())
    for fact in facts if first else reversed(facts):
        await attribution.tell(fact)
    assert await attribution.amounts() == {"ada": "1000.00"}
    await attribution.tell(withdrawn("t1", "ada", "our mistake"))
    assert await attribution.amounts() == {}
    async with attribution.client(partner="ada") as client:
        assert (await read(client, "touchpoints/portal/t1"))["text"] == "Its sender took it back: our mistake"


async def test_a_chosen_content_is_withdrawn_by_whom_it_is_of(attribution: Attribution) -> None:
    """Where a reviewer takes the other content of a touchpoint, the withdrawal of its partner counts, at any time."""
    await attribution.tell(
        activated(model=LINEAR), won(), touch("t1", "ada"), touch("t1", "bob"), touch("t2", "cleo"),
        withdrawn("t1", "ada"),
    )  # fmt: skip
    assert await attribution.amounts() == {"cleo": "1000.00"}
    async with attribution.client("attribution:review") as client:
        [conflict] = await every(client, "review", kind="conflict")
    await attribution.tell(decided("conflict", conflict["item"]))
    assert await attribution.amounts() == {"bob": "500.00", "cleo": "500.00"}
    await attribution.tell(withdrawn("t1", "bob"))
    assert await attribution.amounts() == {"cleo": "1000.00"}


@pytest.mark.parametrize(
    ("gone", "cause", "text"),
    [({"removed": True}, "removed from the CRM", "removed from the CRM"),
     ({"merged_into": "D-2"}, "merged into deal D-2", "merged into D-2")],
)  # fmt: skip
async def test_a_deal_that_is_no_more_earns_nothing(
    attribution: Attribution, gone: JSON, cause: str, text: str
) -> None:
    """Its credit is taken back with the right cause, nothing about it waits for a decision, and it may come back."""
    await attribution.tell(activated(), touch("t1"), touch("late", "bob", late=60), won())
    await attribution.tell(won(version=2, account=None, amount="1.00", **gone))
    snapshot = (await attribution.snapshots())["D-1"]
    assert (snapshot["status"], snapshot["shares"], await attribution.causes()) == ("not_won", [], ["won", cause])
    async with attribution.client("*") as client:
        assert await every(client, "review") == []
        deal = await read(client, "deals/crm/D-1")
        assert deal["current"]
        assert text in deal["text"]
        assert await every(client, "deals") == []
        assert (await read(client, "deals/crm/D-1", revision=1))["credit"]["status"] == "credited"
    await attribution.tell(won(version=3, observed_at=NOW.isoformat()))
    assert await attribution.causes() == ["won", cause, "won again"]
    assert await attribution.amounts() == {"ada": "1000.00"}
