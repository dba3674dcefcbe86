"""Adjustments by hand through the API: booked once, above a limit by two keys, taken back once, seen by the partner."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import date
from typing import Any

import asyncpg
import httpx
import pytest

from services.rewards import roles
from services.rewards.domain.journal import Kind
from services.rewards.ledger import period
from tests.integration.rewards.conftest import NewBooks
from tests.integration.rewards.harness import Books, outcomes_on, payment, taken_back
from tests.unit.rewards.builders import LATER, activated, decided, partner, usd

BONUS = {
    "partner": "acme", "amount": usd(12_500), "account": "payable", "effective_on": "2026-03-05",
    "reason": "the demo in Oslo", "reference": "ticket 7", "deal": {"source": "crm", "id": "D-1"},
}  # fmt: skip
MUCH: dict[str, Any] = {"amount": usd(100_001)}
PAIRS_AT_ONCE = 50
"""Requests that wait too long for a connection are told to come back, and on a busy machine 1,000 at once would be."""
EVERYTHING = ("rewards:read", "rewards:pay", "rewards:adjust", "rewards:approve", "rewards:close")


@dataclass(frozen=True, slots=True)
class Desk:
    """Books in which acme has earned 80.00, still pending, and two people with keys of their own."""

    books: Books
    first: httpx.AsyncClient
    second: httpx.AsyncClient


async def opened(books: Books, stack: AsyncExitStack) -> Desk:
    await books.tell(activated(), partner("acme"), decided("D-1", 1, {"acme": 100_000}))
    first, second = [await stack.enter_async_context(books.client(*EVERYTHING)) for _ in range(2)]
    return Desk(books, first, second)


@pytest.fixture
async def desk(books: Books) -> AsyncIterator[Desk]:
    """For a test that writes."""
    async with AsyncExitStack() as stack:
        yield await opened(books, stack)


@pytest.fixture(scope="module")
async def shown(new_books: NewBooks) -> AsyncIterator[Desk]:
    """For tests that are refused."""
    async with AsyncExitStack() as stack:
        yield await opened(await stack.enter_async_context(new_books()), stack)


async def adjust(client: httpx.AsyncClient, key: str | None = "k-1", **changes: object) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    body = {name: value for name, value in (BONUS | changes).items() if value is not ...}
    return await client.post("/adjustments", json=body, headers=headers)


async def audited(desk: Desk) -> list[tuple[str, str]]:
    items = (await desk.first.get("/audit")).json()["items"]
    return [(item["action"], item["outcome"]) for item in items]


async def test_an_adjustment_is_booked_once_and_the_partner_reads_why(desk: Desk) -> None:
    """Balanced, with reason and reference, on the statement; the deal it names keeps its own earnings."""
    answers = await asyncio.gather(*(adjust(desk.first) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert [answer.json() for answer in answers] == [answers[0].json()] * 8
    made = answers[0].json()
    assert (made["state"], made["needs_approval"], made["deal"]) == ("booked", False, {"source": "crm", "id": "D-1"})
    assert made["proposed"]["by"] == made["decided"]["by"] != ""
    journal = (await desk.first.get(f"/journals/{made['journal']}")).json()
    assert (journal["kind"], journal["deal"], journal["source_event"]) == ("manual", None, f"adjustment {made['id']}")
    assert [(e["account"], e["amount"]) for e in journal["entries"]] == [
        ("expense:commission", usd(12_500)), ("partner:acme:payable", usd(-12_500))
    ]  # fmt: skip
    async with desk.books.client("rewards:read", partner="acme") as theirs:
        line = (await theirs.get("/partners/acme/statement")).json()["items"][-1]
    assert (line["kind"], line["changes"]) == ("manual", {"payable": usd(12_500)})
    assert line["reason"] == {
        "cause": "the demo in Oslo", "reference": "ticket 7", "adjusted": "125.00", "deal_source": "crm",
        "deal_id": "D-1",
    }  # fmt: skip
    await desk.books.tell(decided("D-1", 2, {"acme": 50_000}, cause="late"))
    await desk.books.mature(LATER)
    assert (await desk.books.balances())["partner:acme:payable USD"] == -12_500 - 4_000
    assert await audited(desk) == [("adjustment booked", str(made["id"]))]
    assert (await desk.books.verify()).ok


async def test_another_adjustment_under_the_key_is_refused(desk: Desk) -> None:
    """422 for each field that differs; another source's key of the same name is its own."""
    assert (await adjust(desk.first)).status_code == 201
    for change in (
        {"amount": usd(12_499)}, {"account": "pending"}, {"effective_on": "2026-03-04"}, {"reason": "x"},
        {"reference": "x"}, {"deal": ...}, {"deal": {"source": "crm", "id": "D-2"}},
    ):  # fmt: skip
        reused = await adjust(desk.first, **change)
        assert (reused.status_code, reused.json()["title"]) == (422, "Idempotency-Key reused")
    for key in (None, " "):
        assert (await adjust(desk.first, key)).status_code == 400
    assert len((await desk.first.get("/adjustments")).json()["items"]) == 1


