"""Statements, withdrawals and decisions in any order: the same credit, the same review list."""

import asyncio
import random

import asyncpg
import pytest

from shared.reconcile import LIGHT, Context
from tests.integration.attribution.harness import (
    CLOSE,
    JSON,
    NOW,
    Attribution,
    activated,
    decided,
    linked,
    merged,
    message,
    partner_merged,
    separated,
    touch,
    upserted,
    withdrawn,
    won,
)
from tests.integration.attribution.test_api import every, read

A: JSON = {"domain": "acme.example"}
B: JSON = {"crm_id": "B-1"}
C: JSON = {"crm_id": "C-1"}
F: JSON = {"domain": "fir.example"}
MAY = CLOSE.replace(month=5).isoformat()
LINEAR = {"kind": "linear"}


def history() -> list[JSON]:
    """Every kind of fact, most of them corrected later."""
    return [
        activated(model=LINEAR),
        touch("t1", "ada", account=A), touch("t2", "bob", account=B), touch("t3", "cleo", account={"duns": "1"}),
        touch("t4", "dan", account={"name": "ACME Widgets"}), touch("t5", "eve", account=A | C),
        touch("t6", "fay", account=A, late=60), touch("t7", "gus", account=A), touch("t7", "gus", account=A, late=3),
        touch("t8", "hal", account={"name": "Bolt Work"}), touch("t9", "ian", account={"domain": "gmail.com"}),
        touch("t10", "old-ada", account=A), touch("t11", "jon", account=F), touch("t12", "kim", account=A | B),
        withdrawn("t7", "mallory"), withdrawn("t7", "gus"), withdrawn("t1", "mallory"),
        won("D-1", account=A | {"crm_id": "A-1"}), won("D-2", account=B | {"name": "Bolt Works"}),
        won("D-3", account=C),
        won("D-4", account={"name": "Acme Widgets Ltd"}), won("D-5", account={"name": "Nobody"}),
        won("D-6", account=B, closed_at=MAY), won("D-7", account=A), won("D-7", 2, account=A, removed=True),
        won("D-8", account=F | {"crm_id": "E-1"}, stage="open"), won("D-8", 2, account=A, stage="lost"),
        won("D-9", account={"crm_id": "E-1"}), won("D-10", account={"name": "Apex"}),
        won("D-11", account={"name": "Other"}), won("D-11", 2, account=A, closed_at=MAY),
        linked("L-1", domains=["acme.example"], duns="1", aliases=["Acme Widgets"]),
        linked("L-2", domains=["acme.example"], aliases=["Apex"]), linked("L-2", 2, domains=["acme.example"]),
        merged(A, B, name="M-1"), merged(A, B, name="M-1", version=2, undone=True),
        merged(B, C, name="M-2"), merged(B, C, name="M-2", version=2, effective_from="2026-05-01"),
        merged(A, C, name="M-3"), merged({"crm_id": "Y"}, {"crm_id": "Z"}, name="M-3", version=2),
        separated(F), separated(C, name="S-2"), separated(C, name="S-2", version=2, undone=True),
        partner_merged("old-ada", "ada", name="P-1"), partner_merged("ada", "group", "2026-05-01", name="P-2"),
        partner_merged("bob", "x", name="P-3"), partner_merged("bob", "x", name="P-3", version=2, undone=True),
        upserted("ada", "reseller"),
        decided("ambiguous_account", ["portal", "t5"], account="domain:acme.example"),
        decided("ambiguous_account", ["portal", "t5"], account="crm:crm:C-1", after=1),
        decided("late_claim", ["portal", "t6", "crm", "D-1"], "reject"),
        decided("late_claim", ["portal", "t6", "crm", "D-1"], after=1),
        decided("proposal", ["name:bolt work", "crm:crm:B-1"]),
        decided("unmatched_touchpoint", ["portal", "t9"], account="crm:crm:C-1"),
        decided("unmatched_deal", ["crm", "D-5"], account="crm:crm:B-1"),
        decided("unmatched_deal", ["crm", "D-5"], account="domain:acme.example", after=1),
    ]  # fmt: skip


ACME = {"ada": "500.00", "cleo": "250.00", "dan": "250.00"}
TARGET = {
    "D-1": {"ada": "400.00", "cleo": "200.00", "dan": "200.00", "fay": "200.00"},
    "D-2": {"bob": "500.00", "hal": "500.00"},
    "D-3": {"eve": "500.00", "ian": "500.00"},
    "D-4": ACME,
    "D-5": ACME,
    "D-6": {"bob": "250.00", "eve": "250.00", "hal": "250.00", "ian": "250.00"},
    "D-9": {},
    "D-10": {},
    "D-11": {"cleo": "200.00", "dan": "200.00", "fay": "200.00", "group": "400.00"},
}
WAITING = [
    ("ambiguous_account", "portal", "t12"), ("late_claim", "portal", "t6", "crm", "D-4"),
    ("late_claim", "portal", "t6", "crm", "D-5"), ("proposal", "name:apex", "domain:acme.example"),
    ("unmatched_deal", "crm", "D-10"),
]  # fmt: skip


