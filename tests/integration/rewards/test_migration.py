"""The ledger of the first release is carried over whole; roles are made once per server and taken by who may."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

import services.rewards
from services.rewards import deal_store, roles
from services.rewards.ledger import guards, verify
from shared import migrate
from shared.database import Database, RoleRefused
from tests.conftest import NewDatabase
from tests.integration.rewards.harness import outcomes_on, payment
from tests.unit.rewards.builders import NOW

OLD_BOOKS = """
INSERT INTO rewards.account (code, kind, currency, role, partner) VALUES
    ('partner:acme:payable', 'liability', 'USD', 'payable', 'acme'),
    ('cash:clearing:acme', 'asset', 'USD', 'paid', 'acme');
INSERT INTO rewards.balance VALUES (1, 12, 2), (2, -12, 2);
INSERT INTO rewards.posting_key VALUES
    ('a', 'x', nextval('rewards.journal_id')), ('b', 'x', nextval('rewards.journal_id'));
WITH header AS (
    INSERT INTO rewards.journal (journal_id, recorded_at, kind, effective_on, leg_count, partner, reason, source_event)
    VALUES (1, '2026-01-31 23:59:59+00', 'payment', '2025-12-31', 2, 'acme', '{}', 'old'),
           (2, '2026-02-01 00:00:00+00', 'payment', '2026-02-01', 2, 'acme', '{}', 'old'))
INSERT INTO rewards.entry VALUES (1, 1, 1, 'USD', 5, 5, 1), (1, 2, 2, 'USD', -5, -5, 1),
    (2, 1, 1, 'USD', 7, 12, 2), (2, 2, 2, 'USD', -7, -12, 2);
"""
OLD_CREDIT = """
INSERT INTO rewards.credit_snapshot (deal_source, deal_id, revision, deal_key, status, governed_on, program,
    program_version, currency, amount_minor, cause, partners, shares, credited_minor, fingerprint, body)
VALUES ('crm', 'A', 1, '["crm","A"]', 'credited', '2026-03-02', 'northwind', 1, 'USD', 10, 'x', '{acme,beta}',
        '{1/2,1/2}', '{5,5}', 'x', '{"deal_kind": "renewal", "shares": [{"influence": "sourced"}, {}]}'),
    ('crm', 'B', 1, '["crm","B"]', 'not_won', NULL, NULL, NULL, NULL, NULL, 'x', '{}', '{}', '{}', 'x',
        '{"shares": []}')
