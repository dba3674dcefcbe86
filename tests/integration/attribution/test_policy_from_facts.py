"""Parts of the policy that need more than one deal's facts, through the database: renewals, pool, classes, reports."""

from tests.integration.attribution.harness import CLOSE, Attribution, activated, touch, won
from tests.integration.attribution.test_api import read

LINEAR = {"kind": "linear"}
B = {"crm_id": "B-1"}


async def test_the_first_deal_leaves_a_part_of_later_ones(attribution: Attribution) -> None:
    """To those that sourced it, less each year; whatever comes first, and gone when the first deal is."""
    renewals = {"originating_partner_keeps": ["50%", "25%"], "per": "year"}
    program = activated(model=LINEAR, renewals=renewals, sourced_when={"roles": ["influencer"], "before": "close"})
    later = [CLOSE.replace(year=year) for year in (2027, 2028, 2029)]
    renewed = [won(f"D-{close.year}", kind="renewal", closed_at=close.isoformat()) for close in later]
    touches = [
        touch(f"t{close.year}", "bob", occurred_at=close.replace(month=3, day=1).isoformat(),
              received_at=close.replace(month=3, day=2).isoformat())
        for close in later
    ]  # fmt: skip
    await attribution.tell(program, *renewed, *touches, touch("t1", "ada"))
    assert await attribution.amounts("D-2027") == {"bob": "1000.00"}
    await attribution.tell(won("D-1"))
    assert await attribution.credited() == {
        "D-1": {"ada": "1000.00"},
        "D-2027": {"ada": "500.00", "bob": "500.00"},
        "D-2028": {"ada": "250.00", "bob": "750.00"},
        "D-2029": {"bob": "1000.00"},
    }
    async with attribution.client() as client:
        deal = await read(client, "deals/crm/D-2027")
        assert deal["current"]
        assert deal["division"]["first_deal"] == {"source": "crm", "id": "D-1"}
        said = (await client.get("deals/crm/D-2027", params={"format": "text"})).text
    assert "kept from the first deal" in said
    await attribution.tell(won("D-1", 2, removed=True))
    assert await attribution.amounts("D-2027") == {"bob": "1000.00"}


async def test_what_is_not_divided_is_told_part_by_part(attribution: Attribution) -> None:
    """The pool, our own team's part and the minimum share; all parts make up the amount."""
    await attribution.tell(
        activated(model=LINEAR, pool="80%", our_own_team="25%", minimum_share="30%"),
        *(touch(f"t{n}", "ada", days=10 + n) for n in range(3)), touch("t9", "bob", activity="course"), won(),
    )  # fmt: skip
    snapshot = (await attribution.snapshots())["D-1"]
    assert await attribution.amounts() == {"ada": "600.00"}
    parts = {part["reason"]: part["amount"]["amount"] for part in snapshot["unattributed_parts"]}
    assert parts == {"our_own_team": "200.00", "outside_pool": "200.00"}
    async with attribution.client() as client:
        deal = await read(client, "deals/crm/D-1")
        assert deal["current"]
        reasons = {line["id"]: line.get("reason") for line in deal["touchpoints"]}
        assert reasons["t9"] == "below_minimum"
        text = await client.get("deals/crm/D-1", params={"format": "text"})
    assert text.headers["content-type"].startswith("text/plain")
    assert all(word in text.text for word in ("600.00 USD", "our own team", "t9", "Not credited:"))


async def test_the_report_counts_each_deal_once_per_class(attribution: Attribution) -> None:
    """Classes are disjoint and add up to the deals with partners; participation overlaps between partners."""
    roles = {
        "find": {"means": "Found them.", "weight": 1, "role": "sourcer"},
        "demo": {"means": "Showed it.", "weight": 1, "role": "influencer"},
        "setup": {"means": "Set it up.", "weight": 0, "role": "implementer"},
    }
    program = activated(model=LINEAR)
    program["document"]["activities"] = roles
    await attribution.tell(
        program,
        touch("t1", "ada", activity="find"), touch("t2", "bob", activity="demo"), won("D-1"),
        touch("t3", "bob", activity="demo", account=B), won("D-2", account=B, amount="500.00"),
        touch("t4", "cleo", activity="setup", days=-5, account={"crm_id": "C"}),
        won("D-3", account={"crm_id": "C"}, amount="70.00"), won("D-4", account={"crm_id": "D"}),
        won("D-5", account=B, closed_at=CLOSE.replace(month=4, day=20).isoformat(), amount="1.00"),
        won("D-6", account=B, stage="open"),
    )  # fmt: skip
    async with attribution.client() as client:
        report = await read(client, "influence", to="2026-03-31")
        assert [(c["influence"], c["deals"], c["amount"]["amount"]) for c in report["classes"]] == [
            ("delivered", 1, "70.00"), ("influenced", 1, "500.00"), ("sourced", 1, "1000.00"),
        ]  # fmt: skip
        shown = [
            (p["partner"], p["influence"], p["deals"], p["participated"]["amount"], p["credited"]["amount"])
            for p in report["partners"]
        ]
        assert shown == [
            ("ada", "sourced", 1, "1000.00", "500.00"), ("bob", "influenced", 2, "1500.00", "1000.00"),
            ("cleo", "delivered", 1, "70.00", "0.00"),
        ]  # fmt: skip
        later = await read(client, "influence", **{"from": "2026-04-01"})
        assert [(c["influence"], c["deals"]) for c in later["classes"]] == [("influenced", 1)]
        whole = await read(client, "influence")
        assert sum(c["deals"] for c in whole["classes"]) == 4
        assert (await read(client, "influence", **{"from": "2030-01-01"})) == {"classes": [], "partners": []}
