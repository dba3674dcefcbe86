"""How the hot path's statements would run: which of them read more than they are asked for (ADR 10)."""

import json
import re
from collections.abc import Collection, Iterator
from types import ModuleType
from typing import Any

import asyncpg

VERBS = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
GIVEN = re.compile(r"(=|@>|ROW\(.*\) [<>]=?) (?!')")
"""A comparison with something else than a constant. All keys of a kind, and all won deals, are found by a constant."""


def statements(*modules: ModuleType) -> Iterator[tuple[str, str]]:
    """All SQL of the modules, by name; templates are left out."""
    for module in modules:
        for name, value in vars(module).items():
            if isinstance(value, str) and value.lstrip(" \n").startswith(VERBS) and "{keys}" not in value:
                yield f"{module.__name__.rsplit('.', 1)[-1]}.{name}", value


async def wasteful(
    connection: asyncpg.Connection, name: str, sql: str, *, small: Collection[str] = (), waiting: Collection[str] = ()
) -> list[str]:
    """What a statement reads as a whole, with a plan made as the hot path makes it: for no values in particular.

    `small` tables and the partial indexes of what is `waiting` may be.
    """
    statement = await connection.prepare(sql)
    marks = ", ".join(["NULL"] * len(statement.get_parameters()))
    await connection.execute(f"PREPARE looked_at AS {sql}")
    called = f"looked_at({marks})" if marks else "looked_at"
    text = await connection.fetchval(f"EXPLAIN (VERBOSE, FORMAT JSON) EXECUTE {called}")
    await connection.execute("DEALLOCATE looked_at")
    found = [
        f"{name}: {scan['Node Type']} of {scan.get('Relation Name', '')} {scan.get('Index Name', '')}"
        for scan in _scans(json.loads(text)[0]["Plan"])
        if not (_of(scan, small) or scan.get("Index Name") in waiting) and _whole(scan)
    ]
    if "hashed SubPlan" in text:
        found.append(f"{name}: a part is computed for all rows of its table at once")
    return found


def _scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The nodes of a plan that read a table or, for a bitmap, an index."""
    if ("Relation Name" in plan or "Index Name" in plan) and plan["Node Type"] != "ModifyTable":
        yield plan
    for part in plan.get("Plans", ()):
        yield from _scans(part)


def _of(scan: dict[str, Any], tables: Collection[str]) -> bool:
    return scan.get("Relation Name") in tables or scan.get("Index Name", "").startswith(tuple(tables))


def _whole(scan: dict[str, Any]) -> bool:
    """Whether a scan reads all of a table, or of an index that is not asked for a value the statement was given."""
    by_index = "Index" in scan["Node Type"]
    return scan["Node Type"] == "Seq Scan" or (by_index and not GIVEN.search(scan.get("Index Cond", "")))