async def test_more_than_the_limit_waits_for_another_key(desk: Desk) -> None:
    """Nothing is booked before; not the same key; then once, however many approve at once; never twice."""
    made = (await adjust(desk.first, **MUCH)).json()
    assert (made["state"], made["journal"], made["decided"]) == ("proposed", None, None)
    before = await desk.books.balances()
    assert "partner:acme:payable USD" not in before
    alone = await desk.first.post(f"/adjustments/{made['id']}/approve")
    assert (alone.status_code, alone.json()["title"]) == (403, "Forbidden")
    answers = await asyncio.gather(*(desk.second.post(f"/adjustments/{made['id']}/approve") for _ in range(10)))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 9}
    assert (await desk.books.balances())["partner:acme:payable USD"] == -100_001
    booked = (await adjust(desk.first, **MUCH)).json()
    assert booked["state"] == "booked"
    assert booked["decided"]["by"] != booked["proposed"]["by"]
    assert (await desk.second.post(f"/adjustments/{made['id']}/decline", json={"reason": "no"})).status_code == 409
    assert await audited(desk) == [
        ("adjustment proposed", str(made["id"])), ("adjustment approved", str(made["id"]))
    ]  # fmt: skip
    assert (await desk.books.verify()).ok


async def test_a_declined_adjustment_is_never_booked(desk: Desk) -> None:
    """The reason stays; a decision for and one against at once are one."""
    made = (await adjust(desk.first, amount=usd(-100_001))).json()
    path = f"/adjustments/{made['id']}"
    declined = (await desk.second.post(f"{path}/decline", json={"reason": "no ticket 7"})).json()
    assert (declined["state"], declined["decided"]["reason"], declined["journal"]) == ("declined", "no ticket 7", None)
    assert (await desk.second.post(f"{path}/approve")).status_code == 409
    for number in range(10):
        other = (await adjust(desk.first, f"r-{number}", **MUCH)).json()["id"]
        answers = await asyncio.gather(
            desk.second.post(f"/adjustments/{other}/approve"),
            desk.second.post(f"/adjustments/{other}/decline", json={"reason": "no"}),
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409]
    booked = (await desk.first.get("/adjustments?state=booked")).json()["items"]
    assert (await desk.books.balances()).get("partner:acme:payable USD", 0) == -100_001 * len(booked)
    assert (await desk.first.get("/adjustments?state=proposed")).json()["items"] == []
    assert len((await desk.first.get("/adjustments?partner=acme")).json()["items"]) == 11
    assert (await desk.books.verify()).ok


async def test_the_database_itself_wants_the_second_key(desk: Desk) -> None:
    """A decision by the proposer, one without its journal, one on nothing: refused below the service."""
    made = (await adjust(desk.first, **MUCH)).json()
    small = (await adjust(desk.first, "k-2")).json()
    decide = "INSERT INTO rewards.adjustment_decision (adjustment_id, outcome, journal_id, decided_by, decided_source) "
    for values in (
        f"({made['id']}, 'booked', {small['journal'] + 1}, '{made['proposed']['by']}', 'x')",
        f"({made['id']}, 'booked', 1, 'another', 'x')", "(999, 'booked', 1, 'another', 'x')",
    ):  # fmt: skip
        with pytest.raises(asyncpg.CheckViolationError):
            await desk.books.database.pool.execute(f"{decide} VALUES {values}")


