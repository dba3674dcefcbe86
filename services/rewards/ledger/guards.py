"""The triggers and rights that make the ledger what it is, and the questions whether they are all there.

The verification asks them, and every start does: a service does not post into a ledger that is not guarded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import asyncpg

from services.rewards import roles
from shared.errors import TributaryError

_KEPT: Final = {"no_change": "refuse_change", "no_truncate": "refuse_change"}
GUARDS: Final[Mapping[str, Mapping[str, str]]] = {
    "account": _KEPT,
    "adjustment": _KEPT,
    "adjustment_decision": {"adjustment_decision_check": "adjustment_decision_check", **_KEPT},
    "audit": _KEPT,
    "balance": _KEPT,
    "entry": {"entry_check": "entry_check", **_KEPT},
    "journal": {"journal_check": "journal_check", **_KEPT},
    "ledger_seal": _KEPT,
    "period_lock": {"period_check": "period_check", "no_truncate": "refuse_change"},
    "posting_key": _KEPT,
    "rerate": _KEPT,
    "reversal": {"reversal_check": "reversal_check", **_KEPT},
}
"""Triggers of each table with their functions. Each must exist on the table and on every partition of it, and hold in
replication mode too."""
RECORDS: Final = ("adjustment", "adjustment_decision", "audit", "rerate")
"""Tables to which the service may add rows by itself; into all others it comes through functions alone."""

_ROWS: Final = ", ".join(f"('{table}', '{name}', '{call}')" for table in GUARDS for name, call in GUARDS[table].items())
# Every table of the ledger and every partition of it, from `tabs`. By `pg_inherits`, which the statement reads as of
# the same moment as `pg_trigger`: `pg_partition_tree` would already show a month being made, without its guards.
_PLACES: Final = """places (tab, place) AS (
        SELECT tab, to_regclass('rewards.' || tab)::oid FROM tabs
        UNION SELECT p.tab, i.inhrelid FROM places p JOIN pg_inherits i ON i.inhparent = p.place)
"""

IN_PLACE: Final = f"""
    WITH RECURSIVE guards (tab, name, call) AS (VALUES {_ROWS}), tabs AS (SELECT DISTINCT tab FROM guards),
    {_PLACES}
    SELECT count(*) AS examined, count(*) FILTER (WHERE t.tgname IS NULL) AS faults,
        min(format('trigger %s on %s is missing or not ENABLE ALWAYS', g.name,
            coalesce(p.place::regclass::text, 'rewards.' || g.tab))) FILTER (WHERE t.tgname IS NULL) AS first
    FROM guards g JOIN places p USING (tab)
    LEFT JOIN pg_trigger t ON t.tgname = g.name AND t.tgrelid = p.place AND t.tgenabled = 'A'
        AND t.tgfoid = to_regproc('rewards.' || g.call)
    """  # noqa: S608  constants above
"""One row (examined, faults, first) on the triggers."""

RIGHTS: Final = f"""
    WITH RECURSIVE tabs (tab) AS (VALUES {", ".join(f"('{table}')" for table in GUARDS)}), {_PLACES}
    SELECT count(*) AS examined, count(*) FILTER (WHERE wrong) AS faults,
        min(format('%s is owned by %s or may be written by {roles.SERVICE}', place::regclass, owner))
            FILTER (WHERE wrong) AS first
    FROM (SELECT p.place, pg_get_userbyid(c.relowner) AS owner, pg_get_userbyid(c.relowner) <> '{roles.OWNER}'
            OR has_table_privilege('{roles.SERVICE}', c.oid, 'UPDATE, DELETE, TRUNCATE, TRIGGER')
            OR has_any_column_privilege('{roles.SERVICE}', c.oid, 'UPDATE')
            OR (has_any_column_privilege('{roles.SERVICE}', c.oid, 'INSERT')
                AND p.tab NOT IN ({", ".join(f"'{table}'" for table in RECORDS)})) AS wrong
        FROM places p JOIN pg_class c ON c.oid = p.place) AS r
    """  # noqa: S608  constants above
"""One row (examined, faults, first) on who owns the tables and who may write them."""


class Unguarded(TributaryError):
    """The ledger lacks a guard, or the service has more rights on it than it should."""


async def require(connection: asyncpg.Connection) -> None:
    """Raise `Unguarded`, naming the first fault, unless every guard is in place."""
    for question in (IN_PLACE, RIGHTS):
        row = await connection.fetchrow(question)
        if row["faults"]:
            raise Unguarded(
                f"the ledger is not guarded: {row['first']}; run `tributary migrate`, then `tributary verify`"
            )
