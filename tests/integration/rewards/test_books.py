"""From facts to balances on real Postgres: order, repetition, batches, holds, changes after the fact."""

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, date, datetime

import asyncpg
import pytest

from services.rewards.handler import Facts
from services.rewards.ledger import post
from services.rewards.loading import Loader
from services.rewards.maturity import Maturity
from services.rewards.reconcile import Rewards
from shared.events.base import Contract
from shared.events.credit import Status
from shared.reconcile import Context
from tests.integration.rewards.harness import Books
from tests.unit.rewards.builders import CLOSED, LATER, NOW, activated, decided, message, messages, partner, raw

GOOD = decided("D", 1, {"a": 5}).model_dump_json().encode()
GOLD = "expense:commission USD"


async def test_a_won_deal_becomes_a_pending_balance_and_then_a_payable_one(books: Books) -> None:
    """Credit in, commission accrued; when the hold ends the clock makes it payable."""
    await books.tell(activated(), partner("acme"), decided("D-1", 1, {"acme": 100_000}))
    assert await books.balances() == {GOLD: 8_000, "partner:acme:pending USD": -8_000}
    assert await books.mature(datetime(2026, 3, 31, 23, 59, tzinfo=UTC)) == 0
    assert await books.mature(datetime(2026, 4, 1, tzinfo=UTC)) == 1
    assert await books.balances() == {GOLD: 8_000, "partner:acme:payable USD": -8_000}
    assert await books.mature(LATER) == 0
    assert (await books.verify()).ok


async def test_the_reconciler_is_woken_when_a_hold_ends(books: Books) -> None:
    """The clock's worker looks at once when it starts, wakes the reconciler, and stops when told."""
    await books.tell(activated(), partner("acme"), decided("D-1", 1, {"acme": 100_000}))
    books.now, stop = LATER, asyncio.Event()
    worker = asyncio.create_task(Maturity(database=books.database, wake=books.wake, clock=lambda: LATER).run(stop))
    await asyncio.wait_for(books.wake.wait(), 10)
    stop.set()
    await asyncio.wait_for(worker, 10)
    await books.settle()
    assert (await books.balances())["partner:acme:payable USD"] == -8_000


