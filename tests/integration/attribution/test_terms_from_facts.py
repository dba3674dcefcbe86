"""A deal's margin, first-year value, region and product, and its account's first deal, from facts to credit."""

from datetime import timedelta
from typing import Any

import pytest

from tests.integration.attribution.harness import (
    CLOSE,
    JSON,
    Attribution,
    activated,
    merged,
    message,
    touch,
    withdrawn,
    won,
)
from tests.integration.attribution.test_api import read
from tests.integration.attribution.test_own_view import told

YEAR = timedelta(days=365)
B = {"crm_id": "B-1"}


def usd(amount: str) -> JSON:
    return {"amount": amount, "currency": "USD"}


def asking(version: int = 1, **more: Any) -> JSON:  # noqa: ANN401  a program's words
    """A program version with a plan that asks when an account's first deal was."""
    program = activated(version, model={"kind": "linear"}, **more)
    program["document"]["compensation"]["plans"]["influence"]["recurring"] = "24 months"
    return program


async def test_terms_are_published_and_a_change_is_a_revision(attribution: Attribution) -> None:
    """Told with the credit, changed by the next version of the deal, each change by its name."""
    rich: JSON = {"region": "EMEA", "product": "sensors", "margin": usd("400.00"), "first_year_value": usd("500.00")}
    await attribution.tell(activated(), touch("t1"), won(**rich))
    await attribution.tell(won(version=2, **rich | {"margin": usd("350.00")}))
    assert await attribution.tell(won(version=3, **rich | {"margin": usd("350.0")})) == 0
    await attribution.tell(won(version=4, **rich | {"margin": None, "region": "APAC"}))
    assert await attribution.causes() == [
        "won", "margin 400.00 USD -> 350.00 USD", "region EMEA -> APAC; margin 350.00 USD -> none",
    ]  # fmt: skip
    first, second, third = await attribution.events()
    assert first.margin is not None
    assert first.first_year_value is not None
    assert (first.region, first.product, first.margin.minor, first.first_year_value.minor) == (
        "EMEA", "sensors", 40_000, 50_000,
    )  # fmt: skip
    assert second.margin is not None
    assert (second.margin.minor, third.margin, third.region) == (35_000, None, "APAC")
    async with attribution.client() as client:
        deal = await read(client, "deals/crm/D-1")
        assert deal["current"]
        assert (deal["credit"]["margin"], deal["credit"]["first_year_value"]) == (None, usd("500.00"))
        assert deal["credit"]["shares"][0]["activities"] == [{"activity": "demo", "share": "1"}]
        past = await read(client, "deals/crm/D-1", revision=1)
        assert past["credit"]["margin"] == usd("400.00")


async def test_an_older_version_of_a_deal_changes_no_term(attribution: Attribution) -> None:
    """The highest version is the deal's state, whatever comes last."""
    await attribution.tell(activated(), touch("t1"), won(version=2, margin=usd("350.00")))
    assert await attribution.tell(won(version=1, margin=usd("400.00"))) == 0
    assert (await attribution.snapshots())["D-1"]["margin"] == usd("350.00")


@pytest.mark.parametrize("field", ["margin", "first_year_value"])
async def test_a_base_in_another_currency_is_refused_by_name(attribution: Attribution, field: str) -> None:
    """The deal goes to the dead letters, and the others of its batch are stored."""
    bad = won() | {field: {"amount": "1.00", "currency": "EUR"}}
    refused = await attribution.store(activated(), message(bad), touch("t1", account=B), won("D-2", account=B))
    assert [one.reason for one in refused] == [f"{field}: must be in USD, the currency of the amount"]
    await attribution.settle()
    assert set(await attribution.snapshots()) == {"D-2"}


async def test_the_same_version_with_another_margin_is_a_conflict(attribution: Attribution) -> None:
    """Kept and shown, not applied; a repeat in another spelling is none."""
    await attribution.tell(activated(), touch("t1"), won(margin=usd("400.00")))
    await attribution.tell(won(margin=usd("400.0")))
    assert await attribution.count("conflict") == 0
    await attribution.tell(won(margin=usd("300.00")))
    assert await attribution.count("conflict") == 1
    assert (await attribution.snapshots())["D-1"]["margin"] == usd("400.00")


def account() -> list[JSON]:
    """A first deal before any program, a renewal, an expansion, and a lone renewal of another customer."""
    return [
        won("D-0", closed_at=(CLOSE - YEAR).isoformat()), won("D-1", kind="renewal"),
        won("D-2", kind="expansion", closed_at=(CLOSE + YEAR / 2).isoformat()), touch("t1"),
        won("D-9", kind="renewal", account=B),
    ]  # fmt: skip


async def first_days(attribution: Attribution) -> dict[str, str | None]:
    return {name: snapshot["first_closed_on"] for name, snapshot in (await attribution.snapshots()).items()}


