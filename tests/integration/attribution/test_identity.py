"""Statements about accounts on a real database: what they link, for which deals, and how they are taken back."""

import pytest

from tests.integration.attribution.harness import (
    CLOSE,
    JSON,
    Attribution,
    activated,
    linked,
    merged,
    separated,
    touch,
    won,
)

LINEAR = {"kind": "linear"}
A: JSON = {"domain": "acme.example"}
B: JSON = {"crm_id": "B-1"}
LATER = CLOSE.replace(month=5).isoformat()


async def two_companies(attribution: Attribution) -> None:
    """Ada's touchpoint on A's deal D-1, Bob's on B's deal D-2."""
    await attribution.tell(
        activated(model=LINEAR), touch("t1", "ada", account=A), touch("t2", "bob", account=B),
        won("D-1", account=A), won("D-2", account=B),
    )  # fmt: skip


APART = {"D-1": {"ada": "1000.00"}, "D-2": {"bob": "1000.00"}}
BOTH = {"ada": "500.00", "bob": "500.00"}


@pytest.mark.parametrize("first", [True, False])
async def test_all_names_of_a_company_reach_its_deals(attribution: Attribution, first: bool) -> None:
    """Domains, ids of several CRMs, DUNS, VAT and aliases are one company, stated before the facts or after them."""
    statement = linked(
        name="Acme", aliases=["Acme Widgets"], domains=["acme.example", "acme.de"], duns="123456789", vat="DE1",
        crm_ids=[{"crm": "sap", "id": "7"}, {"id": "A-1"}],
    )  # fmt: skip
    named: list[JSON] = [
        {"domain": "acme.de"}, {"crm": "sap", "crm_id": "7"}, {"crm_id": "A-1"}, {"duns": "123456789"}, {"vat": "DE1"},
        {"name": "ACME widgets, Inc."},
    ]  # fmt: skip
    facts = [
        *(touch(f"t{n}", f"partner-{n}", account=account) for n, account in enumerate(named)),
        *(won(f"D-{n}", account=account, amount="6.00") for n, account in enumerate(named)),
        touch("x1", "stranger", account={"crm": "sap", "crm_id": "A-1"}),
        touch("x2", "stranger", account={"name": "Acme"}),  # a name, but no alias
    ]
    for batch in ([statement], facts) if first else (facts, [statement]):
        await attribution.tell(activated(model=LINEAR), *batch)
    each = {f"partner-{n}": "1.00" for n in range(6)}
    assert await attribution.credited() == {f"D-{n}": each for n in range(6)}


async def test_a_merge_is_undone_by_its_next_version(attribution: Attribution) -> None:
    """Merged accounts share their touchpoints; undone, credit goes back, and each revision stays readable."""
    await two_companies(attribution)
    assert await attribution.tell(merged(A, B)) == 2
    assert await attribution.credited() == {"D-1": BOTH, "D-2": BOTH}
    assert await attribution.tell(merged(A, B, version=2, undone=True)) == 2
    assert await attribution.credited() == APART
    assert await attribution.tell(merged(A, B)) == 0
    assert await attribution.causes() == [
        "won",
        "account merged: crm:crm:B-1; touchpoint portal/t2",
        "account unmerged: crm:crm:B-1; no longer counted portal/t2",
    ]
    async with attribution.client() as client:
        for revision, partners in ((1, ["ada"]), (2, ["ada", "bob"]), (3, ["ada"])):
            answer = await client.get("deals/crm/D-1", params={"revision": revision})
            past = answer.json()["credit"]
            assert (past["revision"], [share["partner"] for share in past["shares"]]) == (revision, partners)
        assert (await client.get("deals/crm/D-1", params={"revision": 4})).status_code == 404
        assert (await client.get("deals/crm/D-1")).json()["current"]
        account = (await client.get("accounts/domain:acme.example")).json()
        assert (await client.get("accounts/domain:nobody.example")).status_code == 404
    assert (account["company"], account["others"], account["deals"]) == (["domain:acme.example"], [["crm:crm:B-1"]], 2)
    assert [(one["version"], one["undone"]) for one in account["statements"]] == [(1, False), (2, True)]


