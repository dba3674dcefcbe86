"""The attribution API: credit with its reasons, what became of a touchpoint, the review list, and who may see what."""

import httpx
import pytest

from services.attribution import loading
from tests.integration.attribution.harness import CLOSE, JSON, Attribution, activated, touch, won


async def read(client: httpx.AsyncClient, path: str, **params: str | int) -> JSON:
    """The JSON of a successful answer."""
    answer = await client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    found: JSON = answer.json()
    return found


async def every(client: httpx.AsyncClient, path: str, key: str = "items", **params: str | int) -> list[JSON]:
    """All items of a list, page by page."""
    items: list[JSON] = []
    cursor = None
    while True:
        page = await read(client, path, **params, **({"cursor": cursor} if cursor else {}))
        items += page[key]
        cursor = page["next"]
        if cursor is None:
            return items


async def told(attribution: Attribution) -> None:
    """A won deal with two credited touchpoints and one of each kind without credit."""
    await attribution.tell(
        activated(),
        touch("t1", "ada", days=30),
        touch("t2", "bob", days=3),
        touch("late", "bob", days=3, late=15),
        touch("early", "ada", days=181),
        touch("after", "cleo", days=-1),
        touch("zero", "cleo", days=2, activity="delivery"),
        touch("strange", "cleo", days=2, activity="juggling"),
        touch("both", "dan", days=2, account={"domain": "acme.example", "crm_id": "B-1"}),
        won(),
        won("D/2 ü", account={"crm_id": "B-1"}, stage="open"),
    )


async def test_a_deal_is_explained_line_by_line(attribution: Attribution) -> None:
    """Every touchpoint of the account has one line: its share and how it came about, or why it has none."""
    await told(attribution)
    async with attribution.client() as client:
        deal = await read(client, "deals/crm/D-1")
    assert deal["current"]
    assert deal["credit"]["status"] == "credited"
    assert deal["text"] == (
        "Acme first order (crm/D-1) was won on 2026-03-31 with 1,000.00 USD. By program influence version 1 "
        "(position: first 40%, middle 20%, last 40%), ada has 1/2 = 500.00 USD, bob has 1/2 = 500.00 USD."
    )
    assert [(line["id"], line.get("reason") or line["amount"]["amount"]) for line in deal["touchpoints"]] == [
        ("early", "outside_lookback"),
        ("t1", "500.00"),
        ("late", "too_late"),
        ("t2", "500.00"),
        ("both", "ambiguous_account"),
        ("strange", "unknown_activity"),
        ("zero", "zero_weight"),
        ("after", "after_close"),
    ]
    assert deal["touchpoints"][1]["text"] == (
        "demo by ada on 2026-03-01: first; 1/2 by the model x 2 (activity) = 1/2 of the deal, 500.00 USD."
    )
    assert deal["revisions"][0]["cause"] == "won"


async def test_long_explanations_are_paged(attribution: Attribution) -> None:
    """Pages of any size give each line once; a cursor from elsewhere is refused."""
    await told(attribution)
    async with attribution.client() as client:
        whole = (await read(client, "deals/crm/D-1"))["touchpoints"]
        for limit in (1, 3, 8):
            assert await every(client, "deals/crm/D-1", "touchpoints", limit=limit) == whole
        elsewhere = (await read(client, "deals/crm/D-1", limit=1))["next"]
        await attribution.tell(won("D-9", account={"crm_id": "Z"}))
        answer = await client.get("deals/crm/D-9", params={"cursor": elsewhere})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "cursor")


async def test_credit_that_is_being_decided_anew_says_so(attribution: Attribution) -> None:
    """Between a new fact and its reconciliation the published credit is shown, marked as not current."""
    await told(attribution)
    await attribution.store(won(version=2, amount="1.00"))
    async with attribution.client() as client:
        deal = await read(client, "deals/crm/D-1")
        assert (deal["current"], deal["credit"]["amount"]["amount"]) == (False, "1000.00")
        await attribution.settle()
        deal = await read(client, "deals/crm/D-1")
        assert (deal["current"], deal["credit"]["amount"]["amount"]) == (True, "1.00")


