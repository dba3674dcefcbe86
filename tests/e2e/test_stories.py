"""The product's acceptance stories, told over HTTP through real Kafka and PostgreSQL."""

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.support import facts
from tests.support.system import JsonObject, Tributary

HOLD_DAYS = 30


@pytest.fixture(scope="module")
async def tributary(common: Tributary) -> Tributary:
    names = ("it-consultant", "distributor", "reseller", "partner-a", "partner-b", "trainer")
    await common.accept("partners", [facts.partner(name) for name in names])
    return common


async def earnings(tributary: Tributary, deal: str) -> dict[str, JsonObject]:
    """What each partner earned from a deal."""
    await tributary.settle()
    shown = await tributary.get("rewards", f"deals/administrator/{deal}")
    return {item["partner"]: item for item in shown["earnings"]}


async def balance(tributary: Tributary, partner: str) -> dict[str, str]:
    await tributary.settle()
    shown = await tributary.get("rewards", f"partners/{partner}/balance")
    [usd] = shown["balances"]
    return {state: usd[state]["amount"] for state in ("pending", "payable", "paid")}


async def test_story_1_a_consultant_recommends_and_the_client_buys_direct(tributary: Tributary) -> None:
    """The consultant gets influence credit, though it closed nothing."""
    await tributary.accept(
        "touchpoints",
        [facts.touchpoint("s1", "it-consultant", "recommendation", facts.ago(20), domain="client.example")],
    )
    won = facts.deal("S1", {"crm_id": "A1", "domain": "www.client.example"}, "10000.00", facts.ago(1))
    await tributary.accept("deals", [won])
    earned = await earnings(tributary, "S1")
    assert earned["it-consultant"]["credited"]["amount"] == "10000.00"
    assert earned["it-consultant"]["earned"]["amount"] == "500.00"
    assert [t["id"] for t in earned["it-consultant"]["touchpoints"]] == ["s1"]
    assert (await balance(tributary, "it-consultant"))["pending"] == "500.00"


async def test_story_2_a_distributor_teaches_and_direct_sales_closes_later(tributary: Tributary) -> None:
    """The education touch earns credit."""
    taught = facts.touchpoint("s2", "distributor", "education", facts.ago(90), crm_id="A2")
    await tributary.accept("touchpoints", [taught])
    await tributary.accept("deals", [facts.deal("S2", {"crm_id": "A2"}, "4000.00", facts.ago(2))])
    earned = await earnings(tributary, "S2")
    assert earned["distributor"]["credited"]["amount"] == "4000.00"
    assert earned["distributor"]["earned"]["amount"] == "200.00"


async def test_story_3_a_reseller_demonstrates_and_the_customer_upgrades_direct(tributary: Tributary) -> None:
    """The demo earns credit on the upgrade, and nothing on the purchase before it."""
    await tributary.accept("deals", [facts.deal("S3-first", {"crm_id": "A3"}, "1000.00", facts.ago(60))])
    shown = facts.touchpoint("s3", "reseller", "demo", facts.ago(30), crm_id="A3")
    await tributary.accept("touchpoints", [shown])
    upgrade = facts.deal("S3-upgrade", {"crm_id": "A3"}, "2500.00", facts.ago(3), kind="expansion")
    await tributary.accept("deals", [upgrade])
    assert (await earnings(tributary, "S3-upgrade"))["reseller"]["earned"]["amount"] == "125.00"
    assert await earnings(tributary, "S3-first") == {}


async def test_story_4_one_partner_shapes_requirements_another_closes(tributary: Tributary) -> None:
    """Both get a share, and the shares add up exactly."""
    touches = [
        facts.touchpoint("s4-a", "partner-a", "requirements", facts.ago(40), crm_id="A4"),
        facts.touchpoint("s4-b", "partner-b", "closing", facts.ago(5), crm_id="A4"),
    ]
    await tributary.accept("touchpoints", touches)
    await tributary.accept("deals", [facts.deal("S4", {"crm_id": "A4"}, "100.00", facts.ago(4))])
    earned = await earnings(tributary, "S4")
    assert {name: item["share"] for name, item in earned.items()} == {"partner-a": "2/3", "partner-b": "1/3"}
    assert {name: item["credited"]["amount"] for name, item in earned.items()} == {
        "partner-a": "66.67", "partner-b": "33.33"
    }  # fmt: skip


async def test_story_20_a_return_after_payment(tributary: Tributary) -> None:
    """A refund becomes a linked negative entry, shown on the statement and carried forward."""
    closed = facts.ago(HOLD_DAYS + 10)
    touch = facts.touchpoint("s20", "trainer", "education", closed - timedelta(days=9), crm_id="A20", reported=closed)
    await tributary.accept("touchpoints", [touch])
    await tributary.accept("deals", [facts.deal("S20", {"crm_id": "A20"}, "8000.00", closed)])
    assert await balance(tributary, "trainer") == {"pending": "0.00", "payable": "400.00", "paid": "0.00"}
    answer = await tributary.http.post(
        f"{tributary.system.rewards_url}/rewards/v1/payments",
        headers={"Authorization": f"Bearer {tributary.system.admin_key}", "Idempotency-Key": "bank-1"},
        json={"partner": "trainer", "amount": {"amount": "400.00", "currency": "USD"}, "reference": "bank 1",
              "paid_on": facts.ago(1).date().isoformat()},
    )  # fmt: skip
    assert answer.status_code == 201, answer.text
    assert await balance(tributary, "trainer") == {"pending": "0.00", "payable": "0.00", "paid": "400.00"}
    refund = facts.deal("S20", {"crm_id": "A20"}, "6000.00", closed, version=2)
    await tributary.accept("deals", [refund])
    assert await balance(tributary, "trainer") == {"pending": "0.00", "payable": "-100.00", "paid": "400.00"}
    statement = await tributary.get("rewards", "partners/trainer/statement")
    accrual, payment, adjustment = statement["items"]
    assert (accrual["kind"], payment["kind"]) == ("accrual", "payment")
    assert adjustment["kind"] == "adjustment"
    assert adjustment["adjusts"] == accrual["journal"]
    assert adjustment["changes"]["payable"]["amount"] == "-100.00"
    assert "8,000.00" in adjustment["reason"]["cause"]
    assert "6,000.00" in adjustment["reason"]["cause"]


async def test_the_books_balance_and_verify_after_all_stories(tributary: Tributary) -> None:
    """Whatever the stories did, each currency sums to zero and every check holds."""
    await tributary.settle()
    verification = await tributary.get("rewards", "verification")
    assert verification["ok"], verification
    summary = await tributary.get("rewards", "summary")
    assert sum(Decimal(kind["total"]["amount"]) for kind in summary["kinds"]) == 0
