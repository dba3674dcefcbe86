"""Everything that can change a credit afterwards, from HTTP to the ledger, with every revision readable at the end."""

from collections import defaultdict
from decimal import Decimal

import pytest

from tests.support import facts
from tests.support.system import JsonObject, Tributary

RATE = Decimal("0.05")
"""All partners here are silver."""


@pytest.fixture(scope="module")
async def vendor(tributary: Tributary) -> Tributary:
    """A system with a program and partners; every test has accounts and deals of its own."""
    await tributary.activate(facts.document())
    names = ("ada", "bob", "cyd", "ada-gmbh")
    await tributary.accept("partners", [facts.partner(name) for name in names])
    return tributary


async def touched(vendor: Tributary, *touches: JsonObject) -> None:
    await vendor.accept("touchpoints", list(touches))


def touch(name: str, partner: str, days: float, *, late: float | None = None, **account: str) -> JsonObject:
    """A demonstration so many days ago, reported the same day or `late` days ago."""
    when = facts.ago(days)
    reported = when if late is None else facts.ago(late)
    return facts.touchpoint(name, partner, "demo", when, reported=reported, **account)


async def books(vendor: Tributary, deal: str) -> dict[str, Decimal]:
    """What the ledger owes each partner for a deal: the sum over all journals' entries on the partner's accounts."""
    await vendor.settle()
    owed: dict[str, Decimal] = defaultdict(Decimal)
    query = {"deal_source": "administrator", "deal": deal}
    for journal in await vendor.every("rewards", "journals", **query):
        total = Decimal(0)
        for entry in journal["entries"]:
            amount = Decimal(entry["amount"]["amount"])
            total += amount
            if entry["account"].startswith("partner:"):
                owed[journal["partner"]] -= amount
        assert total == 0
    return {partner: amount for partner, amount in owed.items() if amount}


async def history(vendor: Tributary, deal: str) -> list[tuple[str, dict[str, str]]]:
    """Each revision's cause and shares, the oldest first, read back one by one."""
    shown = await vendor.get("attribution", f"deals/administrator/{deal}")
    assert shown["current"]
    found = []
    for listed in reversed(shown["revisions"]):
        past = await vendor.get("attribution", f"deals/administrator/{deal}", revision=str(listed["revision"]))
        assert past["credit"]["cause"] == listed["cause"]
        amounts = {share["partner"]: share["amount"]["amount"] for share in past["credit"]["shares"]}
        found.append((listed["cause"], amounts))
    return found


def earned(**credited: str) -> dict[str, Decimal]:
    """What these credited amounts pay."""
    return {partner.replace("_", "-"): Decimal(amount) * RATE for partner, amount in credited.items()}


async def test_a_late_touchpoint_and_its_withdrawal(vendor: Tributary) -> None:
    """A report after the close, within the grace, moves money; taking it back moves the same money back."""
    await touched(vendor, touch("r1-a", "ada", 30, crm_id="R1"))
    await vendor.accept("deals", [facts.deal("R1", {"crm_id": "R1"}, "1000.00", facts.ago(5))])
    assert await books(vendor, "R1") == earned(ada="1000.00")
    await touched(vendor, touch("r1-b", "bob", 10, late=1, crm_id="R1"))
    assert await books(vendor, "R1") == earned(ada="500.00", bob="500.00")
    await vendor.accept("touchpoints/withdrawals", [{"id": "r1-b", "reason": "The meeting did not take place."}])
    assert await books(vendor, "R1") == earned(ada="1000.00")
    assert await history(vendor, "R1") == [
        ("won", {"ada": "1000.00"}),
        ("late touchpoint administrator/r1-b", {"ada": "500.00", "bob": "500.00"}),
        ("touchpoint withdrawn administrator/r1-b", {"ada": "1000.00"}),
    ]
    page = await vendor.get("attribution", "touchpoints/administrator/r1-b")
    assert (page["status"], "did not take place" in page["text"]) == ("withdrawn", True)