async def test_an_account_too_large_to_explain_shows_its_published_credit(
    attribution: Attribution, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the limit the answer says that it is not complete, and still shows shares and amounts."""
    await told(attribution)
    monkeypatch.setattr(loading, "EXPLAINED_TOUCHPOINTS", 5)
    async with attribution.client() as client:
        deal = await read(client, "deals/crm/D-1")
        assert (deal["explained"], deal["touchpoints"], len(deal["credit"]["shares"])) == (False, [], 2)
        found = await read(client, "touchpoints/portal/t1")
        assert found["deals"][0]["reason"] == "too_many_touchpoints"


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("t1", "credited", None),
        ("late", "not_credited", "too_late"),
        ("after", "not_credited", "after_close"),
        ("both", "ambiguous_account", None),
        ("waiting", "no_won_deal", None),
        ("alone", "unmatched", None),
    ],
)
async def test_what_became_of_a_touchpoint(
    attribution: Attribution, name: str, status: str, reason: str | None
) -> None:
    """Credited with how much, or why not: by deal, or because there is none to be credited on."""
    await told(attribution)
    await attribution.tell(touch("waiting", account={"crm_id": "Z-9"}), touch("alone", account={"name": "Acme"}))
    async with attribution.client() as client:
        found = await read(client, f"touchpoints/portal/{name}")
    assert (found["status"], found["touchpoint"]["id"]) == (status, name)
    assert [deal.get("reason") for deal in found["deals"]] == ([reason] if status.endswith("credited") else [])
    assert found["text"]


async def test_a_conflict_is_shown_on_its_touchpoint(attribution: Attribution) -> None:
    """The body that was not applied stands beside the one that was."""
    await attribution.tell(touch("t1", "ada", details={"room": "1"}), touch("t1", "ada", details={"room": "2"}))
    async with attribution.client() as client:
        found = await read(client, "touchpoints/portal/t1")
    assert found["touchpoint"]["details"] == {"room": "1"}
    assert [conflict["body"]["details"] for conflict in found["conflicts"]] == [{"room": "2"}]


async def test_the_review_list_holds_what_needs_a_person(attribution: Attribution) -> None:
    """Each kind is listed with its reason, alone or with the others, in pages of any size."""
    await told(attribution)
    await attribution.tell(
        touch("alone", account={"name": "Acme"}), touch("mail", account={"domain": "gmail.com"}),
        touch("t1", "bob"), won(amount="7.00"), activated(model={"kind": "last"}),
        won("D-7", account=None), won("D-8", account={"domain": "gmail.com"}, stage="open"),
    )  # fmt: skip
    async with attribution.client("attribution:review") as client:
        whole = await every(client, "review")
        assert [(item["kind"], item["id"]) for item in whole] == [
            ("ambiguous_account", "both"),
            ("conflict", "D-1"), ("conflict", "influence"), ("conflict", "t1"),
            ("late_claim", "late"),
            ("unmatched_deal", "D-7"), ("unmatched_deal", "D-8"),
            ("unmatched_touchpoint", "alone"), ("unmatched_touchpoint", "mail"),
        ]  # fmt: skip
        assert all(item["text"] for item in whole)
        for limit in (1, 3, 8):
            assert await every(client, "review", limit=limit) == whole
        assert [item["id"] for item in await every(client, "review", kind="unmatched_deal", limit=1)] == ["D-7", "D-8"]
        assert (await client.get("review", params={"kind": "gossip"})).status_code == 422
    await attribution.tell(won("D-3", account={"domain": "acme.example", "crm_id": "B-1"}, stage="open"))
    async with attribution.client("attribution:review") as client:
        assert await every(client, "review", kind="ambiguous_account") == []


async def test_totals_and_lists_add_up(attribution: Attribution) -> None:
    """Credited plus unattributed is what was won, per currency; lists page through every deal."""
    await told(attribution)
    await attribution.tell(
        won("D-3", account=None, amount="0.55"), won("D-4", amount="-100.00"),
        won("D-5", account={"crm_id": "N"}) | {"amount": {"amount": "70", "currency": "JPY"}},
    )  # fmt: skip
    async with attribution.client() as client:
        summary = await read(client, "summary")
        parts = ("amount", "credited", "unattributed")
        assert [(t["currency"], *(t[part]["amount"] for part in parts)) for t in summary["totals"]] == [
            ("JPY", "70", "0", "70"),
            ("USD", "900.55", "900.00", "0.55"),
        ]
        assert (summary["counts"]["touchpoints"], summary["counts"]["marks_waiting"]) == (8, 0)
        assert [deal["id"] for deal in await every(client, "deals", limit=1)] == ["D-1", "D-3", "D-4", "D-5"]
        unattributed = await every(client, "deals", status="unattributed")
        assert [deal["id"] for deal in unattributed] == ["D-3", "D-5"]
        credits_ = await every(client, "partners/ada/credits", limit=1)
        assert [(c["id"], c["amount"]["amount"]) for c in credits_] == [("D-1", "500.00"), ("D-4", "-50.00")]


async def test_a_partner_sees_its_own_and_one_remainder(attribution: Attribution) -> None:
    """Another partner's name, touchpoints and share appear nowhere in what a partner's key can read."""
    await told(attribution)
    async with attribution.client("attribution:read", "attribution:review", partner="ada") as client:
        deal = await read(client, "deals/crm/D-1")
        credit = deal["credit"]
        assert (credit["status"], credit["share"], credit["credited"]["amount"]) == ("credited", "1/2", "500.00")
        assert credit["remainder"] == {"share": "1/2", "amount": {"amount": "500.00", "currency": "USD"}}
        assert [line["id"] for line in deal["touchpoints"]] == ["early", "t1"]
        mine = await read(client, "touchpoints/portal/t1")
        credits_ = await read(client, "partners/ada/credits")
        assert not any(name in f"{deal}{mine}{credits_}" for name in ("bob", "cleo", "dan"))
        for path, status in (
            ("touchpoints/portal/t2", 404), ("partners/bob/credits", 404), ("deals/crm/D%2F2%20%C3%BC", 404),
            ("deals", 403), ("summary", 403), ("review", 403),
        ):  # fmt: skip
            assert (await client.get(path)).status_code == status, path


async def test_ids_with_any_character_are_found(attribution: Attribution) -> None:
    """Slashes, spaces and letters of any script in an id are no obstacle."""
    name = "a/b c/ü?&#%"
    await attribution.tell(activated(), touch(name), won(name))
    async with attribution.client() as client:
        for path in ("deals/crm", "touchpoints/portal"):
            url = client.base_url.join(f"{path}/").copy_with(
                raw_path=f"/attribution/v1/{path}/a%2Fb%20c%2F%C3%BC%3F%26%23%25".encode()
            )
            answer = await client.get(url)
            assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    "path",
    ["deals/crm/none", "touchpoints/portal/none", "deals/crm/%00", "deals/crm/" + "x" * 300, "deals?cursor=!!",
     "deals?limit=0",
     "partners/%00/credits", "review?cursor=WyJjb25mbGljdCIsICJhIl0", "deals?cursor=WyJcdTAwMDAiLCAiYSJd",
     "deals?status=x",
     "review?cursor=WyJjb25mbGljdCIsImEiLCJiIiwiYyIsIjk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OSIsIjAwIl0"],
)  # fmt: skip
async def test_bad_requests_are_problems_never_failures(attribution: Attribution, path: str) -> None:
    """Unknown things are 404, malformed ones 422, always as problem+json."""
    async with attribution.client("*") as client:
        answer = await client.get(path)
    assert answer.status_code in {404, 422}, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_without_the_scope_there_is_nothing_to_see(attribution: Attribution) -> None:
    """No key: 401. A key without the scope: 403, also for the review list with the reading scope alone."""
    async with attribution.client("rewards:read") as client:
        for path in ("deals", "deals/crm/D-1", "touchpoints/portal/t1", "partners/ada/credits", "summary", "review"):
            assert (await client.get(path)).status_code == 403, path
            assert (await client.get(path, headers={"Authorization": ""})).status_code == 401, path
    async with attribution.client("attribution:read") as client:
        assert (await client.get("review")).status_code == 403


async def test_the_deals_of_a_touchpoint_are_bounded(attribution: Attribution, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the latest won deals are explained on a touchpoint's page."""
    monkeypatch.setattr(loading, "EXPLAINED_DEALS", 2)
    closes = [(CLOSE.replace(day=day)).isoformat() for day in (10, 20, 30)]
    await attribution.tell(
        activated(), touch("t1", days=60), *(won(f"D-{n}", closed_at=c) for n, c in enumerate(closes))
    )
    async with attribution.client() as client:
        found = await read(client, "touchpoints/portal/t1")
    assert [deal["deal"]["id"] for deal in found["deals"]] == ["D-2", "D-1"]