async def test_records_are_only_added_to(desk: Desk) -> None:
    """The service lacks the right, and the owner meets the guard, in replication mode too."""
    await adjust(desk.first)
    for table, column in (("adjustment", "reason"), ("adjustment_decision", "reason"), ("audit", "action")):
        for statement in (
            f"UPDATE rewards.{table} SET {column} = 'x'", f"DELETE FROM rewards.{table}", f"TRUNCATE rewards.{table}",
        ):  # fmt: skip
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await desk.books.database.pool.execute(statement)
            for mode in (f"SET LOCAL ROLE {roles.OWNER}", "SET LOCAL session_replication_role = replica"):
                async with desk.books.superuser(mode) as connection:
                    with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
                        await connection.execute(statement)


async def test_an_adjustment_for_a_closed_month_is_booked_in_the_open_one(desk: Desk) -> None:
    """As the ledger does with everything that counts earlier."""
    async with desk.books.database.transaction() as connection:
        assert (await period.close(connection, date(2026, 2, 1), "finance")).outcome is period.Closing.CLOSED
    made = (await adjust(desk.first, effective_on="2026-02-10")).json()
    journal = (await desk.first.get(f"/journals/{made['journal']}")).json()
    assert (journal["effective_on"], journal["period"], journal["adjusts_period"]) == (
        "2026-02-10", "2026-03", "2026-02"
    )  # fmt: skip
    assert (await desk.books.verify()).ok


async def test_five_hundred_reversals_each_sent_twice_are_five_hundred(desk: Desk) -> None:
    """Of each pair sent at once one is accepted and one refused; nothing is left on any account."""
    journals = [payment(f"p-{n}", 5 + n, f"P-{n % 7}") for n in range(500)]
    await outcomes_on(desk.books.database, journals)
    ids = await desk.books.owner.fetch("SELECT journal_id FROM rewards.journal WHERE kind = 'payment'")
    assert len(ids) == 500
    before = await desk.books.balances()
    assert len(before) == 2 + 2 * 7
    turn = asyncio.Semaphore(PAIRS_AT_ONCE)

    async def twice(journal: int) -> list[httpx.Response]:
        async with turn:
            return await asyncio.gather(*(
                desk.first.post(f"/journals/{journal}/reverse", json={"reason": "sent back"}) for _ in range(2)
            ))  # fmt: skip

    pairs = await asyncio.gather(*(twice(row["journal_id"]) for row in ids))
    assert all(sorted(answer.status_code for answer in pair) == [201, 409] for pair in pairs)
    answers = [answer for pair in pairs for answer in pair]
    assert Counter(answer.status_code for answer in answers) == {201: 500, 409: 500}
    assert {answer.json()["title"] for answer in answers if answer.status_code == 409} == {"Taken back before"}
    assert len({answer.json()["adjusts"] for answer in answers if answer.status_code == 201}) == 500
    left = await desk.books.owner.fetch(
        "SELECT posted_minor FROM rewards.balance JOIN rewards.account USING (account_id) WHERE partner LIKE 'P-%'"
    )
    assert [row["posted_minor"] for row in left] == [0] * (2 * 7)
    assert await desk.books.balances() == {"expense:commission USD": 8_000, "partner:acme:pending USD": -8_000}
    assert len((await desk.first.get("/audit?limit=500")).json()["items"]) == 500
    assert (await desk.books.verify()).ok


