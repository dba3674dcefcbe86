"""Seals: blocks that follow each other without a gap, told outside, proved per journal, and rewriting found by name."""

import asyncio
import json
from collections.abc import AsyncIterator

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from services.rewards.domain import merkle, seal
from services.rewards.domain.seal import Position
from services.rewards.ledger import seals, verify
from services.rewards.sealer import Sealer
from shared.events.ledger import LedgerSealed
from tests.integration.rewards.conftest import NewBooks
from tests.integration.rewards.harness import Books, payment, post_each
from tests.integration.rewards.test_verify import GUARDED, UNGUARDED
from tests.unit.rewards.builders import activated, decided, partner

CHAIN, JOURNALS = "every seal follows the one before it", "every sealed journal is as it was sealed"
OUTSIDE = "the hash kept outside is part of the chain"


async def hashes(books: Books) -> list[bytes]:
    return [row["hash"] for row in await books.owner.fetch("SELECT hash FROM rewards.ledger_seal ORDER BY seq")]


@pytest.fixture(scope="module")
async def sealed(new_books: NewBooks) -> AsyncIterator[Books]:
    """Seven payments in blocks of two: the last block has one. Tampering is rolled back."""
    async with new_books() as books:
        await post_each(books, *(payment(f"p{n}", n, partner="acme" if n % 2 else "beta") for n in range(1, 8)))
        await books.seal(block=2)
        yield books


async def faults_after(
    books: Books, *statements: str, head: bytes | None = None
) -> dict[str, tuple[int, str | None]]:  # fmt: skip
    """The checks that fail when a superuser has done this with the guards off, with how often and the first fault."""
    async with books.superuser(UNGUARDED, *statements, GUARDED) as connection:
        report = await verify.examine(connection, books.now, head)
    return {finding.check: (finding.faults, finding.first) for finding in report.findings if finding.faults}


async def test_blocks_follow_each_other_and_hold_every_journal_once(sealed: Books) -> None:
    """Numbers from one, each hash in the next block, positions in order; the verification computes them all again."""
    async with sealed.database.pool.acquire() as connection:
        chain = [stored async for stored in seals.chain(connection, 10)]
    assert [stored.sealed.block.seq for stored in chain] == [1, 2, 3, 4]
    assert [stored.sealed.journal_ids for stored in chain] == [(1, 2), (3, 4), (5, 6), (7,)]
    assert [stored.sealed.block.prev_hash for stored in chain] == [seal.GENESIS, *(s.hash for s in chain[:-1])]
    assert chain[0].sealed.block.sum_abs == {"USD": 6}
    assert all(stored.hash == stored.sealed.block.hash for stored in chain)
    findings = {finding.check: finding for finding in (await sealed.verify()).findings}
    assert (findings[CHAIN].examined, findings[CHAIN].faults) == (4, 0)
    assert (findings[JOURNALS].examined, findings[JOURNALS].faults) == (7, 0)


async def test_each_block_is_told_outside_in_its_transaction(sealed: Books) -> None:
    """One event per block in the outbox, with the hash that stands in the table."""
    rows = await sealed.owner.fetch("SELECT xid::text, topic, event_id, data FROM rewards.outbox ORDER BY id")
    told = [LedgerSealed.model_validate_json(row["data"]) for row in rows]
    assert [bytes.fromhex(event.hash) for event in told] == await hashes(sealed)
    assert {row["topic"] for row in rows} == {"tributary.ledger"}
    written = await sealed.owner.fetch("SELECT xmin::text FROM rewards.ledger_seal ORDER BY seq")
    assert [row["xmin"] for row in written] == [row["xid"] for row in rows]


async def test_sealing_goes_on_where_it_stood_and_alone(books: Books) -> None:
    """Nothing to seal makes no block; several at once make one chain; a stop ends a backlog."""
    await books.seal()
    await post_each(books, payment("a", 5))
    await books.seal()
    await books.seal()
    assert len(await hashes(books)) == 1
    await post_each(books, *(payment(f"k{n}", 1) for n in range(6)))
    stop = asyncio.Event()
    stop.set()
    assert await Sealer(books.database, CollectorRegistry(), block=1).turn(stop) == 0
    await asyncio.gather(*(books.seal(block=1) for _ in range(3)))
    assert len(await hashes(books)) == 7
    assert (await books.verify()).ok