async def test_an_amount_that_goes_up_down_and_is_refunded_in_part(vendor: Tributary) -> None:
    """Each change posts the difference of two full allocations, so the cents are those of the amount that stands."""
    await touched(vendor, *(touch(f"r2-{p}", p, days, crm_id="R2") for p, days in (("ada", 9), ("bob", 8), ("cyd", 7))))
    closed = facts.ago(5)
    amounts = ("100.00", "1000.01", "900.00", "450.00")
    for version, amount in enumerate(amounts, 1):
        await vendor.accept("deals", [facts.deal("R2", {"crm_id": "R2"}, amount, closed, version=version)])
        owed = await books(vendor, "R2")
        assert sum(owed.values()) == pytest.approx(Decimal(amount) * RATE, abs=Decimal("0.02"))
    assert await history(vendor, "R2") == [
        ("won", {"ada": "40.00", "bob": "20.00", "cyd": "40.00"}),
        ("amount 100.00 USD -> 1,000.01 USD", {"ada": "400.01", "bob": "200.00", "cyd": "400.00"}),
        ("amount 1,000.01 USD -> 900.00 USD", {"ada": "360.00", "bob": "180.00", "cyd": "360.00"}),
        ("amount 900.00 USD -> 450.00 USD", {"ada": "180.00", "bob": "90.00", "cyd": "180.00"}),
    ]
    assert await books(vendor, "R2") == earned(ada="180.00", bob="90.00", cyd="180.00")


async def test_a_deal_that_is_reopened_won_again_and_removed(vendor: Tributary) -> None:
    """No longer won, everything is taken back; won again, it is there again; removed from the CRM, it is gone."""
    await touched(vendor, touch("r3-a", "ada", 30, crm_id="R3"))
    closed, account = facts.ago(5), {"crm_id": "R3"}
    await vendor.accept("deals", [facts.deal("R3", account, "800.00", closed)])
    assert await books(vendor, "R3") == earned(ada="800.00")
    await vendor.accept("deals", [facts.deal("R3", account, "800.00", closed, stage="open", version=2)])
    assert await books(vendor, "R3") == {}
    await vendor.accept("deals", [facts.deal("R3", account, "800.00", closed, version=3)])
    assert await books(vendor, "R3") == earned(ada="800.00")
    await vendor.accept("deals", [facts.deal("R3", account, "800.00", closed, version=4) | {"removed": True}])
    assert await books(vendor, "R3") == {}
    assert [cause for cause, _ in await history(vendor, "R3")] == [
        "won", "reopened", "won again", "removed from the CRM",
    ]  # fmt: skip


async def test_accounts_that_are_merged_and_unmerged(vendor: Tributary) -> None:
    """Two companies said to be one share their touchpoints; when that is taken back, each has its own again."""
    await touched(vendor, touch("r4-a", "ada", 30, domain="r4-one.example"))
    await touched(vendor, touch("r4-b", "bob", 20, domain="r4-two.example"))
    await vendor.accept("deals", [facts.deal("R4", {"domain": "r4-one.example"}, "600.00", facts.ago(5))])
    assert await books(vendor, "R4") == earned(ada="600.00")
    merge = {
        "id": "M-4", "version": 1, "evidence": "Register of companies, entry 17",
        "accounts": [{"domain": "r4-one.example"}, {"domain": "r4-two.example"}],
    }  # fmt: skip
    await vendor.accept("accounts/merges", [merge])
    assert await books(vendor, "R4") == earned(ada="300.00", bob="300.00")
    await vendor.accept("accounts/merges", [merge | {"version": 2, "undone": True}])
    assert await books(vendor, "R4") == earned(ada="600.00")
    causes = [cause for cause, _ in await history(vendor, "R4")]
    assert causes == [
        "won",
        "account merged: domain:r4-two.example; touchpoint administrator/r4-b",
        "account unmerged: domain:r4-two.example; no longer counted administrator/r4-b",
    ]
    shown = await vendor.get("attribution", "accounts/domain:r4-one.example")
    assert (shown["company"], shown["others"]) == (["domain:r4-one.example"], [["domain:r4-two.example"]])
    assert [said["undone"] for said in shown["statements"]] == [True, False]