async def test_an_adjustment_is_taken_back_with_a_reason_the_partner_reads(desk: Desk) -> None:
    """The reversal names the journal, keeps its reference, and is not taken back itself."""
    made = (await adjust(desk.first)).json()
    path = f"/journals/{made['journal']}/reverse"
    early = await desk.first.post(path, json={"reason": "typo", "effective_on": "2026-03-04"})
    assert [error["field"] for error in early.json()["errors"]] == ["effective_on"]
    back = (await desk.first.post(path, json={"reason": "typo"})).json()
    assert (back["kind"], back["adjusts"], back["effective_on"]) == ("reversal", made["journal"], "2026-03-10")
    again = await desk.first.post(path, json={"reason": "typo"})
    assert again.json()["detail"] == f"Journal {made['journal']} is taken back already by journal {back['id']}."
    async with desk.books.client("rewards:read", partner="acme") as theirs:
        line = (await theirs.get("/partners/acme/statement")).json()["items"][-1]
    assert (line["changes"], line["reason"]) == ({"payable": usd(-12_500)}, {"cause": "typo", "reference": "ticket 7"})
    for journal, status in ((back["id"], 409), (1, 409), (999_999, 404)):
        refused = await desk.first.post(f"/journals/{journal}/reverse", json={"reason": "x"})
        assert refused.status_code == status
    assert "change the facts instead" in (await desk.first.post("/journals/1/reverse", json={"reason": "x"})).text
    assert (await desk.books.verify()).ok


async def test_a_journal_that_was_taken_back_another_way_is_refused_too(desk: Desk) -> None:
    """Under whatever key: at most one reversal each."""
    await outcomes_on(desk.books.database, [payment("p", 5)])
    (row,) = await desk.books.owner.fetch("SELECT journal_id FROM rewards.journal WHERE kind = 'payment'")
    await outcomes_on(desk.books.database, [taken_back(payment("p", 5), row["journal_id"])])
    answer = await desk.first.post(f"/journals/{row['journal_id']}/reverse", json={"reason": "x"})
    assert (answer.status_code, answer.json()["title"]) == (409, "Taken back before")


async def test_taking_back_much_takes_an_approver_who_had_no_hand_in_it(desk: Desk) -> None:
    """Neither the proposer nor the approver, and not without the scope; a third key."""
    made = (await adjust(desk.first, **MUCH)).json()
    journal = (await desk.second.post(f"/adjustments/{made['id']}/approve")).json()["journal"]
    path = f"/journals/{journal}/reverse"
    for client in (desk.first, desk.second):
        assert (await client.post(path, json={"reason": "x"})).status_code == 403
    async with desk.books.client("rewards:adjust") as clerk, desk.books.client(*EVERYTHING) as third:
        assert (await clerk.post(path, json={"reason": "x"})).status_code == 403
        assert (await third.post(path, json={"reason": "x"})).status_code == 201