async def test_what_may_still_get_a_neighbour_is_not_sealed(books: Books) -> None:
    """A journal booked behind a transaction still running waits for it: none can come before a sealed one."""
    async with books.database.transaction() as early:
        await early.execute("SELECT pg_current_xact_id()")
        await post_each(books, payment("late", 5))
        sealer = Sealer(books.database, CollectorRegistry())
        assert await sealer.turn() == 0
        async with books.superuser() as connection:
            with pytest.raises(asyncpg.CheckViolationError, match="ends where journals may still come"):
                await seals.append(connection, await next_block(connection, books))
    await books.seal()
    assert len(await hashes(books)) == 1


async def next_block(connection: asyncpg.Connection, books: Books) -> seal.Sealed:
    """A block of all that is booked and not sealed, whatever is running."""
    head = await seals.head(connection)
    row = await books.owner.fetchrow(
        "SELECT j.xid::text, journal_id FROM rewards.journal j ORDER BY j.xid DESC, 2 DESC"
    )
    last = Position(int(row["xid"]), row["journal_id"])
    return seal.build(head.seq + 1, head.hash, await seals.between(connection, head.last, last, 100))


async def test_a_journals_block_is_found_by_number_and_not_by_text(sealed: Books) -> None:
    """Transaction 99 comes before 100, though not in the alphabet."""
    async with sealed.superuser(
        UNGUARDED, "UPDATE rewards.ledger_seal SET first_xid = '1', last_xid = (98 + seq)::text::xid8"
    ) as connection:  # fmt: skip
        found = [await seals.holding(connection, Position(xid, 0)) for xid in (99, 100, 102, 103)]
    assert [stored and stored.sealed.block.seq for stored in found] == [1, 2, 4, None]


async def test_the_function_takes_only_the_next_block(books: Books) -> None:
    """Another number, another hash before it, and journals that are sealed already are refused."""
    await post_each(books, payment("a", 5))
    await books.seal()
    await post_each(books, payment("b", 6))
    async with books.database.pool.acquire() as connection:
        good = await next_block(connection, books)
        again = await seals.between(connection, seal.START, good.block.last, 100)
        for wrong, said in (
            (seal.build(3, good.block.prev_hash, again[1:]), "block 3 does not follow block 1"),
            (seal.build(2, bytes(32), again[1:]), "does not name the hash of the block before it"),
            (seal.build(2, good.block.prev_hash, again), "does not begin behind the block before it"),
        ):
            with pytest.raises(asyncpg.CheckViolationError, match=said):
                await seals.append(connection, wrong)


async def test_a_chain_of_another_server_is_not_gone_on_with(books: Books) -> None:
    """Restored where transactions count from lower numbers, new journals would lie before sealed ones: it is logged."""
    await post_each(books, payment("a", 5))
    await books.seal()
    await books.owner.execute(f"{UNGUARDED}; UPDATE rewards.ledger_seal SET last_xid = '9000000000'; {GUARDED}")
    await post_each(books, payment("b", 6))
    assert await Sealer(books.database, CollectorRegistry()).turn() == 0