def life() -> list[Contract]:
    """Facts of three deals, each changed more than once, two partners promoted, two program versions."""
    return [
        activated(), activated(2, rates={"silver": "6%", "gold": "10%"}),
        partner("acme", "silver"), partner("acme", "gold", version=2, since=date(2026, 2, 1)),
        partner("beta", "gold"), partner("gamma", "silver", since=date(2026, 3, 3)),
        decided("D-1", 1, {"acme": 33_334, "beta": 33_333, "gamma": 33_333}),
        decided("D-1", 2, {"acme": 50_001, "beta": 49_999}, cause="a late touchpoint"),
        decided("D-1", 3, {"acme": 25_000, "beta": 25_000}, cause="the amount changed"),
        decided("D-2", 1, {"beta": 70_000}, governed_on=date(2026, 2, 1), version=2),
        decided("D-2", 2, {}, cause="the deal was lost"),
        decided("D-2", 3, {"beta": 60_000, "delta": 5}, governed_on=date(2026, 2, 1), version=2, cause="won again"),
        decided("D-3", 1, {"acme": 1_000_000}, currency="JPY"),
        decided("D-3", 2, {"acme": 10_000}, currency="USD", cause="the currency was corrected"),
        decided("D-4", 1, {}, status=Status.UNATTRIBUTED, reason="no touchpoint in time"),
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
async def test_order_repetition_and_batches_do_not_matter(books: Books, seed: int) -> None:
    """The same facts shuffled, a fifth of them twice, in batches of any size, give the same balances to the cent."""
    chance = random.Random(seed)
    facts = life()
    facts += chance.sample(facts, len(facts) // 5)
    chance.shuffle(facts)
    while facts:
        size = chance.randint(1, 5)
        assert not await books.store(*messages(*facts[:size]))
        facts = facts[size:]
        if chance.random() < 0.6:
            await books.settle(batch=chance.randint(1, 3))
    await books.settle()
    # acme: 8% of 250.00 and of 100.00; beta: 8% of 250.00 and 10% of 600.00 whose hold has ended
    assert await books.balances() == {
        GOLD: 2_000 + 2_000 + 800 + 6_000, "partner:acme:pending USD": -2_800, "partner:beta:pending USD": -2_000,
        "partner:beta:payable USD": -6_000,
    }  # fmt: skip
    assert (await books.verify()).ok


async def test_two_workers_share_the_marks_and_post_once(books: Books) -> None:
    """Four reconcilers at once on the same deals: every journal once, books exact."""
    names = [f"P-{n}" for n in range(5)]
    await books.store(*messages(activated(), *(partner(name) for name in names)))
    deals = [decided(f"D-{n}", 1, dict.fromkeys(names, 10_000 + n)) for n in range(200)]
    await books.store(*messages(*deals))
    await asyncio.gather(*(books.settle(batch=20) for _ in range(4)))
    assert await books.database.pool.fetchval("SELECT count(*) FROM rewards.journal") == 1_000
    report = await books.verify()
    assert report.ok
    assert report.waiting == 0


async def test_what_is_missing_parks_the_earning_until_it_arrives(books: Books) -> None:
    """Without the program nothing is posted; without the partner neither; each arrival books what waited for it."""
    await books.tell(decided("D-1", 1, {"acme": 100_000, "beta": 50_000}))
    assert await books.balances() == {}
    await books.tell(activated())
    assert await books.balances() == {}
    await books.tell(partner("beta"))
    assert await books.balances() == {GOLD: 4_000, "partner:beta:pending USD": -4_000}
    await books.tell(partner("acme"))
    assert (await books.balances())[GOLD] == 12_000


async def test_a_promotion_does_not_change_deals_closed_before_it(books: Books) -> None:
    """A tier from today on marks no earlier deal; a tier corrected back in time does, and says so."""
    await books.tell(activated(), partner("acme", "silver"), decided("D-1", 1, {"acme": 100_000}))
    await books.store(message(partner("acme", "gold", version=2, since=date(2026, 3, 3))))
    assert await books.database.pool.fetchval("SELECT count(*) FROM rewards.dirty") == 0
    await books.tell(partner("acme", "gold", version=3, since=CLOSED))
    assert (await books.balances())["partner:acme:pending USD"] == -8_000
    causes = await books.database.pool.fetch(
        "SELECT reason ->> 'cause' AS cause FROM rewards.journal ORDER BY journal_id"
    )
    assert causes[-1]["cause"] == "the partner's tier at the close is gold, before: silver"


async def test_an_older_revision_that_comes_late_changes_nothing(books: Books) -> None:
    """The highest revision is the deal's credit, whenever it came."""
    await books.tell(activated(), partner("acme"), decided("D-1", 2, {"acme": 50_000}))
    await books.tell(decided("D-1", 1, {"acme": 900_000}))
    assert (await books.balances())[GOLD] == 4_000


async def test_the_same_key_with_another_body_is_kept_and_not_applied(books: Books) -> None:
    """Conflicting credit, partner and program facts are stored once each, shown, and change no balance."""
    await books.tell(activated(), partner("acme"), decided("D-1", 1, {"acme": 100_000}))
    before = await books.balances()
    for _ in range(2):
        await books.tell(
            activated(rates={"silver": "50%", "gold": "90%"}), partner("acme", "silver"),
            decided("D-1", 1, {"acme": 999_999}), decided("D-1", 1, {"acme": 100_000}, cause="told again"),
        )  # fmt: skip
    assert await books.balances() == before
    async with books.client() as client:
        items = (await client.get("/conflicts")).json()["items"]
    assert [(item["event"], item["key"]) for item in items] == [
        ("program.activated", '["northwind","1"]'), ("partner.upserted", '["acme","1"]'),
        ("credit.decided", '["crm","D-1","1"]'),
    ]  # fmt: skip


async def test_two_different_bodies_in_one_batch_are_a_conflict_too(books: Books) -> None:
    """The first in the batch is the fact, the second the conflict."""
    await books.tell(activated(), partner("acme"), decided("D-1", 1, {"acme": 100_000}), decided("D-1", 1, {"acme": 1}))
    assert (await books.balances())[GOLD] == 8_000
    assert await books.database.pool.fetchval("SELECT count(*) FROM rewards.conflict") == 1


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"not json", "message: invalid JSON"),
        (b'{"source":"crm"}', "id: Field required"),
        (GOOD.replace(b'"amount":"0.05"', b'"amount":"0.06"', 1), "amount:"),
        (GOOD.replace(b'"program":"northwind"', b'"program":null'), "program:"),
        (GOOD.replace(b"credited", b"not_won"), "shares:"),
    ],
)  # fmt: skip
async def test_a_wrong_message_is_refused_by_name_and_the_others_are_kept(
    books: Books, value: bytes, reason: str
) -> None:
    """One bad message is refused with the field at fault; its neighbours are stored."""
    refused = await books.store(
        *messages(activated(), partner("acme")), raw(value), message(decided("E", 1, {"acme": 100}))
    )
    assert len(refused) == 1
    assert refused[0].message.value == value
    assert reason in refused[0].reason
    await books.settle()
    assert (await books.balances())[GOLD] == 8


