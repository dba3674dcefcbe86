"""Handler and reconciler on a real database: the same facts give the same credit, whatever way they come in."""

import asyncio
import random

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from services.attribution import credit_store, reconcile, tables
from services.attribution.domain import changes
from services.attribution.domain.policy import Rules
from shared.events import deal, touchpoint
from shared.events.credit import Status
from shared.reconcile import HEAVY, LIGHT, Context
from tests.integration.attribution.harness import CLOSE, JSON, NOW, Attribution, activated, message, touch, won


async def test_a_won_deal_is_credited_and_published_once(attribution: Attribution) -> None:
    """Touchpoints of two partners and a won deal give one published snapshot that sums to the amount."""
    await attribution.tell(activated(), touch("t1", "ada", days=30), touch("t2", "bob", days=3), won())
    [event] = await attribution.events()
    assert [(share.partner, share.share, share.amount.amount) for share in event.shares] == [
        ("ada", "1/2", "500.00"),
        ("bob", "1/2", "500.00"),
    ]
    assert (event.status, event.revision, event.cause, event.program_version) == (Status.CREDITED, 1, "won", 1)
    assert await attribution.tell(activated(), touch("t1", "ada", days=30), touch("t2", "bob", days=3), won()) == 0


def facts() -> list[JSON]:
    """A history with a renaming, a reopening, an amount change, a merge of accounts and an ambiguous touchpoint."""
    return [
        activated(),
        activated(2, effective_from="2026-04-02", model={"kind": "linear"}),
        touch("t1", "ada", days=90),
        touch("t2", "bob", days=40, activity="course"),
        touch("t3", "cleo", days=40, account={"crm_id": "A-1"}),
        touch("t4", "ada", days=5, late=3),
        touch("t5", "bob", days=5, late=30),
        touch("t6", "dan", days=7, account={"domain": "acme-labs.example"}),
        touch("t7", "dan", days=2, account={"domain": "acme-labs.example", "crm_id": "B-1"}),
        touch("t8", "eve", days=2, account={"domain": "gmail.com", "name": "Acme"}),
        won(version=1, stage="open", amount="5.00"),
        won(version=2, amount="1000.00"),
        won(version=3, stage="open", amount="1000.00"),
        won(version=4, amount="900.01"),
        won("D-2", account={"domain": "acme-labs.example", "crm_id": "A-1"}, closed_at="2026-04-09T12:00:00Z"),
        won("D-3", account={"crm_id": "B-1"}),
        won("D-4", account={"name": "Acme"}),
        won("D-5", stage="lost"),
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
async def test_order_repetition_and_batching_do_not_matter(attribution: Attribution, seed: int) -> None:
    """Shuffled facts, a fifth of them twice, in batches of any size, reconciled at any time: the same credit."""
    rng = random.Random(seed)
    told = facts() + rng.sample(facts(), k=4)
    rng.shuffle(told)
    while told:
        size = rng.randint(1, 6)
        assert not await attribution.store(*told[:size])
        told = told[size:]
        if rng.random() < 0.5:
            await attribution.settle()
    await attribution.settle()
    assert {name: await attribution.amounts(name) for name in await attribution.snapshots()} == {
        "D-1": {"ada": "744.84", "bob": "31.03", "cleo": "62.07", "dan": "62.07"},
        "D-2": {"ada": "444.45", "bob": "111.11", "cleo": "222.22", "dan": "222.22"},
        "D-3": {},
        "D-4": {},
    }  # fmt: skip
    assert not await attribution.dirty()
    assert await attribution.count("conflict") == 0


async def test_each_change_is_a_revision_with_its_cause(attribution: Attribution) -> None:
    """Won, corrected, reached by a late touchpoint, governed anew, reopened, won again: nothing is edited."""
    await attribution.tell(activated(), touch("t1", "ada", days=30), won())
    await attribution.tell(won(version=2, amount="900.00"))
    await attribution.tell(touch("t2", "bob", days=3, late=10))
    assert await attribution.amounts() == {"ada": "450.00", "bob": "450.00"}
    await attribution.tell(activated(2, model={"kind": "first"}))
    assert await attribution.amounts() == {"ada": "900.00"}
    await attribution.tell(won(version=3, stage="open"))
    await attribution.tell(won(version=4, amount="900.00"))
    assert await attribution.causes() == [
        "won",
        "amount 1,000.00 USD -> 900.00 USD",
        "late touchpoint portal/t2",
        "program influence version 2; no longer counted portal/t2",
        "reopened",
        "won again",
    ]
    assert [event.revision for event in await attribution.events()] == [1, 2, 3, 4, 5, 6]


async def test_an_old_version_of_a_deal_changes_nothing(attribution: Attribution) -> None:
    """A snapshot that comes after a newer one is kept as a fact and has no effect."""
    await attribution.tell(activated(), touch("t1"), won(version=5))
    assert await attribution.tell(won(version=4, amount="1.00"), won(version=3, stage="lost")) == 0
    assert await attribution.count("deal_version") == 3
    assert await attribution.amounts() == {"ada": "1000.00"}


async def test_a_touchpoint_reported_too_late_marks_but_changes_nothing(attribution: Attribution) -> None:
    """Beyond the grace the credit stands; before it, the same touchpoint would have counted."""
    await attribution.tell(activated(), touch("t1"), won())
    assert await attribution.tell(touch("t2", "bob", days=3, late=15)) == 0
    assert await attribution.amounts() == {"ada": "1000.00"}


async def test_the_earliest_report_of_a_touchpoint_counts(attribution: Attribution) -> None:
    """A repeat that was received earlier moves the report back into the grace, in the same batch or a later one."""
    await attribution.tell(activated(), won(), touch("t1", late=20))
    assert await attribution.tell(touch("t1", late=3)) == 1
    assert await attribution.amounts() == {"ada": "1000.00"}
    assert (
        await attribution.tell(touch("t2", "bob", late=20), touch("t2", "bob", late=3), touch("t2", "bob", late=9)) == 1
    )
    assert await attribution.amounts() == {"ada": "500.00", "bob": "500.00"}
    assert await attribution.count("conflict") == 0


async def test_accounts_that_turn_out_to_be_one_share_their_touchpoints(attribution: Attribution) -> None:
    """A deal that names keys of two accounts merges them; both accounts' deals are credited anew."""
    await attribution.tell(
        activated(),
        touch("t1", "ada", account={"domain": "acme.example"}),
        touch("t2", "bob", account={"domain": "acme-labs.example"}),
        won("D-1", account={"domain": "acme.example"}),
        won("D-2", account={"domain": "acme-labs.example"}),
    )
    assert await attribution.amounts("D-1") == {"ada": "1000.00"}
    await attribution.tell(won("D-3", stage="open", account={"domain": "acme.example", "crm_id": "A-1"}))
    await attribution.tell(won("D-4", stage="open", account={"domain": "acme-labs.example", "crm_id": "A-1"}))
    for name in ("D-1", "D-2"):
        assert await attribution.amounts(name) == {"ada": "500.00", "bob": "500.00"}
    assert await attribution.causes("D-1") == [
        "won",
        "account merged: crm:crm:A-1, domain:acme-labs.example; touchpoint portal/t2",
    ]


async def test_a_touchpoint_of_two_accounts_counts_for_neither(attribution: Attribution) -> None:
    """A link that makes a credited touchpoint ambiguous takes its credit back; a merge gives it again."""
    both = {"domain": "acme.example", "crm_id": "B-1"}
    await attribution.tell(activated(), touch("t1", account=both), won(account={"domain": "acme.example"}))
    assert await attribution.amounts() == {"ada": "1000.00"}
    await attribution.tell(won("D-2", stage="open", account={"crm_id": "B-1"}))
    assert await attribution.amounts() == {}
    await attribution.tell(won("D-3", stage="open", account=both))
    assert await attribution.amounts() == {"ada": "1000.00"}


async def test_a_deal_that_moves_to_another_account_takes_its_credit_along(attribution: Attribution) -> None:
    """The newest version names the account; the old one's touchpoints no longer count."""
    await attribution.tell(
        activated(), touch("t1", "ada"), touch("t2", "bob", account={"crm_id": "B-1"}),
        won(account={"domain": "acme.example"}),
    )  # fmt: skip
    await attribution.tell(won(version=2, account={"crm_id": "B-1"}))
    assert await attribution.amounts() == {"bob": "1000.00"}
    assert await attribution.causes() == [
        "won",
        "account changed; touchpoint portal/t2; no longer counted portal/t1",
    ]


async def test_contradicting_repeats_are_kept_and_not_applied(attribution: Attribution) -> None:
    """Another body under a natural key, in the same batch or a later one, once however often it comes."""
    await attribution.tell(activated(), touch("t1", "ada"), touch("t1", "bob"), won(), won(amount="1.00"))
    await attribution.tell(touch("t1", "bob"), won(amount="1.00"), activated(model={"kind": "last"}))
    await attribution.tell(touch("t1", "cleo", details={"room": "1"}))
    assert await attribution.amounts() == {"ada": "1000.00"}
    rows = await attribution.database.pool.fetch("SELECT kind, id, version FROM attribution.conflict ORDER BY kind, id")
    assert [tuple(row) for row in rows] == [
        ("deal", "D-1", 1), ("program", "influence", 1), ("touchpoint", "t1", 0), ("touchpoint", "t1", 0),
    ]  # fmt: skip


async def test_bad_messages_are_refused_by_name_and_the_rest_is_stored(attribution: Attribution) -> None:
    """Each refusal names the field; good messages of the same batch have their effect."""
    refused = await attribution.store(
        activated(),
        message(b"not json", touchpoint.TOPIC, touchpoint.RECORDED),
        message(b"{}", deal.TOPIC, "deal.exploded"),
        message(b"{}", touchpoint.TOPIC),
        touch("t0", partner=""),
        won("D-0", closed_at=None),
        touch("t1"),
        won(),
    )
    assert [item.reason.split(":")[0] for item in refused] == ["ce_type", "ce_type", "message", "partner", "closed_at"]
    await attribution.settle()
    assert await attribution.amounts() == {"ada": "1000.00"}


async def test_touchpoints_of_accounts_without_a_won_deal_mark_nothing(attribution: Attribution) -> None:
    """What cannot change a credit causes no work: unknown accounts, and accounts whose deals are open."""
    await attribution.tell(activated(), won(stage="open"), won("D-2", stage="lost"))
    await attribution.store(touch("t1"), touch("t2", account={"crm_id": "Z-9"}), touch("t3", account={"name": "Acme"}))
    assert not await attribution.dirty()


async def test_an_account_with_very_many_touchpoints_waits_for_the_heavy_lane(
    attribution: Attribution, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The light lane defers it and credits the others; the heavy lane then credits it by all its touchpoints."""
    monkeypatch.setattr(reconcile, "HEAVY_TOUCHPOINTS", 20)
    crowd = [touch(f"t{n}", f"partner-{n % 3}", days=1 + n / 100) for n in range(21)]
    await attribution.store(activated(), *crowd, won(), touch("x", account={"crm_id": "B-1"}))
    await attribution.store(won("D-2", account={"crm_id": "B-1"}))
    keys = await attribution.dirty()
    assert len(keys) == 2
    async with attribution.database.transaction() as connection:
        outcome = await attribution.work(connection, keys, Context(CLOSE, LIGHT, None))
        assert (outcome.changed, len(outcome.deferred)) == (1, 1)
    assert await attribution.amounts("D-2") == {"ada": "1000.00"}
    async with attribution.database.transaction() as connection:
        heavy = await attribution.work(connection, outcome.deferred, Context(CLOSE, HEAVY, None))
    assert (heavy.changed, list(heavy.deferred)) == (1, [])
    assert (await attribution.snapshots())["D-1"]["shares"][0]["touchpoint_count"] == 7


async def test_a_large_batch_takes_no_more_statements_than_a_small_one(attribution: Attribution) -> None:
    """The number of statements does not grow with messages, nor with marked accounts."""
    seen: list[str] = []
    counts = []
    for size in (2, 3, 60):  # the first warms the caches of types and programs
        facts_ = [
            fact
            for n in range(size)
            for fact in (
                touch(f"{size}-{n}", account={"crm_id": f"A-{size}-{n}"}),
                won(f"D-{size}-{n}", account={"crm_id": f"A-{size}-{n}"}),
            )
        ]
        async with attribution.database.transaction() as connection:
            with connection.query_logger(lambda record: seen.append(record.query)):
                await attribution.facts.store(connection, [message(fact) for fact in (activated(size), *facts_)])
        keys = await attribution.dirty()
        async with attribution.database.transaction() as connection:
            with connection.query_logger(lambda record: seen.append(record.query)):
                assert (await attribution.work(connection, keys, Context(NOW, LIGHT, None))).changed >= size
        counts.append(len(seen))
        seen.clear()
    assert counts[1] == counts[2] < 30


async def test_two_workers_that_decide_one_deal_write_one_revision(attribution: Attribution) -> None:
    """A revision written meanwhile by another worker is a violated key for the second: it reads anew, loses nothing."""
    await attribution.store(activated(), touch("t1"), won())
    keys = await attribution.dirty()
    context = Context(NOW, LIGHT, None)
    async with attribution.database.pool.acquire() as slow:
        [(_, seen)] = (await credit_store.candidates(slow, [int(key) for key in keys])).items()
        found = [changes.difference(candidate, [], Rules()) for candidate in seen]
        late = [changes.change(one, None, NOW) for one in found if one is not None]
        async with attribution.database.transaction() as fast:
            await attribution.work(fast, keys, context)
        with pytest.raises(asyncpg.UniqueViolationError):
            await credit_store.save(slow, late, NOW)
    assert await attribution.causes() == ["won"]
    assert await attribution.amounts() == {"ada": "1000.00"}


async def test_a_touchpoint_and_a_deal_stored_at_once_do_not_miss_each_other(attribution: Attribution) -> None:
    """A deal waits for touchpoints being stored, so whichever comes second sees the first."""
    await attribution.store(activated())
    async with attribution.database.transaction() as connection:
        await attribution.facts.store(connection, [message(touch("t1"))])
        deal_stored = asyncio.ensure_future(attribution.store(won()))
        await asyncio.sleep(0.1)
        assert not deal_stored.done()
    await deal_stored
    await attribution.settle()
    assert await attribution.amounts() == {"ada": "1000.00"}


@pytest.mark.filterwarnings("ignore:Did not recognize type 'xid8'")  # of the kit's outbox
async def test_the_tables_are_what_the_code_declares(attribution: Attribution) -> None:
    """Migrations and table definitions agree on columns, types and indexes."""
    async with attribution.database.engine.connect() as connection:
        difference = await connection.run_sync(
            lambda plain: compare_metadata(
                MigrationContext.configure(plain, opts={"include_schemas": True, "include_name": _ours}),
                tables.metadata,
            )
        )
    assert difference == []


def _ours(name: str | None, kind: str, _parents: object) -> bool:
    return name == "attribution" if kind == "schema" else name != "alembic_version"