BALANCED = """
UPDATE rewards.entry SET amount_minor = amount_minor + sign(amount_minor) * 100,
    balance_after = balance_after + sign(amount_minor) * 100 WHERE journal_id = {journal};
UPDATE rewards.entry e SET balance_after = e.balance_after + sign(c.amount_minor) * 100 FROM rewards.entry c
    WHERE c.journal_id = {journal} AND e.account_id = c.account_id AND e.account_version > c.account_version;
UPDATE rewards.balance b SET posted_minor = posted_minor + sign(c.amount_minor) * 100 FROM rewards.entry c
    WHERE c.journal_id = {journal} AND b.account_id = c.account_id
"""
DROPPED = """
UPDATE rewards.balance b SET posted_minor = posted_minor - c.amount_minor, version = version - 1 FROM rewards.entry c
    WHERE c.journal_id = {journal} AND b.account_id = c.account_id;
UPDATE rewards.entry e SET balance_after = e.balance_after - c.amount_minor, account_version = e.account_version - 1
    FROM rewards.entry c
    WHERE c.journal_id = {journal} AND e.account_id = c.account_id AND e.account_version > c.account_version;
DELETE FROM rewards.entry WHERE journal_id = {journal};
DELETE FROM rewards.journal WHERE journal_id = {journal};
DELETE FROM rewards.posting_key WHERE journal_id = {journal}
"""
COPIED = """
CREATE TABLE header AS SELECT * FROM rewards.journal WHERE journal_id = 3;
CREATE TABLE legs AS SELECT * FROM rewards.entry WHERE journal_id = 3;
UPDATE header SET journal_id = 90; UPDATE legs SET journal_id = 90;
INSERT INTO rewards.journal SELECT * FROM header; INSERT INTO rewards.entry SELECT * FROM legs
"""


async def test_amounts_edited_so_that_all_books_still_balance_are_found(sealed: Books) -> None:
    """Both legs, the running balances and the balances agree with each other; only the seal does not."""
    # Acme's later journals, in blocks 3 and 4, carry running balances that were moved with it.
    assert await faults_after(sealed, BALANCED.format(journal=3)) == {
        JOURNALS: (3, "block 2: journal 3 is not as it was sealed"),
    }  # fmt: skip


async def test_a_journal_that_vanished_with_all_its_traces_is_found(sealed: Books) -> None:
    """Header, legs, key and balances are consistent without it; in the last block nothing else differs."""
    assert await faults_after(sealed, DROPPED.format(journal=7)) == {
        JOURNALS: (1, "block 4: journal 7 is missing"),
    }  # fmt: skip
    assert (await faults_after(sealed, DROPPED.format(journal=3)))[JOURNALS][1] == "block 2: journal 3 is missing"


@pytest.mark.parametrize(
    ("tamper", "check", "first"),
    [
        (COPIED, JOURNALS, "block 2: journal 90 was put in"),
        ("UPDATE rewards.journal SET reason = '{}' WHERE journal_id = 5", JOURNALS, "journal 5 is not as it"),
        ("UPDATE rewards.account SET partner = 'eve' WHERE partner = 'beta'", JOURNALS, "block 1: journal 2 is not as"),
        ("UPDATE rewards.journal SET xid = '1' WHERE journal_id = 6", JOURNALS, "block 1: journal 6 was put in"),
        ("INSERT INTO rewards.reversal VALUES (4, 2)", JOURNALS, "block 2: journal 4 is not as it was sealed"),
        ("DELETE FROM rewards.ledger_seal WHERE seq = 2", CHAIN, "block 2 is missing"),
        ("DELETE FROM rewards.ledger_seal WHERE seq = 1", CHAIN, "block 1 is missing"),
        (
            "UPDATE rewards.ledger_seal SET prev_hash = sha256('x') WHERE seq = 3", CHAIN,
            "block 3 does not name the hash of the block before it",
        ),
        (
            "UPDATE rewards.ledger_seal SET hash = sha256('x') WHERE seq = 3", CHAIN,
            "block 3 has a hash that is not that of what it says",
        ),
        (
            "UPDATE rewards.ledger_seal SET leaves = overlay(leaves PLACING '\\x00' FROM 1) WHERE seq = 3", CHAIN,
            "block 3 has hashes of journals that do not lead to its root",
        ),
        (
            "UPDATE rewards.ledger_seal SET sum_abs = '{\"USD\": 1}' WHERE seq = 3", JOURNALS,
            "block 3 states other sums than its journals",
        ),
    ],
)  # fmt: skip
async def test_each_change_beneath_a_seal_is_named(sealed: Books, tamper: str, check: str, first: str) -> None:
    """The first block and the first journal in it, or what is wrong with the chain."""
    assert first in str((await faults_after(sealed, tamper))[check][1])