async def test_every_call_that_changed_something_is_on_the_trail(desk: Desk) -> None:
    """Who, when, what was asked, what came of it; repeats and refusals leave nothing; by key, day and page."""
    await adjust(desk.first)
    await adjust(desk.first)
    pay = {"partner": "acme", "amount": usd(100), "paid_on": "2026-03-10", "reference": "wire 1"}
    for reference in ("wire 1", "wire 1", "wire 2"):
        await desk.second.post("/payments", json=pay | {"reference": reference}, headers={"Idempotency-Key": "k"})
    paid = (await desk.second.get("/journals?limit=500")).json()["items"][-1]["id"]
    for _ in range(2):
        await desk.second.post("/periods/2026-02/close")
    await desk.first.post(f"/journals/{paid}/reverse", json={"reason": "sent back"})
    items = (await desk.first.get("/audit")).json()["items"]
    assert [(item["action"], item["outcome"], item["journal"]) for item in items] == [
        ("adjustment booked", items[0]["outcome"], paid - 1), ("payment", str(paid), paid),
        ("month closed", "2026-02", None), ("journal reversed", items[3]["outcome"], items[3]["journal"]),
    ]  # fmt: skip
    assert items[0]["request"] == BONUS | {"idempotency_key": "k-1", "against": "commission"}
    assert items[1]["request"] == pay | {"idempotency_key": "k", "sent": None}
    assert items[3]["request"] == {"journal": paid, "reason": "sent back", "effective_on": None}
    assert {item["source"] for item in items} == {"bank"}
    for key in {item["key"] for item in items}:
        found = (await desk.first.get(f"/audit?key={key}")).json()["items"]
        assert found == [item for item in items if item["key"] == key] != []
    page = (await desk.first.get("/audit?limit=3")).json()
    rest = (await desk.first.get(f"/audit?limit=3&cursor={page['next']}")).json()
    assert page["items"] + rest["items"] == items
    assert (await desk.first.get("/audit?from=2100-01-01")).json()["items"] == []
    assert (await desk.first.get("/audit?to=2100-01-01")).json()["items"] == items


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": usd(0)}, "amount.amount"), ({"amount": {"amount": 5, "currency": "USD"}}, "amount.amount"),
        ({"amount": {"amount": "1.001", "currency": "USD"}}, "amount"), ({"amount": ...}, "amount"),
        ({"account": "paid"}, "account"), ({"account": ...}, "account"),
        ({"effective_on": "2026-03-12"}, "effective_on"),
        ({"effective_on": "soon"}, "effective_on"), ({"reason": ...}, "reason"), ({"reason": " "}, "reason"),
        ({"reference": ...}, "reference"), ({"reference": ""}, "reference"), ({"reference": "a\x00b"}, "reference"),
        ({"partner": ...}, "partner"), ({"deal": {"source": "crm"}}, "deal.id"), ({"deal": "D-1"}, "deal"),
        ({"memo": "x"}, "memo"),
    ],
)  # fmt: skip
async def test_a_wrong_adjustment_names_its_field(shown: Desk, change: dict[str, Any], field: str) -> None:
    """And nothing is put on file."""
    answer = await adjust(shown.first, **change)
    assert answer.status_code == 422
    assert field in [error["field"] for error in answer.json()["errors"]]
    assert (await shown.first.get("/adjustments")).json()["items"] == []


async def test_unknown_things_are_404(shown: Desk) -> None:
    """An adjustment, a journal, a partner."""
    assert (await adjust(shown.first, partner="nobody")).status_code == 404
    assert (await shown.first.get("/adjustments/7")).status_code == 404
    assert (await shown.first.post("/adjustments/7/approve")).status_code == 404
    assert (await shown.first.post("/adjustments/7/decline", json={"reason": "x"})).status_code == 404
    assert (await shown.first.post("/adjustments/7/decline", json={"reason": " "})).status_code == 422
    assert (await shown.first.post("/journals/1/reverse", json={})).status_code == 422


async def test_keys_without_the_scope_or_bound_to_a_partner_are_refused(shown: Desk) -> None:
    """Everything here is the vendor's."""
    async with shown.books.client("rewards:read", "rewards:pay") as clerk:
        assert (await adjust(clerk)).status_code == 403
        for path in ("/adjustments/1/approve", "/adjustments/1/decline", "/journals/1/reverse"):
            assert (await clerk.post(path, json={"reason": "x"})).status_code == 403
    async with shown.books.client("rewards:adjust") as adjuster:
        assert (await adjuster.post("/adjustments/1/approve")).status_code == 403
    async with shown.books.client(*EVERYTHING, partner="acme") as bound:
        assert (await adjust(bound)).status_code == 403
        for path in ("/adjustments/1/approve", "/adjustments/1/decline", "/journals/1/reverse"):
            assert (await bound.post(path, json={"reason": "x"})).status_code == 403
        for path in ("/adjustments", "/adjustments/1", "/audit"):
            assert (await bound.get(path)).status_code == 403


async def test_a_manual_journal_that_nobody_asked_for_is_a_fault(books: Books) -> None:
    """The verification names it."""
    await outcomes_on(books.database, [payment("m", 5)._replace(kind=Kind.MANUAL)])
    faults = [finding for finding in (await books.verify()).findings if finding.faults]
    assert [(finding.check.split(" is ")[0], finding.first) for finding in faults] == [
        ("every adjustment by hand", "journal 1 does not book adjustment none as it was asked for and decided")
    ]