@pytest.mark.parametrize("last", range(6))
async def test_the_first_deal_is_known_in_whatever_order_it_comes(attribution: Attribution, last: int) -> None:
    """Any of the facts may come after all others were settled; the program that asks for it, too."""
    facts = [*account(), asking()]
    await attribution.tell(*facts[:last], *facts[last + 1 :])
    await attribution.tell(facts[last])
    assert await first_days(attribution) == {"D-0": None, "D-1": "2025-03-31", "D-2": "2025-03-31", "D-9": None}
    async with attribution.client() as client:
        for name in ("D-0", "D-1", "D-2", "D-9"):
            assert (await read(client, f"deals/crm/{name}"))["current"], name


async def test_a_version_that_asks_later_lets_earlier_deals_tell_it(attribution: Attribution) -> None:
    """Deals it does not govern may be paid by its plans afterwards; a second such version changes nothing for them."""
    await attribution.tell(activated(model={"kind": "linear"}), *account())
    assert set((await first_days(attribution)).values()) == {None}
    await attribution.tell(asking(2, effective_from="2030-01-01"))
    assert await first_days(attribution) == {"D-0": None, "D-1": "2025-03-31", "D-2": "2025-03-31", "D-9": None}
    assert await attribution.causes("D-1") == ["won", "first deal's close none -> 2025-03-31"]
    await attribution.store(asking(3, effective_from="2031-01-01"))
    assert await attribution.dirty() == []


async def test_another_first_deal_moves_the_day(attribution: Attribution) -> None:
    """When it is taken back, the next one is the first; when another account joins, that one's may be."""
    await attribution.tell(asking(), *account(), won("D-3", closed_at=(CLOSE - YEAR / 2).isoformat()))
    await attribution.tell(won("D-0", 2, closed_at=(CLOSE - YEAR).isoformat(), removed=True))
    assert (await first_days(attribution))["D-1"] == "2025-09-30"
    await attribution.tell(
        merged({"domain": "acme.example"}, B), won("D-8", account=B, closed_at="2024-02-01T00:00:00Z")
    )
    days = await first_days(attribution)
    assert (days["D-1"], days["D-9"], days["D-8"]) == ("2024-02-01", "2024-02-01", None)
    assert (await attribution.causes("D-1"))[
        -1
    ] == "first deal's close 2025-09-30 -> 2024-02-01; account merged: crm:crm:B-1"


async def test_a_first_deal_is_of_the_company_of_the_day(attribution: Attribution) -> None:
    """Where a merge counts from a day on, deals closed before it have their own first deal."""
    joined = merged({"domain": "acme.example"}, B, effective_from=(CLOSE + timedelta(days=30)).date().isoformat())
    older = won("D-8", account=B, closed_at="2024-02-01T00:00:00Z")
    await attribution.tell(asking(), *account(), joined, older)
    assert await first_days(attribution) == {
        "D-0": None, "D-1": "2025-03-31", "D-2": "2024-02-01", "D-8": None, "D-9": "2024-02-01",
    }  # fmt: skip


PAYS: dict[str, JSON] = {
    "margin": {"margin": usd("400.00")},
    "another margin and first-year value": {"margin": usd("1.00"), "first_year_value": usd("2.00")},
}


@pytest.mark.parametrize("what", PAYS)
async def test_what_the_vendor_earns_changes_no_byte_for_a_partner(attribution: Attribution, what: str) -> None:
    """Margins and first deals are the vendor's: a partner sees neither them nor that they changed."""
    start: JSON = {"margin": usd("300.00"), "region": "EMEA"}
    await attribution.tell(activated(), touch("t1", "ada", days=90), touch("t2", "bob", days=3), won(**start))
    async with attribution.client("*", partner="ada") as client:
        before = await told(client)
        attribution.now += timedelta(days=3)
        assert await attribution.tell(won(version=2, **start | PAYS[what])) == 1
        assert await attribution.tell(asking(2, effective_from="2030-01-01")) == 1
        assert await told(client) == before
        said = b"".join(before.values()).decode()
        assert not any(word in said for word in ("margin", "first_year", "first_closed", "300.00", "activities"))


async def test_how_a_share_falls_apart_changes_no_byte_for_its_partner(attribution: Attribution) -> None:
    """Between its own activities it depends on what others did: while the share stays, nothing of that shows."""
    mine = [touch("t1", "ada", days=90, activity="course"), touch("t4", "ada", days=30)]
    program = activated()
    program["document"]["activities"]["course"]["weight"] = 2  # as a demonstration
    await attribution.tell(program, *mine, touch("t2", "bob", days=95), won())

    async def activities() -> dict[str, str]:
        share = next(one for one in (await attribution.snapshots())["D-1"]["shares"] if one["partner"] == "ada")
        assert share["share"] == "3/5"
        return {part["activity"]: part["share"] for part in share["activities"]}

    assert await activities() == {"course": "1/5", "demo": "2/5"}
    async with attribution.client("*", partner="ada") as client:
        before = await told(client)
        attribution.now += timedelta(days=3)
        assert await attribution.tell(withdrawn("t2"), touch("t3", "bob", days=1)) == 1
        assert await activities() == {"course": "2/5", "demo": "1/5"}
        assert await told(client) == before
