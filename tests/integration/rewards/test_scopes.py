"""What plans settle beyond single deals, on real Postgres: brackets, caps and budgets, whatever arrives when."""

import asyncio
import csv
import io
import random
from datetime import UTC, date, datetime
from typing import Any

import asyncpg
import pytest

from services.rewards.handler import Facts
from services.rewards.reconcile import Rewards
from shared.events.base import Contract
from shared.events.credit import CreditDecided
from shared.events.receipt import Movement
from shared.http import encode_cursor
from shared.reconcile import Context
from tests.integration.rewards.harness import Books
from tests.unit.rewards.builders import NOW, decided, messages, partner, planned, received, usd

BOTH_LESS = """
WITH l AS (UPDATE rewards.earning_line SET base_minor = base_minor - 50000)
UPDATE rewards.scope_total SET base_minor = base_minor - 50000
"""
GOLD = "expense:commission USD"
PENDING = "partner:acme:pending USD"
PAYABLE = "partner:acme:payable USD"
RATES = {"silver": "5%", "gold": "10%"}
STEPS = [{"from": 0, "to": 1000, "times": "100%"}, {"from": 1000, "times": "200%"}]
QUARTER: dict[str, Any] = {"rate": RATES, "brackets": {"apply": "marginal", "per": "quarter", "steps": STEPS}}
WHOLE_YEAR: dict[str, Any] = {"rate": RATES, "brackets": {"apply": "whole", "per": "year", "steps": STEPS}}
CAPPED: dict[str, Any] = {"rate": RATES, "caps": [{"amount": 150, "per": "year"}]}
BUDGET: dict[str, Any] = {"rate": RATES, "budget": 100}
SUMS = "SELECT partner, span, program_version, deals, base_minor FROM rewards.scope_total ORDER BY 1, 2, 3"


def program(version: int = 1, /, **plans: Any) -> Contract:  # noqa: ANN401  plans
    return planned(version, plans=plans, pays_in="program_currency")


def sold(deal: str, minor: int, month: int = 3, day: int = 2, revision: int = 1, who: str = "acme") -> CreditDecided:
    return decided(deal, revision, {who: minor}, governed_on=date(2026, month, day))


async def scoped(books: Books) -> list[tuple[str, str, str]]:
    """(kind, scope, own cause) of the true-ups, in the order they were booked."""
    rows = await books.database.pool.fetch(
        "SELECT kind, scope, reason ->> 'own_cause' AS cause FROM rewards.journal WHERE scope IS NOT NULL "
        "ORDER BY journal_id"
    )
    return [tuple(row) for row in rows]


async def test_a_late_deal_of_a_quarter_moves_its_true_up_and_no_other(books: Books) -> None:
    """1,200.00 in a quarter: 10% of it, and as much again above 1,000.00, payable when quarter and hold are over."""
    await books.tell(program(influence=QUARTER), partner("acme"), sold("D-1", 90_000), sold("D-2", 90_000, month=4))
    assert await books.balances() == {GOLD: 18_000, PENDING: -18_000}
    await books.tell(sold("D-3", 30_000, month=1, day=1))
    assert await books.balances() == {GOLD: 23_000, PENDING: -20_000, PAYABLE: -3_000}
    assert [tuple(row) for row in await books.database.pool.fetch(SUMS)] == [
        ("acme", "2026-Q1", 1, 2, 120_000), ("acme", "2026-Q2", 1, 1, 90_000)
    ]  # fmt: skip
    ((kind, scope, cause),) = await scoped(books)
    assert (kind, scope) == ("accrual", "2026-Q1")
    assert "2 deals of 2026-Q1 together" in cause
    await books.mature(datetime(2026, 4, 30, tzinfo=UTC))
    assert await books.balances() == {GOLD: 23_000, PENDING: -11_000, PAYABLE: -12_000}
    await books.mature(datetime(2026, 5, 1, tzinfo=UTC))
    assert (await books.balances())[PENDING] == -9_000
    assert [kind for kind, _, _ in await scoped(books)] == ["accrual", "maturity"]
    assert (await books.verify()).ok


async def test_a_year_of_whole_brackets_rates_everything_anew(books: Books) -> None:
    """The deal that crosses the bound doubles what came before it; lost again, it takes that back."""
    await books.tell(program(influence=WHOLE_YEAR), partner("acme"), sold("D-1", 90_000), sold("D-2", 20_000))
    assert (await books.balances())[GOLD] == 22_000
    await books.tell(decided("D-2", 2, {}, cause="the deal was lost"))
    assert (await books.balances())[GOLD] == 9_000
    assert [kind for kind, _, _ in await scoped(books)] == ["accrual", "reversal"]
    await books.tell(decided("D-1", 2, {}, cause="the deal was lost"))
    assert await books.balances() == {}
    assert [row["deals"] for row in await books.database.pool.fetch(SUMS)] == [0]
    assert (await books.verify()).ok