"""
FOLDER = Path(services.rewards.__file__).parent / "migrations"
SCHEMAS = (("access", "shared:access_migrations"), ("rewards", "services.rewards:migrations"))


async def upgrade(url: str, revision: str = "head") -> None:
    for schema, location in SCHEMAS:
        await asyncio.to_thread(
            migrate.upgrade, url, script_location=location, schema=schema, revision=revision
        )  # fmt: skip


@pytest.fixture(scope="module")
async def clerk(new_database: NewDatabase, rewards_template: str) -> AsyncIterator[str]:
    """The URL of an empty database for a user who is no superuser and owns that database alone."""
    assert rewards_template  # roles belong to the server: this makes them
    url = await new_database("clerk")
    owner = await asyncpg.connect(url)
    await owner.execute("CREATE ROLE tributary_test_clerk LOGIN PASSWORD 'clerk'")
    await owner.execute(f"ALTER DATABASE {urlsplit(url).path[1:]} OWNER TO tributary_test_clerk")
    parts = urlsplit(url)
    yield urlunsplit(parts._replace(netloc=f"tributary_test_clerk:clerk@{parts.hostname}:{parts.port}"))
    await owner.execute("REASSIGN OWNED BY tributary_test_clerk TO CURRENT_USER")
    await owner.execute("DROP OWNED BY tributary_test_clerk")
    await owner.execute("DROP ROLE tributary_test_clerk")
    await owner.close()


async def test_old_books_are_carried_over_into_the_months_they_were_booked_in(new_database: NewDatabase) -> None:
    """Same ids, amounts, times and running balances; partitions at the UTC month; posting goes on where it stood."""
    url = await new_database("carried")
    await upgrade(url, "0001")
    connection = await asyncpg.connect(url)
    await connection.execute(OLD_BOOKS)
    before = await connection.fetch("SELECT journal_id, recorded_at, xid::text FROM rewards.journal ORDER BY 1")
    await upgrade(url)
    assert before == await connection.fetch("SELECT journal_id, recorded_at, xid::text FROM rewards.journal ORDER BY 1")
    rows = await connection.fetch(
        "SELECT tableoid::regclass::text, journal_id, leg_no, balance_after FROM rewards.entry ORDER BY 2, 3"
    )
    assert [tuple(row) for row in rows] == [
        ("rewards.entry_2026_01", 1, 1, 5), ("rewards.entry_2026_01", 1, 2, -5),
        ("rewards.entry_2026_02", 2, 1, 12), ("rewards.entry_2026_02", 2, 2, -12),
    ]  # fmt: skip
    periods = await connection.fetch("SELECT period::text, adjusts_period FROM rewards.journal ORDER BY journal_id")
    assert [tuple(row) for row in periods] == [("2025-12-01", None), ("2026-02-01", None)]
    await guards.require(connection)
    database = await Database.connect(url, connections=2, role=roles.SERVICE)
    await outcomes_on(database, [payment("c", 3)])
    assert (await verify.verify(connection, NOW)).ok
    assert await connection.fetchval("SELECT max(journal_id) FROM rewards.journal") == 3
    await database.close()
    await connection.close()


async def test_credit_of_the_releases_before_plans_tells_what_its_body_told(new_database: NewDatabase) -> None:
    """Its kind and the class of each share, in the order of its partners, so that a re-rate can use them."""
    url = await new_database("credited")
    before = {"script_location": "services.rewards:migrations", "schema": "rewards", "revision": "0004"}
    await asyncio.to_thread(migrate.upgrade, url, **before)
    connection = await asyncpg.connect(url)
    await connection.execute(OLD_CREDIT)
    await upgrade(url)
    rows = await connection.fetch("SELECT kind, influences, activities FROM rewards.credit_snapshot ORDER BY deal_id")
    assert [tuple(row) for row in rows] == [("renewal", ["sourced", None], None), (None, [], None)]
    (first, _) = (await deal_store.load_credits(connection, [("crm", "A"), ("crm", "B")])).credits
    assert [share.influence for share in first.shares] == ["sourced", None]
    await connection.close()


async def test_several_databases_of_one_server_make_the_roles_at_once(new_database: NewDatabase) -> None:
    """Roles belong to the server, locks to a database: whoever comes second finds them made, and does not fail."""
    urls = [await new_database(f"race{number}") for number in range(6)]
    statements = (
        (FOLDER / "roles.sql").read_text(encoding="utf-8").replace("tributary_", "tributary_race_").split("\n\n")
    )

    async def make(url: str) -> None:
        connection = await asyncpg.connect(url)
        for statement in statements[1:4]:  # the first is a comment, the last ones need tables
            await connection.execute(statement)
        await connection.close()

    await asyncio.gather(*(make(url) for url in urls))
    connection = await asyncpg.connect(urls[0])
    assert await connection.fetchval(
        "SELECT pg_has_role('tributary_race_rewards', 'tributary_race_key_reader', 'USAGE')"
    )
    await connection.execute(
        "DROP ROLE tributary_race_rewards; DROP ROLE tributary_race_key_reader; DROP ROLE tributary_race_ledger_owner"
    )
    await connection.close()


async def test_a_user_without_the_role_is_told_so_and_one_with_it_needs_no_more(clerk: str, server_url: str) -> None:
    """The owner of a database who is no superuser migrates and serves, once an administrator has granted the roles."""
    with pytest.raises(RoleRefused, match="GRANT tributary_rewards TO"):
        await Database.connect(clerk, connections=2, role=roles.SERVICE)
    admin = await asyncpg.connect(server_url)
    await admin.execute(f"GRANT {roles.OWNER}, {roles.SERVICE} TO tributary_test_clerk")
    await admin.close()
    await upgrade(clerk)
    database = await Database.connect(clerk, connections=2, role=roles.SERVICE)
    assert await database.pool.fetchval("SELECT current_user") == roles.SERVICE
    async with database.engine.connect() as connection:
        assert (await connection.exec_driver_sql("SELECT current_user")).scalar() == roles.SERVICE
    await outcomes_on(database, [payment("a", 3)])
    await database.close()