async def test_a_tail_rewritten_with_its_seals_is_caught_by_a_hash_kept_outside_alone(sealed: Books) -> None:
    """Whoever may write seals can make a chain that holds; hashes of before the change are still in it."""
    kept = await hashes(sealed)
    async with sealed.superuser(
        UNGUARDED, "DELETE FROM rewards.ledger_seal WHERE seq >= 2", BALANCED.format(journal=7), GUARDED
    ) as connection:  # fmt: skip
        await seals.append(connection, await rest_of(connection))
        assert (await verify.examine(connection, sealed.now)).ok
        found = {}
        for block_hash in (kept[0], kept[1], kept[3]):
            report = await verify.examine(connection, sealed.now, block_hash)
            found[block_hash] = {f.check: f.first for f in report.findings if f.faults}
    assert found == {
        kept[0]: {},
        kept[1]: {OUTSIDE: f"no block has the hash {kept[1].hex()}: the chain is another"},
        kept[3]: {OUTSIDE: f"no block has the hash {kept[3].hex()}: the chain is another"},
    }


async def rest_of(connection: asyncpg.Connection) -> seal.Sealed:
    """One block of everything that is not sealed, as the sealer would make it."""
    head = await seals.head(connection)
    return seal.build(head.seq + 1, head.hash, await seals.settled(connection, head.last, 100))


async def test_the_api_lists_seals_and_proves_a_journal(sealed: Books) -> None:
    """Newest first, page by page; the proof leads from the content to the root, as anyone can compute."""
    async with sealed.client() as client:
        page = (await client.get("/seals", params={"limit": 3})).json()
        rest = (await client.get("/seals", params={"limit": 3, "cursor": page["next"]})).json()
        head = (await client.get("/seals/head")).json()
        proof = (await client.get("/journals/3/proof")).json()
        missing = await client.get("/journals/99/proof")
    assert [item["seq"] for item in page["items"] + rest["items"]] == [4, 3, 2, 1]
    assert (rest["next"], head) == (None, page["items"][0])
    assert bytes.fromhex(head["hash"]) == (await hashes(sealed))[3]
    assert head["sum_abs"] == [{"amount": "0.14", "currency": "USD"}]
    steps = [merkle.Step(bytes.fromhex(step["hash"]), step["side"] == "left") for step in proof["path"]]
    leaf = merkle.leaf(proof["content"].encode())
    assert (leaf.hex(), json.loads(proof["content"])["journal_id"]) == (proof["leaf"], 3)
    assert merkle.proves(leaf, steps, bytes.fromhex(proof["block"]["merkle_root"]))
    assert (proof["block"]["seq"], len(steps), missing.status_code) == (2, 1, 404)


async def test_a_partner_gets_the_proof_of_its_own_journals_and_no_more(sealed: Books) -> None:
    """Hashes only: what is hashed holds the vendor's balances. Seals are the whole program's."""
    async with sealed.client(partner="acme") as client:
        own, other = await client.get("/journals/3/proof"), await client.get("/journals/2/proof")
        refused = [(await client.get(path)).status_code for path in ("/seals", "/seals/head")]
    assert (own.status_code, other.status_code, refused) == (200, 404, [403, 403])
    assert own.json().keys() == {"journal", "leaf", "path", "block"}
    assert own.json()["block"].keys() == {"seq", "hash", "merkle_root", "sealed_at"}


async def test_the_api_says_when_nothing_is_sealed_yet_or_not_as_it_was(books: Books) -> None:
    """404 and 409, with what to do."""
    await books.tell(activated(), partner("acme"), decided("D-1", 1, {"acme": 100_000}))
    async with books.client() as client:
        assert (await client.get("/seals/head")).status_code == 404
        waiting = await client.get("/journals/1/proof")
        await books.seal()
        sealed = await client.get("/journals/1/proof")
        await books.owner.execute(f"{UNGUARDED}; UPDATE rewards.journal SET plan = 'x'; {GUARDED}")
        changed = await client.get("/journals/1/proof")
    assert (waiting.status_code, waiting.json()["title"]) == (409, "Not sealed yet")
    assert (sealed.status_code, sealed.json()["path"]) == (200, [])
    assert (changed.status_code, changed.json()["title"]) == (409, "Not as it was sealed")