async def test_partners_that_are_merged(vendor: Tributary) -> None:
    """From the merge's day on an entity's work counts as its partner's; earlier deals stay as they are."""
    await touched(vendor, touch("r5-a", "ada-gmbh", 60, crm_id="R5"))
    before = facts.deal("R5-before", {"crm_id": "R5"}, "100.00", facts.ago(40))
    after = facts.deal("R5-after", {"crm_id": "R5"}, "200.00", facts.ago(4))
    await vendor.accept("deals", [before, after])
    assert await books(vendor, "R5-after") == earned(ada_gmbh="200.00")
    merge = {
        "id": "P-5", "partner": "ada-gmbh", "into": "ada", "evidence": "Contract of May 4",
        "effective_from": facts.ago(20).date().isoformat(),
    }  # fmt: skip
    await vendor.accept("partners/merges", [merge])
    assert await books(vendor, "R5-after") == earned(ada="200.00")
    assert await books(vendor, "R5-before") == earned(ada_gmbh="100.00")
    assert await history(vendor, "R5-after") == [
        ("won", {"ada-gmbh": "200.00"}),
        ("partner ada-gmbh counts as ada", {"ada": "200.00"}),
    ]
    assert [cause for cause, _ in await history(vendor, "R5-before")] == ["won"]


async def test_decisions_of_a_reviewer(vendor: Tributary) -> None:
    """A claim that came after the grace counts once a person says so, and no longer when it is decided otherwise."""
    await touched(vendor, touch("r6-a", "ada", 60, crm_id="R6"))
    await touched(vendor, touch("r6-b", "bob", 45, late=2, crm_id="R6"))
    await vendor.accept("deals", [facts.deal("R6", {"crm_id": "R6"}, "400.00", facts.ago(30))])
    assert await books(vendor, "R6") == earned(ada="400.00")
    waiting = [item for item in await vendor.every("attribution", "review", kind="late_claim") if item["id"] == "r6-b"]
    assert len(waiting) == 1
    for verdict, why in (("accept", "The mail shows that it was reported in time."), ("reject", "The mail is forged.")):
        await decide(vendor, waiting[0], verdict, why)
        expected = earned(ada="200.00", bob="200.00") if verdict == "accept" else earned(ada="400.00")
        assert await books(vendor, "R6") == expected
    assert [cause for cause, _ in await history(vendor, "R6")] == [
        "won", "late claim accepted administrator/r6-b", "no longer counted administrator/r6-b",
    ]  # fmt: skip
    decided = [one for one in await vendor.every("attribution", "review/decisions") if one["item"][1] == "r6-b"]
    assert [(one["verdict"], one["by"]) for one in decided] == [("reject", "manager"), ("accept", "manager")]


async def decide(vendor: Tributary, item: JsonObject, verdict: str, why: str) -> None:
    answer = await vendor.http.post(
        f"{vendor.system.attribution_url}/attribution/v1/review/decisions",
        headers={"Authorization": f"Bearer {vendor.system.admin_key}"},
        json={"kind": item["kind"], "item": item["item"], "verdict": verdict, "why": why, "by": "manager"},
    )
    assert answer.status_code == 201, answer.text


async def test_a_new_version_of_the_program(vendor: Tributary) -> None:
    """Deals closed from its first day on are split anew; a new version changes nothing that closed before."""
    await touched(vendor, touch("r7-a", "ada", 90, crm_id="R7"), touch("r7-b", "bob", 20, crm_id="R7"))
    await vendor.accept("deals", [facts.deal("R7-before", {"crm_id": "R7"}, "100.00", facts.ago(15))])
    await vendor.accept("deals", [facts.deal("R7-after", {"crm_id": "R7"}, "100.00", facts.ago(8))])
    assert await books(vendor, "R7-after") == earned(ada="50.00", bob="50.00")
    policy = facts.document()["attribution"]
    attribution = policy | {"model": {"kind": "j"}, "our_own_team": "20%"}
    since = facts.ago(10).date().isoformat()
    await vendor.activate(facts.document(version=2, effective_from=since, attribution=attribution))
    assert await books(vendor, "R7-after") == earned(ada="20.00", bob="60.00")
    assert await books(vendor, "R7-before") == earned(ada="50.00", bob="50.00")
    assert await history(vendor, "R7-after") == [
        ("won", {"ada": "50.00", "bob": "50.00"}),
        ("program northwind-partners version 2", {"ada": "20.00", "bob": "60.00"}),
    ]
    shown = await vendor.get("attribution", "deals/administrator/R7-after")
    assert [part["reason"] for part in shown["credit"]["unattributed_parts"]] == ["our_own_team"]


async def test_the_books_verify_after_all_of_it(vendor: Tributary) -> None:
    """Whatever changed, nothing was edited: every check of the ledger holds."""
    await vendor.settle()
    assert (await vendor.get("rewards", "verification"))["ok"]
