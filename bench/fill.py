"""A database filled with facts by COPY: what a system holds after years, without the years.

The rows are those the consumer would have written; nothing is marked, nothing is credited yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import asyncpg
import orjson

from bench import workload
from bench.workload import Workload
from shared import program
from shared.events import deal

FINGERPRINT: Final = bytes(16)
"""Only compared with that of a repeat, and none comes."""
RECONCILED: Final = ("credit", "standing_credit", "late_claim", "dirty")
"""The tables in which reconciling leaves something, apart from the outbox."""
OUTBOX_COLUMNS: Final = "topic, key, type, source, event_id, time, data, traceparent"
"""Those that say something; the others are numbers of the database's own."""


async def programs(connection: asyncpg.Connection, load: Workload, version: int = 1) -> None:
    """The example's program, active. A later version governs the same deals and weighs one activity otherwise."""
    document = workload.program()
    document["version"] = version
    document["activities"]["training"]["weight"] = version
    parsed = program.parse(document)
    columns = ("program", "version", "effective_from", "document", "received_at", "fingerprint")
    text = orjson.dumps(document).decode()
    row = (parsed.program, parsed.version, parsed.effective_from, text, load.now, FINGERPRINT)
    await _copy(connection, "program_version", columns, [row])


async def accounts_and_deals(connection: asyncpg.Connection, load: Workload) -> None:
    """An account per customer with two keys, and its won deal."""
    numbers = range(load.accounts)
    await _copy(connection, "account", ("account_id",), ((number + 1,) for number in numbers))
    await _copy(
        connection, "account_key", ("key", "account_id"),
        ((key, number + 1) for number in numbers for key in _keys(load, number)),
    )  # fmt: skip
    await _copy(
        connection, "deal",
        ("source", "deal_id", "version", "account_id", "keyed", "stage", "name", "amount_minor", "currency",
         "closed_at", "created_at", "keys"),
        (
            (workload.CRM, f"D-{load.label}{number:06d}", 1, number + 1, True, deal.Stage.WON,
             f"Deal with customer {number}", load.amount_minor(number), workload.CURRENCY, load.closed_at(number),
             load.created_at, _keys(load, number))
            for number in numbers
        ),
    )  # fmt: skip


def _keys(load: Workload, number: int) -> list[str]:
    return [f"crm:crm:A-{load.label}{number:06d}", f"domain:{load.domain(number)}"]


async def touchpoints(connection: asyncpg.Connection, load: Workload) -> None:
    """Every touchpoint of the workload, reported when it happened."""
    await _copy(
        connection, "touchpoint",
        ("source", "id", "partner", "activity", "occurred_at", "received_at", "domain_key", "account_name",
         "fingerprint"),
        (
            (workload.CRM, load.touchpoint_id(account, place), load.partner(account, place), activity, at, at,
             f"domain:{load.domain(account)}", f"Customer {account}", FINGERPRINT)
            for account, place, activity, at in load.happened()
        ),
    )  # fmt: skip


async def mark_all(connection: asyncpg.Connection) -> None:
    """Mark every account, and let the server finish its own work before the clock starts."""
    await connection.execute("INSERT INTO attribution.dirty (key) SELECT account_id::text FROM attribution.account")
    await connection.execute("ANALYZE")
    await connection.execute("CHECKPOINT")


async def put_aside(connection: asyncpg.Connection) -> None:
    """Keep all that reconciling changes as it is now, for `restore`."""
    await connection.execute("CREATE SCHEMA aside")
    for table in RECONCILED:
        await connection.execute(f"CREATE TABLE aside.{table} AS TABLE attribution.{table}")


async def restore(connection: asyncpg.Connection) -> None:
    """Bring back what was put aside, to the row and the mark's own id, with nothing in the outbox."""
    tables = ", ".join(f"attribution.{table}" for table in (*RECONCILED, "outbox"))
    await connection.execute(f"TRUNCATE {tables}")
    for table in RECONCILED:
        await connection.execute(f"INSERT INTO attribution.{table} OVERRIDING SYSTEM VALUE TABLE aside.{table}")
    await connection.execute("VACUUM (ANALYZE)")
    await connection.execute("CHECKPOINT")


async def written(connection: asyncpg.Connection) -> dict[str, tuple[int, int]]:
    """How many rows reconciling has left in each table, and the sum of their hashes: equal for equal rows alone."""
    found = {}
    for table, columns in {**dict.fromkeys(RECONCILED, "t"), "outbox": OUTBOX_COLUMNS}.items():
        row = await connection.fetchrow(
            f"SELECT count(*), coalesce(sum(hashtextextended(({columns})::text, 0)), 0) FROM attribution.{table} t"  # noqa: S608 (our own names)
        )
        found[table] = (row[0], int(row[1]))
    return found


async def _copy(
    connection: asyncpg.Connection, table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]
) -> None:
    await connection.copy_records_to_table(
        table, schema_name="attribution", columns=list(columns), records=rows, timeout=600
    )