async def test_a_cap_holds_while_holds_end(books: Books) -> None:
    """Of 240.00 the cap leaves 150.00; at no time is more than that payable, whichever hold ends first."""
    await books.tell(
        program(influence=CAPPED), partner("acme"), sold("D-1", 80_000), sold("D-2", 80_000, day=5),
        sold("D-3", 80_000, day=9),
    )  # fmt: skip
    assert await books.balances() == {GOLD: 15_000, PENDING: -15_000}
    for day, payable in ((1, 8_000), (4, 15_000), (8, 15_000)):
        await books.mature(datetime(2026, 4, day, tzinfo=UTC))
        balances = await books.balances()
        assert (balances[GOLD], balances[PAYABLE]) == (15_000, -payable)
        assert (await books.verify()).ok
    assert PENDING not in await books.balances()


async def test_a_budget_goes_to_the_earliest_closes_of_all_partners(books: Books) -> None:
    """Of 100.00: 60.00 to the first deal, 40.00 of 60.00 to the second; a deal closed before both pushes them back."""
    who = [partner("acme"), partner("beta")]
    await books.tell(program(influence=BUDGET), *who, sold("D-1", 60_000), sold("D-2", 60_000, day=5, who="beta"))
    assert await books.balances() == {GOLD: 10_000, PENDING: -6_000, "partner:beta:pending USD": -4_000}
    await books.tell(sold("D-0", 50_000, day=1, who="beta"))
    assert await books.balances() == {GOLD: 10_000, PENDING: -5_000, "partner:beta:pending USD": -5_000}
    assert {scope for _, scope, _ in await scoped(books)} == {"budget"}
    assert (await books.verify()).ok


async def test_a_promotion_that_moves_a_quota_settles_the_span_again(books: Books) -> None:
    """The deals pay what they paid; the bound above which they accelerate is another tier's."""
    steps = [{"from": "0%", "to": "100%", "times": "100%"}, {"from": "100%", "times": "200%"}]
    quota = {"apply": "marginal", "per": "year", "quota": {"silver": 500, "gold": 1000}, "steps": steps}
    rates = {"silver": "10%", "gold": "10%"}
    await books.tell(
        program(influence={"rate": rates, "brackets": quota}), partner("acme", "silver"), sold("D-1", 100_000)
    )  # fmt: skip
    assert (await books.balances())[GOLD] == 15_000
    await books.tell(partner("acme", "gold", version=2))
    assert (await books.balances())[GOLD] == 10_000
    assert (await books.verify()).ok


def life() -> list[Contract]:
    """Two partners, three plans of three kinds, deals that change, money that goes back, a second version."""
    kinds = {"yearly": WHOLE_YEAR, "quarterly": QUARTER, "shared": BUDGET, "capped": CAPPED, "plain": {"rate": RATES}}
    facts: list[Contract] = [
        program(**kinds), program(2, **kinds | {"capped": CAPPED | {"caps": [{"amount": 90, "per": "year"}]}}),
        partner("acme"), partner("beta", "silver"), partner("beta", "gold", version=2, since=date(2026, 3, 4)),
    ]  # fmt: skip
    for number in range(12):
        day = date(2026, 1 + number % 5, 1 + number)
        shares = {"acme": 20_000 + number, "beta": 10_000 * (number % 3)}
        shares = {name: minor for name, minor in shares.items() if minor}
        facts.append(decided(f"D-{number}", 1, shares, governed_on=day, version=1 + number % 2))
    facts += [
        decided("D-3", 2, {"acme": 55_555}, governed_on=date(2026, 4, 4), version=2, cause="the amount changed"),
        decided("D-4", 2, {}, cause="the deal was lost"),
        received("R-1", Movement.REFUND, 7_000, "D-5"), received("C-1", Movement.CHARGEBACK, 9_000, "D-6"),
    ]  # fmt: skip
    return facts