async def test_a_dated_merge_concerns_deals_that_close_from_then_on(attribution: Attribution) -> None:
    """Deals before the day keep their credit; the account's page tells both."""
    await two_companies(attribution)
    await attribution.tell(won("D-3", account=A, closed_at=LATER))
    assert await attribution.tell(merged(A, B, effective_from="2026-04-15")) == 1
    assert await attribution.credited() == {**APART, "D-3": BOTH}
    assert await attribution.tell(merged(A, B, effective_from="2026-03-31", version=2)) == 2
    assert await attribution.credited() == {"D-1": BOTH, "D-2": BOTH, "D-3": BOTH}
    async with attribution.client() as client:
        for day, others in (("2026-03-30", [["crm:crm:B-1"]]), ("2026-03-31", [])):
            account = (await client.get("accounts/domain:acme.example", params={"on": day})).json()
            assert account["others"] == others


async def test_a_separation_beats_every_link(attribution: Attribution) -> None:
    """What a deal snapshot linked comes apart; undone, it is together again."""
    await two_companies(attribution)
    await attribution.tell(won("D-3", account=A | B, stage="open"))
    assert await attribution.credited() == {"D-1": BOTH, "D-2": BOTH}
    await attribution.tell(separated(B))
    assert await attribution.credited() == APART
    await attribution.tell(separated(B, version=2, undone=True))
    assert await attribution.credited() == {"D-1": BOTH, "D-2": BOTH}


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("newest", [merged({"crm_id": "X"}, {"crm_id": "Y"}, version=2),
                                    linked("M-1", 2, undone=True)])  # fmt: skip
async def test_only_the_newest_version_of_a_statement_holds(
    attribution: Attribution, newest: JSON, newest_first: bool
) -> None:
    """A version that names other accounts, or none at all, takes back what the one before linked."""
    before = linked("M-1", domains=["acme.example"], crm_ids=[{"id": "B-1"}]) if "aliases" in newest else merged(A, B)
    await two_companies(attribution)
    for fact in (newest, before) if newest_first else (before, newest):
        await attribution.tell(fact)
    assert await attribution.credited() == APART


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 1, 0), (1, 0, 2)])
async def test_a_deal_known_by_name_alone_belongs_to_the_name_it_has_now(
    attribution: Attribution, order: tuple[int, ...]
) -> None:
    """Renamed, it leaves the account whose alias it had, whenever the alias was stated."""
    facts = [
        linked(domains=["acme.example"], aliases=["Acme"]),
        won(account={"name": "Acme"}),
        won(version=2, account={"name": "Apex"}),
    ]
    await attribution.tell(activated(), touch("t1", account=A))
    for place in order:
        await attribution.tell(facts[place])
    assert await attribution.credited() == {"D-1": {}}


async def test_a_snapshot_that_joins_again_what_was_undone_is_noticed(attribution: Attribution) -> None:
    """An open deal naming both keys of two accounts that are one unit already marks their won deals."""
    await two_companies(attribution)
    await attribution.tell(merged(A, B), merged(A, B, version=2, undone=True))
    assert await attribution.credited() == APART
    await attribution.tell(won("D-3", account=A | B, stage="open"))
    assert await attribution.credited() == {"D-1": BOTH, "D-2": BOTH}


async def test_a_link_made_by_a_snapshot_outlasts_the_deals_move(attribution: Attribution) -> None:
    """Two keys named together stay one company when that deal goes elsewhere, and another key is separated."""
    await attribution.tell(
        activated(model=LINEAR), touch("t1", "ada", account=A), touch("t2", "bob", account=B),
        won("D-1", account=A), won("D-3", account=A | B, stage="open"),
        won("D-3", 2, account={"crm_id": "C-1"}, stage="open"),
    )  # fmt: skip
    assert await attribution.credited() == {"D-1": BOTH}
    await attribution.tell(linked(domains=["acme.example", "other.example"]), separated({"domain": "other.example"}))
    assert await attribution.credited() == {"D-1": BOTH}


async def test_the_account_a_deal_leaves_is_decided_anew(attribution: Attribution) -> None:
    """A first deal that turns out to be another account's leaves its partners nothing of the renewals."""
    renewals = {"originating_partner_keeps": ["50%"], "per": "year"}
    sourced = {"roles": ["influencer"], "before": "close"}
    await attribution.tell(
        activated(model=LINEAR, renewals=renewals, sourced_when=sourced), touch("t1", "ada", account=A),
        won("D-1", account=A), won("D-2", account=A, kind="renewal", closed_at="2027-03-31T12:00:00Z"),
    )  # fmt: skip
    assert (await attribution.credited())["D-2"] == {"ada": "500.00"}
    await attribution.tell(won("D-1", 2, account={"crm_id": "C-1"}))
    assert await attribution.credited() == {"D-1": {}, "D-2": {}}
