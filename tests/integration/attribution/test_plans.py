"""Every statement of the hot path looks rows up by key, with a plan made while the tables are small (ADR 10)."""

import json
from collections.abc import Iterator
from typing import Any

from services.attribution import (
    account_store,
    credit_store,
    loading,
    name_store,
    own_loading,
    partner_store,
    program_store,
    review_store,
    store,
)
from tests.integration.attribution.harness import Attribution
from tests.integration.attribution.test_order_of_statements import history

MODULES = (
    account_store, credit_store, loading, name_store, own_loading, partner_store, program_store, review_store, store,
)  # fmt: skip
VERBS = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
SMALL = {"partner_entry", "partner_merge", "program_version"}
"""Tables of a few hundred rows, read as a whole."""
OF_WHAT_WAITS = {"assignment_pending", "withdrawal_pending", "ambiguous_touchpoint_torn"}
"""Partial indexes that hold next to nothing."""
WHOLE = {"_MARK_GOVERNED", "_AMBIGUOUS", "_CANDIDATE"}
"""All won deals since a day; what was ever ambiguous; no statement but the beginning of some."""


def statements() -> Iterator[tuple[str, str]]:
    """All SQL of the stores, by name."""
    for module in MODULES:
        for name, value in vars(module).items():
            if isinstance(value, str) and value.lstrip(" \n").startswith(VERBS) and "{keys}" not in value:
                yield f"{module.__name__.rsplit('.', 1)[-1]}.{name}", value


def scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The nodes of a plan that read a table."""
    if "Relation Name" in plan and plan["Node Type"] != "ModifyTable":
        yield plan
    for part in plan.get("Plans", ()):
        yield from scans(part)


def whole(scan: dict[str, Any]) -> bool:
    """Whether a scan reads all of a table, or of an index that does not lead by what is looked up."""
    if scan["Relation Name"] in SMALL or scan.get("Index Name") in OF_WHAT_WAITS:
        return False
    return scan["Node Type"] == "Seq Scan" or ("Index" in scan["Node Type"] and "Index Cond" not in scan)


async def test_no_statement_of_the_hot_path_reads_a_whole_table(attribution: Attribution) -> None:
    """Neither with a sequential scan, nor by walking along an index."""
    await attribution.tell(*history())
    found: list[str] = []
    names = [name for name, _ in statements()]
    async with attribution.database.pool.acquire() as connection:
        for name, sql in statements():
            if name.rsplit(".", 1)[-1] in WHOLE:
                continue
            statement = await connection.prepare(sql)
            marks = ", ".join(["NULL"] * len(statement.get_parameters()))
            await connection.execute(f"PREPARE looked_at AS {sql}")
            called = f"looked_at({marks})" if marks else "looked_at"
            text = await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE {called}")
            await connection.execute("DEALLOCATE looked_at")
            found += [
                f"{name}: {scan['Node Type']} of {scan['Relation Name']} {scan.get('Index Name', '')}"
                for scan in scans(json.loads(text)[0]["Plan"]) if whole(scan)
            ]  # fmt: skip
    assert found == []
    assert len(names) > 60