@pytest.mark.parametrize("seed", range(8))
async def test_the_order_of_statements_does_not_matter(attribution: Attribution, seed: int) -> None:
    """Shuffled, some of them twice, in batches of any size, reconciled at any time."""
    rng = random.Random(seed)
    told = history() + rng.sample(history(), k=8)
    if seed:
        rng.shuffle(told)
    while told:
        size = rng.randint(1, 12)
        assert not await attribution.store(*told[:size])
        told = told[size:]
        if rng.random() < 0.5:
            await attribution.settle()
    await attribution.settle()
    credited = await attribution.credited()
    assert {name: shares for name, shares in credited.items() if name != "D-7"} == TARGET
    assert not credited.get("D-7")
    assert await attribution.count("conflict") == 0
    async with attribution.client("*") as client:
        assert [(one["kind"], *one["item"]) for one in await every(client, "review")] == WAITING
        account = await read(client, "accounts/domain:acme.example", on="2026-03-31")
        assert account["company"] == [
            "crm:crm:A-1", 'deal:["crm","D-4"]', 'deal:["crm","D-5"]', "domain:acme.example", "duns:1",
            "name:acme widgets",
        ]  # fmt: skip
        for deal in TARGET:
            assert (await read(client, f"deals/crm/{deal}"))["current"], deal


async def test_facts_stored_at_once_do_not_miss_each_other(attribution: Attribution) -> None:
    """Four consumers store the same history side by side, each in an order of its own."""

    async def consume(seed: int) -> None:
        told = history()
        random.Random(seed).shuffle(told)
        for begin in range(0, len(told), 6):
            for attempt in range(20):
                try:
                    await attribution.store(*told[begin : begin + 6])
                except asyncpg.DeadlockDetectedError:  # the kit tries again
                    assert attempt < 19
                else:
                    break

    await asyncio.gather(*map(consume, range(4)))
    await attribution.settle()
    assert {name: shares for name, shares in (await attribution.credited()).items() if name != "D-7"} == TARGET


async def test_many_statements_take_no_more_sql_than_few(attribution: Attribution) -> None:
    """Statements, entries, merges, withdrawals and decisions of every kind, in a constant number of statements."""
    seen: list[str] = []
    counts = []
    for size in (2, 3, 25):  # the first warms the caches of types
        names = [f"{size}-{n}" for n in range(size)]
        other = [touch(f"c{name}", account={"crm_id": f"A-{name}"}) for name in names]
        facts = [
            fact
            for name, first in zip(names, other, strict=True)
            for fact in (
                first, first | {"partner": "bob"}, won(f"D-{name}", account={"crm_id": f"A-{name}"}),
                won(f"D-{name}", account={"crm_id": f"A-{name}"}, amount="1.00"),
                won(f"E-{name}", account={"name": f"Zed {name}"}), touch(f"w{name}", account={"domain": "gmail.com"}),
            )
        ]  # fmt: skip
        await attribution.tell(activated(size), *facts)
        rows = await attribution.database.pool.fetch(
            "SELECT kind, source, id, version::text, encode(fingerprint, 'hex') FROM attribution.conflict "
            "WHERE kind <> 'program' AND id LIKE $1", f"%{size}-%",
        )  # fmt: skip
        batch = [decided("conflict", list(row)) for row in rows]
        for name in names:
            batch += [
                linked(f"L-{name}", crm_ids=[{"id": f"A-{name}"}], aliases=[f"Zed {name}"], domains=[f"x{name}.com"]),
                linked(f"L-{name}", 2, crm_ids=[{"id": f"A-{name}"}]),
                merged({"crm_id": f"A-{name}"}, {"crm_id": f"M-{name}"}, name=f"M-{name}"),
                separated({"crm_id": f"M-{name}"}, name=f"S-{name}"), upserted(f"p{name}", "reseller"),
                partner_merged(f"p{name}", f"q{name}", name=f"P-{name}"), withdrawn(f"c{name}"),
                decided("unmatched_touchpoint", ["portal", f"w{name}"], account=f"crm:crm:A-{name}"),
                decided("unmatched_deal", ["crm", f"E-{name}"], account=f"crm:crm:A-{name}"),
                decided("late_claim", ["portal", f"w{name}", "crm", f"D-{name}"]),
                decided("proposal", [f"name:zed {name}", f"crm:crm:A-{name}"]),
            ]  # fmt: skip
        async with attribution.database.transaction() as connection:
            with connection.query_logger(lambda record: seen.append(record.query)):
                assert not await attribution.facts.store(connection, [message(fact) for fact in batch])
        stored = len(seen)
        keys = await attribution.dirty()
        async with attribution.database.transaction() as connection:
            with connection.query_logger(lambda record: seen.append(record.query)):
                assert (await attribution.work(connection, keys, Context(NOW, LIGHT, None))).changed >= size
        await attribution.settle()
        counts.append((stored, len(seen) - stored))
        seen.clear()
    assert counts[1] == counts[2], counts
    assert sum(counts[2]) < 110
