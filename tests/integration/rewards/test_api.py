"""The rewards API over real books: what each call says, who may ask, and what a wrong request is told."""

import asyncio
import csv
import io
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from shared.events.credit import Status
from shared.money import to_minor
from tests.integration.rewards.conftest import NewBooks
from tests.integration.rewards.harness import Books
from tests.unit.rewards.builders import LATER, activated, decided, partner, usd

PAY = {"partner": "acme", "amount": usd(5_000), "paid_on": "2026-04-30", "reference": "wire 17"}


async def fill(books: Books) -> Books:
    """acme has earned 80.00 and 16.00, beta 40.00, all payable; a deal of beta's is still pending."""
    await books.tell(
        activated(), partner("acme"), partner("beta"),
        decided("D-1", 1, {"acme": 100_000, "beta": 50_000}), decided("D/2", 1, {"acme": 20_000}),
    )  # fmt: skip
    await books.mature(LATER)
    await books.tell(decided("D-3", 1, {"beta": 10_000}, governed_on=LATER.date()))
    return books


@pytest.fixture
async def booked(books: Books) -> Books:
    """Books for a test that writes."""
    return await fill(books)


@pytest.fixture(scope="module")
async def shown(new_books: NewBooks) -> AsyncIterator[Books]:
    """The same for tests that only read."""
    async with new_books() as books:
        yield await fill(books)


def owed(pending: int, payable: int, paid: int) -> list[dict[str, Any]]:
    return [{"currency": "USD", "pending": usd(pending), "payable": usd(payable), "paid": usd(paid)}]


async def pay(client: httpx.AsyncClient, key: str | None = "k-1", **changes: object) -> httpx.Response:
    headers = {"Content-Type": "application/json"} | ({} if key is None else {"Idempotency-Key": key})
    return await client.post("/payments", content=json.dumps(PAY | changes), headers=headers)


async def test_balance_shows_pending_payable_and_paid(booked: Books) -> None:
    """Per currency, positive in the partner's favour."""
    async with booked.client() as client:
        assert (await client.get("/partners/acme/balance")).json() == {
            "partner": "acme", "name": "Acme Ltd", "balances": owed(0, 9_600, 0)
        }  # fmt: skip
        assert (await client.get("/partners/beta/balance")).json()["balances"] == owed(800, 4_000, 0)
        assert (await pay(client)).status_code == 201
        assert (await client.get("/partners/acme/balance")).json()["balances"] == owed(0, 4_600, 5_000)


async def test_a_payment_is_booked_once_however_often_it_is_sent(booked: Books) -> None:
    """A repeat answers the same journal; another body under the key is refused; a missing key is asked for."""
    async with booked.client() as client:
        first = await pay(client)
        assert first.status_code == 201
        assert first.json()["reason"] == {"cause": "payment", "reference": "wire 17", "paid": "50.00"}
        assert [(e["account"], e["amount"]) for e in first.json()["entries"]] == [
            ("partner:acme:payable", usd(5_000)), ("cash:clearing:acme", usd(-5_000))
        ]  # fmt: skip
        repeat = await pay(client)
        assert (repeat.status_code, repeat.json()) == (201, first.json())
        for change in (
            {"amount": usd(4_999)},
            {"reference": "wire 18"},
            {"paid_on": "2026-04-29"},
            {"partner": "beta"},
        ):
            reused = await pay(client, **change)
            assert (reused.status_code, reused.json()["title"]) == (422, "Idempotency-Key reused")
        assert (await pay(client, key=None)).status_code == 400
        assert (await pay(client, key=" ")).status_code == 400
    assert (await booked.balances())["cash:clearing:acme USD"] == -5_000
    assert (await booked.verify()).ok


async def test_no_more_than_payable_is_paid_even_by_many_at_once(booked: Books) -> None:
    """Ten requests race for money that is enough for four; the others are told what is left."""
    async with booked.client() as client:
        answers = await asyncio.gather(*(pay(client, key=f"k-{n}", amount=usd(2_400)) for n in range(10)))
        assert Counter(answer.status_code for answer in answers) == {201: 4, 409: 6}
        late = await pay(client, key="late", amount=usd(1))
    assert late.headers["content-type"] == "application/problem+json"
    assert late.json()["detail"] == "0.00 USD is payable to acme; 0.01 was asked for."
    assert (await booked.balances())["cash:clearing:acme USD"] == -9_600