async def lived(books: Books, seed: int | None, workers: int) -> dict[str, int]:
    """Balances after all facts of a life, told in a shuffled order, some twice, to several reconcilers at once."""
    facts = life()
    chance = random.Random(seed)
    if seed is not None:
        facts += chance.sample(facts, len(facts) // 4)
        chance.shuffle(facts)
    while facts:
        size = chance.randint(1, 8)
        assert not await books.store(*messages(*facts[:size]))
        facts = facts[size:]
        await asyncio.gather(*(books.settle(batch=chance.randint(1, 4)) for _ in range(workers)))
    await books.settle()
    report = await books.verify()
    assert [f for f in report.findings if f.faults] == []
    assert report.waiting == 0
    return await books.balances()


async def test_order_and_workers_do_not_matter(books: Books, new_books: Any) -> None:  # noqa: ANN401  a fixture
    """The same facts in any order, with four reconcilers at once, give the same balances to the cent."""
    wanted = await lived(books, None, workers=1)
    assert wanted[GOLD] > 0
    for seed in range(4):
        async with new_books() as others:
            assert await lived(others, seed, workers=4) == wanted


async def test_many_deals_of_one_scope_in_many_hands(books: Books) -> None:
    """Two hundred deals of one partner's year, four reconcilers, small batches: the total has counted each once."""
    await books.tell(program(influence=WHOLE_YEAR), partner("acme"))
    await books.store(*messages(*(sold(f"D-{n}", 1_000 + n) for n in range(200))))
    await asyncio.gather(*(books.settle(batch=7) for _ in range(4)))
    (row,) = await books.database.pool.fetch(SUMS)
    assert (row["deals"], row["base_minor"]) == (200, sum(1_000 + n for n in range(200)))
    assert (await books.verify()).ok


async def test_the_simple_plan_takes_no_statement_more(books: Books) -> None:
    """Nothing of receipts, rates, orders, lines or scopes is asked for where nothing needs it."""
    await books.tell(planned(plans={"influence": {"rate": RATES}}), partner("acme"), sold("D-1", 1_000))
    seen: list[str] = []

    def log(record: asyncpg.connection.LoggedQuery) -> None:
        seen.append(record.query)

    async with books.database.transaction() as connection:
        await Facts().store(connection, messages(sold("D-2", 1_000)))
        rewards = Rewards()
        await rewards(connection, ['["crm","D-1"]'], Context(NOW, 0, None))  # the program is kept from now on
        with connection.query_logger(log):
            await rewards(connection, ['["crm","D-2"]'], Context(NOW, 0, None))
    asked = [query for query in seen if "rewards." in query]
    assert len(asked) == 5, asked  # credit, standings, what is posted; posting; what is due


@pytest.mark.parametrize(
    ("tamper", "check"),
    [
        ("UPDATE rewards.scope_total SET base_minor = base_minor + 1", "every scope's total equals its lines"),
        ("DELETE FROM rewards.scope_total", "every true-up has the total of its scope"),
        ("DELETE FROM rewards.earning_line", "every scope's total equals its lines"),
        ("UPDATE rewards.earning_line SET base_minor = 1", "posted amounts equal what the facts say"),
        (BOTH_LESS, "posted true-ups equal what their deals say"),
    ],
)
async def test_a_total_or_a_line_that_was_tampered_with_is_found(books: Books, tamper: str, check: str) -> None:
    """Each by a check of its own."""
    await books.tell(program(influence=WHOLE_YEAR), partner("acme"), sold("D-1", 120_000))
    assert (await books.verify()).ok
    await books.owner.execute(tamper)
    assert check in [f.check for f in (await books.verify()).findings if f.faults]


async def test_a_true_up_is_sealed_exported_and_not_taken_back_by_hand(books: Books) -> None:
    """It is a journal as any other; only the deals it follows change it."""
    await books.tell(program(influence=WHOLE_YEAR), partner("acme"), sold("D-1", 120_000))
    await books.seal()
    assert (await books.verify()).ok
    async with books.client("rewards:read", "rewards:adjust") as client:
        (made,) = [j for j in (await client.get("/journals")).json()["items"] if j["scope"] is not None]
        assert (made["scope"], made["deal"], made["plan"]) == ("2026", None, "influence")
        refused = await client.post(f"/journals/{made['id']}/reverse", json={"reason": "x"})
        assert (refused.status_code, refused.json()["detail"]) == (
            409, f"journal {made['id']} follows the deals of 2026 under plan 'influence'."
        )  # fmt: skip
        proof = (await client.get(f"/journals/{made['id']}/proof")).json()
        assert '"scope":"2026"' in proof["content"]
        lines = list(csv.DictReader(io.StringIO((await client.get("/export?format=csv")).text)))
        assert [line["scope"] for line in lines] == ["", "", "2026", "2026"]
        assert [(line["base"], line["plain"], line["earned"]) for line in lines[1:3]] == [
            ("1200.00", "", "120.00"), ("1200.00", "120.00", "240.00")
        ]  # fmt: skip
        assert "accrual: influence, 2026" in (await client.get("/export?format=beancount")).text


async def test_a_new_month_knows_scopes(new_books: Any) -> None:  # noqa: ANN401  a fixture
    """A partition made later has the index and the constraint of the others."""
    async with new_books() as books:
        while await books.database.pool.fetchval("SELECT rewards.make_months(6)"):
            pass
        for counted in (
            "SELECT count(*) FROM pg_inherits WHERE inhparent = 'rewards.journal_scope'::regclass",
            "SELECT count(*) FROM pg_constraint WHERE conname = 'of_a_deal_or_a_scope_or_neither' AND coninhcount = 1",
        ):
            assert await books.owner.fetchval(counted) == 8  # seven months and the default


async def test_the_database_refuses_a_scope_beside_a_deal_or_without_a_plan(books: Books) -> None:
    """A journal is of a deal, or of a scope, or of neither; the guard compares scopes of what is adjusted."""
    columns = "journal_id, kind, effective_on, period, leg_count, partner, reason, source_event"
    for more, values in (
        ("scope, plan, program, deal_source, deal_id", "'2026', 'p', 'n', 'crm', 'D'"),
        ("scope, program", "'2026', 'n'"),
        ("scope, plan", "'2026', 'p'"), ("plan, program", "'p', 'n'"),
    ):  # fmt: skip
        async with books.superuser("SET LOCAL session_replication_role = replica") as connection:
            with pytest.raises(asyncpg.CheckViolationError, match="of_a_deal_or_a_scope_or_neither"):
                await connection.execute(
                    f"INSERT INTO rewards.journal ({columns}, {more}) "
                    f"VALUES (1, 'accrual', '2026-01-01', '2026-01-01', 2, 'acme', '{{}}', 'x', {values})"
                )


async def test_a_partner_reads_what_its_spans_come_to(books: Books) -> None:
    """Figures of each span with the ledger's beside them, paged; a deal says where to read them; nobody else's."""
    await books.tell(
        program(influence=QUARTER, shared=BUDGET), partner("acme"), partner("beta"), sold("D-1", 120_000),
        sold("D-2", 90_000, month=4), sold("D-3", 90_000, month=2, who="beta"),
    )  # fmt: skip
    async with books.client("rewards:read", partner="acme") as client:
        deal = (await client.get("/deals/crm/D-1")).json()
        found = {e["plan"]: e["settled_in"] for e in deal["earnings"]}
        assert (found["influence"]["span"], found["influence"]["base"]["amount"]) == ("2026-Q1", "1200.00")
        answer = await client.get(found["influence"]["read_at"].removeprefix("/rewards/v1"))
        assert answer.json()["items"] == [{
            "program": "northwind", "plan": "influence", "partner": "acme", "span": "2026-Q1",
            "starts_on": "2026-01-01", "ends_on": "2026-03-31", "deals": 1, "base": usd(120_000), "plain": usd(12_000),
            "brackets": [
                {"bracket": "from 0 to 1,000, 100% of the plain rate", "base": usd(100_000), "rate": "10%",
                 "amount": usd(10_000), "program_version": 1},
                {"bracket": "from 1,000, 200% of the plain rate", "base": usd(20_000), "rate": "20%",
                 "amount": usd(4_000), "program_version": 1},
            ],
            "cuts": [], "earned": usd(14_000), "due_on": "2026-05-01", "program_version": 1,
            "pending": usd(2_000), "payable": usd(0), "posted": {"pending": usd(2_000), "payable": usd(0)},
        }]  # fmt: skip
        page = (await client.get("/partners/acme/spans?limit=2")).json()
        rest = (await client.get(f"/partners/acme/spans?limit=2&cursor={page['next']}")).json()
        names = [(item["plan"], item["span"]) for item in page["items"] + rest["items"]]
        assert (names, rest["next"]) == (
            [("influence", "2026-Q1"), ("influence", "2026-Q2"), ("shared", "budget")], None
        )  # fmt: skip
        (budget,) = rest["items"]
        assert budget["cuts"] == [
            {"why": "the plan's budget of 100.00 USD is used up", "before": usd(21_000), "after": usd(1_000)}
        ]
        assert (budget["pending"], budget["earned"], budget["ends_on"]) == (usd(-20_000), usd(1_000), None)
        assert (await client.get("/partners/beta/spans")).status_code == 404
        wrong = await client.get(f"/partners/acme/spans?cursor={encode_cursor('1')}")
        assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "cursor")
    async with books.client() as client:
        assert len((await client.get("/partners/beta/spans")).json()["items"]) == 2
