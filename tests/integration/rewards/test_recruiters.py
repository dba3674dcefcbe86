"""Plans that pay those who recruited a partner, beside it: whichever fact comes first, and when it changes."""

from datetime import date
from typing import Any

from shared.events.directory import PartnerUpserted
from tests.integration.rewards.harness import Books
from tests.unit.rewards.builders import decided, messages, partner, planned

GOLD = "expense:commission USD"
RATES = {"silver": "5%", "gold": "8%"}
PLANS: dict[str, Any] = {
    "influence": {"rate": RATES},
    "override": {
        "pays": "recruiters", "on": "recruits_earnings", "of_plan": "influence", "rate": dict.fromkeys(RATES, "10%"),
    },
}  # fmt: skip
SOLD = decided("D-1", 1, {"acme": 100_000})


def recruited(by: str | None, version: int = 1, since: date = date(2026, 1, 1)) -> PartnerUpserted:
    return partner("acme", version=version, since=since).model_copy(update={"recruiter": by})


async def test_a_recruiter_is_paid_beside_its_recruit_whichever_fact_comes_first(books: Books) -> None:
    """The deal before the recruiter is in the directory: its arrival marks the deals of those it recruited."""
    await books.tell(planned(plans=PLANS), recruited("boss"), SOLD)
    assert await books.balances() == {GOLD: 8_000, "partner:acme:pending USD": -8_000}
    await books.tell(partner("boss", "silver"))
    assert await books.balances() == {
        GOLD: 8_800, "partner:acme:pending USD": -8_000, "partner:boss:pending USD": -800
    }  # fmt: skip
    assert (await books.verify()).ok


async def test_another_recruiter_takes_over_from_its_day_on(books: Books) -> None:
    """The deal closed before that day stays with the first; corrected back in time, it moves whole."""
    await books.tell(planned(plans=PLANS), recruited("boss"), partner("boss"), partner("chief"), SOLD)
    await books.tell(recruited("chief", version=2, since=date(2026, 3, 3)))
    assert (await books.balances())["partner:boss:pending USD"] == -800
    await books.tell(recruited("chief", version=3))
    balances = await books.balances()
    assert (balances["partner:chief:pending USD"], "partner:boss:pending USD" in balances) == (-800, False)
    await books.tell(recruited(None, version=4))
    assert await books.balances() == {GOLD: 8_000, "partner:acme:pending USD": -8_000}
    assert (await books.verify()).ok


async def test_a_fact_of_a_recruiter_marks_the_deals_of_its_recruits_since_then(books: Books) -> None:
    """Its own tier counts for the override; nobody else's deals are looked at."""
    await books.tell(
        planned(plans=PLANS), recruited("boss"), partner("boss"), partner("beta"), SOLD,
        decided("D-2", 1, {"beta": 1_000}), decided("D-3", 1, {"acme": 1_000}, governed_on=date(2026, 2, 1)),
    )  # fmt: skip
    await books.store(*messages(partner("boss", "silver", version=2, since=date(2026, 3, 1))))
    rows = await books.database.pool.fetch("SELECT key FROM rewards.dirty")
    assert [row["key"] for row in rows] == ['["crm","D-1"]']


async def test_a_recruiter_reads_a_deal_of_its_recruits_even_when_it_earns_nothing(books: Books) -> None:
    """It has no share of its own; why nothing is earned is told, and of others nothing."""
    lost = PLANS | {"override": PLANS["override"] | {"when": {"tiers": ["silver"]}}}
    await books.tell(
        planned(plans=lost), recruited("boss"), partner("boss"), partner("beta"),
        decided("D-1", 1, {"acme": 60_000, "beta": 40_000}),
    )  # fmt: skip
    async with books.client("rewards:read", partner="boss") as client:
        answer = await client.get("/deals/crm/D-1")
        assert answer.status_code == 200
        (earning,) = answer.json()["earnings"]
        assert (earning["plan"], earning["nothing_earned"]) == (
            "override", "the partner's tier is 'gold'; the plan pays for 'silver'"
        )  # fmt: skip
        assert answer.json()["reason"] == "you have no share of this deal; what you earn is for those you recruited"
        assert "beta" not in answer.text
    async with books.client("rewards:read", partner="beta") as client:
        assert "boss" not in (await client.get("/deals/crm/D-1")).text