async def test_ten_equal_payments_at_once_are_one(booked: Books) -> None:
    """The same request ten times in parallel: one journal, ten equal answers."""
    async with booked.client() as client:
        answers = await asyncio.gather(*(pay(client, amount=usd(9_600)) for _ in range(10)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": usd(0)}, "amount.amount"), ({"amount": usd(-1)}, "amount.amount"),
        ({"amount": {"amount": "1.001", "currency": "USD"}}, "amount"),
        ({"amount": {"amount": 1.5, "currency": "USD"}}, "amount.amount"),
        ({"amount": {"amount": "1", "currency": "XXX"}}, "amount"), ({"paid_on": "2026-05-03"}, "paid_on"),
        ({"paid_on": "yesterday"}, "paid_on"), ({"reference": ""}, "reference"), ({"partner": "a\x00b"}, "partner"),
        ({"partner": "\ud800"}, "partner"), ({"memo": "x"}, "memo"),
    ],
)  # fmt: skip
async def test_a_wrong_payment_names_its_field(shown: Books, change: dict[str, Any], field: str) -> None:
    """Nothing is shown, and the answer says which field is at fault."""
    async with shown.client() as client:
        answer = await pay(client, **change)
    assert answer.status_code == 422
    assert field in [error["field"] for error in answer.json()["errors"]]


async def test_a_return_after_payment_is_a_linked_negative_entry_on_the_statement(booked: Books) -> None:
    """Story 20: the refund takes back what was paid; the payable goes negative and later earnings offset it."""
    async with booked.client() as client:
        assert (await pay(client, amount=usd(9_600))).status_code == 201
        await booked.tell(decided("D-1", 2, {"acme": 25_000, "beta": 50_000}, cause="a refund of 750.00"))
        assert (await client.get("/partners/acme/balance")).json()["balances"] == owed(0, -6_000, 9_600)
        statement = (await client.get("/partners/acme/statement")).json()
        line = statement["items"][-1]
        accrual = (await client.get(f"/journals/{line['adjusts']}")).json()
        assert (line["kind"], line["deal"], line["changes"]) == (
            "adjustment", {"source": "crm", "id": "D-1"}, {"payable": usd(-6_000)}
        )  # fmt: skip
        assert line["reason"]["cause"] == "a refund of 750.00"
        assert (accrual["kind"], accrual["deal"]["id"], accrual["partner"]) == ("maturity", "D-1", "acme")
        assert statement["closing"] == owed(0, -6_000, 9_600)
        assert (await pay(client, key="k-2", amount=usd(1))).status_code == 409
        await booked.tell(decided("D-4", 1, {"acme": 100_000}))
        assert (await client.get("/partners/acme/balance")).json()["balances"] == owed(0, 2_000, 9_600)
    assert (await booked.verify()).ok


async def test_statement_opens_lists_and_closes_by_day_of_booking(shown: Books) -> None:
    """Opening plus the lines is closing, over all pages; a day after the last booking nothing moves."""
    today = str(await shown.database.pool.fetchval("SELECT (now() AT TIME ZONE 'UTC')::date"))
    async with shown.client() as client:
        query = f"/partners/acme/statement?from={today}&to={today}&limit=3"
        page = (await client.get(query)).json()
        assert page["opening"] == []
        lines = page["items"]
        while page["next"]:
            page = (await client.get(f"{query}&cursor={page['next']}")).json()
            lines += page["items"]
        sums: Counter[str] = Counter()
        for line in lines:
            for role, change in line["changes"].items():
                sums[role] += to_minor(change["amount"], "USD")
        assert owed(sums["pending"], sums["payable"], sums["paid"]) == page["closing"] == owed(0, 9_600, 0)
        later = (await client.get("/partners/acme/statement?from=2100-01-01")).json()
        assert (later["opening"], later["items"], later["closing"]) == (owed(0, 9_600, 0), [], owed(0, 9_600, 0))


async def test_deal_tells_the_way_from_touchpoint_to_account(shown: Books) -> None:
    """Touchpoints, share, credited amount, tier, rate, amount, state, account and journals."""
    async with shown.client() as client:
        deal = (await client.get("/deals/crm/D%2F2")).json()
    (earning,) = deal["earnings"]
    assert deal["explained_at"] == "/attribution/v1/deals/crm/D%2F2"
    assert earning["touchpoints"][0]["id"] == "T-1"
    del earning["touchpoints"], earning["touchpoint_count"], earning["partner"], earning["nothing_earned"]
    del earning["influence"]
    assert earning.pop("posted") == {"pending": usd(0), "payable": usd(1_600)}
    assert earning == {
        "share": "20000/20000", "credited": usd(20_000), "plan": "influence", "tier": "gold", "rate": "8%",
        "earned": usd(1_600), "state": "payable", "due_on": "2026-04-01", "account": "partner:acme:payable",
        "plan_version": 1, "base": usd(20_000), "cuts": [], "conversion": None, "rerate": None, "waits_for": None,
        "components": [{"base": usd(20_000), "rate": "8%", "amount": usd(1_600), "rule": 0}], "settled_in": None,
    }  # fmt: skip
    assert [(j["kind"], j["adjusts"]) for j in deal["journals"]] == [
        ("accrual", None), ("maturity", deal["journals"][0]["id"])
    ]  # fmt: skip