async def test_messages_of_other_types_are_passed_over_and_untyped_ones_refused(books: Books) -> None:
    """The directory's topic carries more than we read; a message without its type is nobody's."""
    other = raw(b"{}", topic="tributary.directory", kind="account.linked")
    untyped = raw(b"{}", kind=None)
    assert [r.message for r in await books.store(other, untyped)] == [untyped]


async def test_a_worker_that_computed_from_stale_books_is_refused(books: Books) -> None:
    """Two computations of the same next journal with different content: the second raises, nothing of it stays."""
    await books.store(*messages(activated(), partner("acme"), decided("D-1", 1, {"acme": 100_000})))
    async with books.database.pool.acquire() as connection:
        stale = await Loader().load(connection, [("crm", "D-1")])
    await books.settle()
    (credit,) = stale.credits
    journals = stale.differences(credit, stale.target(credit, LATER))
    with pytest.raises(post.KeyConflict):
        async with books.database.transaction() as connection:
            await post.post_all(connection, journals)
    same = stale.differences(credit, stale.target(credit, NOW))
    async with books.database.transaction() as connection:
        assert await post.post_all(connection, same) == 0
    assert (await books.verify()).ok


async def test_a_credit_and_a_partner_stored_at_the_same_time_find_each_other(books: Books) -> None:
    """A directory fact waits for credit still being stored, so that neither misses the other."""
    await books.tell(activated())
    async with books.database.transaction() as storing:
        await Facts().store(storing, messages(decided("D-1", 1, {"acme": 100_000})))
        second = asyncio.create_task(books.store(message(partner("acme"))))
        done, _ = await asyncio.wait([second], timeout=0.3)
        assert not done
    await second
    await books.settle()
    assert (await books.balances())[GOLD] == 8_000


async def test_statements_do_not_grow_with_the_batch(books: Books) -> None:
    """A batch of 300 deals takes as many statements as a batch of thirty."""
    await books.tell(activated(), partner("acme"), decided("W", 1, {"acme": 1_000}))

    async def statements(count: int, prefix: str) -> int:
        events: Sequence[Contract] = [decided(f"{prefix}-{n}", 1, {"acme": 10_000}) for n in range(count)]
        seen: list[str] = []

        def log(record: asyncpg.connection.LoggedQuery) -> None:
            seen.append(record.query)

        async with books.database.transaction() as connection:
            with connection.query_logger(log):
                await Facts().store(connection, messages(*events))
                keys = [f'["crm","{prefix}-{n}"]' for n in range(count)]
                await Rewards()(connection, keys, Context(NOW, 0, None))
        return len(seen)

    assert await statements(300, "many") == await statements(30, "few")