async def test_a_deal_that_earned_nothing_says_why(booked: Books) -> None:
    """Unknown partner, unknown program version, nobody credited."""
    await booked.tell(
        decided("D-5", 1, {"nobody": 1_000}), decided("D-6", 1, {"acme": 1_000}, version=7),
        decided("D-7", 1, {}, status=Status.UNATTRIBUTED, reason="no touchpoint in time"),
    )  # fmt: skip
    async with booked.client() as client:
        unknown = (await client.get("/deals/crm/D-5")).json()
        assert unknown["earnings"][0]["nothing_earned"].startswith("the partner is not in the directory")
        assert (await client.get("/deals/crm/D-6")).json()[
            "waits_for"
        ] == "program 'northwind' version 7 is not known yet"
        nobody = (await client.get("/deals/crm/D-7")).json()
        assert (nobody["status"], nobody["reason"]) == ("unattributed", "no touchpoint in time")
        assert (await client.get("/deals/crm/none")).status_code == 404


async def test_journals_are_filtered_and_paged(shown: Books) -> None:
    """By deal, by partner, by day; pages make up the whole, each journal once, balanced."""
    async with shown.client() as client:
        everything = (await client.get("/journals?limit=500")).json()["items"]
        paged, cursor = [], ""
        while cursor is not None:
            answer = (await client.get(f"/journals?limit=2{cursor and '&cursor=' + cursor}")).json()
            paged += answer["items"]
            cursor = answer["next"]
        assert paged == everything
        for journal in everything:
            assert sum(to_minor(e["amount"]["amount"], "USD") for e in journal["entries"]) == 0
        acme = (await client.get("/journals?partner=acme")).json()["items"]
        assert [j["id"] for j in acme] == [j["id"] for j in everything if j["partner"] == "acme"]
        deal = (await client.get("/journals?deal_source=crm&deal=D-1")).json()["items"]
        assert [j["id"] for j in deal] == [j["id"] for j in everything if j["deal"]["id"] == "D-1"]
        assert (await client.get("/journals?from=2100-01-01")).json() == {"items": [], "next": None}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/partners/nobody/balance", 404), ("/partners/nobody/statement", 404), ("/journals?partner=nobody", 404),
        ("/journals/999999", 404), ("/journals/0", 422), ("/journals/x", 422), ("/journals/99999999999999999999", 422),
        ("/journals?from=2026-02-30", 422), ("/journals?from=0001-01-01", 422), ("/journals?to=9999-12-31", 422),
        ("/journals?from=2026-02-02&to=2026-02-01", 422), ("/journals?deal=D-1", 422),
        ("/journals?deal_source=crm", 422),
        ("/journals?cursor=bm9wZQ", 422), ("/journals?cursor=WyJ4Il0", 422), ("/journals?limit=0", 422),
        ("/journals?partner=a%00b", 422), ("/partners/a%00b/balance", 422), ("/deals/crm/a%00b", 422),
        ("/partners/%ff/balance", 404), ("/export?format=pdf", 422), ("/nothing", 404),
    ],
)  # fmt: skip
async def test_a_wrong_request_is_a_problem_and_never_a_500(shown: Books, path: str, status: int) -> None:
    """Unknown things are 404, malformed ones 422, both as problem+json."""
    async with shown.client() as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


async def test_a_partners_key_sees_that_partner_alone(shown: Books) -> None:
    """Own balance, statement, journals, earnings; others do not exist, the vendor's accounts and books are closed."""
    async with shown.client("rewards:read", partner="acme") as client:
        assert (await client.get("/partners/acme/balance")).status_code == 200
        journals = (await client.get("/journals")).json()["items"]
        assert {journal["partner"] for journal in journals} == {"acme"}
        assert {e["account"] for j in journals for e in j["entries"]} == {
            "partner:acme:pending",
            "partner:acme:payable",
        }
        deal = (await client.get("/deals/crm/D-1")).json()
        assert "beta" not in str(deal)
        assert not {"amount", "revision", "cause", "unattributed_parts"} & deal.keys()
        assert not {"touchpoints", "touchpoint_count"} & deal["earnings"][0].keys()
        assert deal["explained_at"] == "/attribution/v1/deals/crm/D-1"
        assert "source_event" not in journals[0]
        for path in ("/partners/beta/balance", "/partners/beta/statement", "/journals?partner=beta", "/deals/crm/D-3"):
            assert (await client.get(path)).status_code == 404
        async with shown.client() as unbound:
            theirs = (await unbound.get("/journals?partner=beta")).json()["items"][0]["id"]
        assert (await client.get(f"/journals/{theirs}")).status_code == 404
        for path in ("/export", "/verification", "/summary", "/conflicts"):
            assert (await client.get(path)).status_code == 403
        assert (await pay(client)).status_code == 403


async def test_without_a_key_or_its_scope_nothing_is_shown(shown: Books) -> None:
    """401 without a valid key, 403 without the scope."""
    async with shown.client("deals:write") as client:
        for path in ("/partners/acme/balance", "/journals", "/deals/crm/D-1", "/export", "/verification", "/summary"):
            assert (await client.get(path)).status_code == 403
            assert (await client.get(path, headers={"Authorization": ""})).status_code == 401


async def test_csv_export_sums_to_the_balances(booked: Books) -> None:
    """One line per leg; per account the amounts sum to its balance, and the last running balance is that balance."""
    await booked.tell(
        partner("=cmd"), decided("D-8", 1, {"=cmd": 40_000}), decided("D-9", 1, {"acme": 500}, currency="JPY")
    )
    async with booked.client() as client:
        await pay(client)
        answer = await client.get("/export?format=csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    sums: Counter[str] = Counter()
    last: dict[str, int] = {}
    for row in rows:
        account = f"{row['account']} {row['currency']}"
        sums[account] += to_minor(row["amount"], row["currency"])
        last[account] = to_minor(row["balance_after"], row["currency"])
        assert row["amount"] == (row["debit"] or f"-{row['credit']}")
    balances = await booked.balances()
    assert {account: amount for account, amount in sums.items() if amount} == balances
    assert {account: amount for account, amount in last.items() if amount} == balances
    assert "'=cmd" in {row["partner"] for row in rows}


async def test_plain_text_exports_carry_every_journal_and_assert_every_balance(booked: Books) -> None:
    """beancount and hledger get one transaction per journal and one exact assertion per account."""
    await booked.tell(partner("b-ü"), decided("D-8", 1, {"b-ü": 40_000}))
    journals = await booked.database.pool.fetchval("SELECT count(*) FROM rewards.journal")
    async with booked.client() as client:
        beancount = (await client.get("/export?format=beancount")).text.splitlines()
        hledger = (await client.get("/export?format=hledger")).text.splitlines()
    assert sum(" * " in line for line in beancount) == journals
    assert sum("; journal: " in line for line in hledger) == journals
    assert "2026-05-02 balance Liabilities:Partners:P-b---xC3-xBC:Payable -32.00 ~ 0 USD" in beancount
    assert "    Liabilities:Partners:P-b---xC3-xBC:Payable  0 USD = -32.00 USD" in hledger
    accounts = await booked.database.pool.fetchval("SELECT count(*) FROM rewards.account")
    assert sum(" balance " in line for line in beancount) == sum(" = " in line for line in hledger) == accounts


async def test_summary_sums_to_zero_and_verification_holds(booked: Books) -> None:
    """Totals per kind of account cancel out; the proof lists every check."""
    async with booked.client() as client:
        await pay(client)
        summary = (await client.get("/summary")).json()
        proof = (await client.get("/verification")).json()
    assert sum(to_minor(kind["total"]["amount"], "USD") for kind in summary["kinds"]) == 0
    assert {entry["partner"]: entry["balances"] for entry in summary["partners"]} == {
        "acme": owed(0, 4_600, 5_000), "beta": owed(800, 4_000, 0)
    }  # fmt: skip
    assert proof["ok"]
    assert len(proof["checks"]) == 25


async def test_only_one_verification_and_one_export_run_at_a_time(shown: Books) -> None:
    """While one runs, a second one is told to come back; afterwards it is served."""
    async with shown.client() as client:
        transport = client._transport  # noqa: SLF001  the application behind the client
        assert isinstance(transport, httpx.ASGITransport)
        state = transport.app.state.rewards  # type: ignore[attr-defined]  # a FastAPI application
        for path, lock in (("/verification", state.verifying), ("/export", state.exporting)):
            async with lock:
                busy = await client.get(path)
            assert (busy.status_code, busy.headers["retry-after"]) == (503, "2")
            assert (await client.get(path)).status_code == 200
