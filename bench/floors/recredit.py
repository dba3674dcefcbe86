"""Floor of re-attribution: the statements of a real run again, with the same arguments, and nothing between them.

So it reads the same rows, writes byte-identical ones, and commits in the same places; only the computing is left out.
What a run asked of the database is kept on a tape while the run is made, so the floor cannot fall behind the code.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from shared.database import Database

ASKED: Final = frozenset({"execute", "executemany", "fetch", "fetchrow", "fetchval"})
"""What is kept of a connection. Whatever else the code may come to use must be added here, or `_Taped` complains."""


@dataclass(slots=True)
class Statement:
    """One statement as it was asked. `rows` is how many a cursor fetches at a time, 0 when it is none."""

    method: str
    text: str
    arguments: Sequence[Any]
    rows: int = 0


Tape = list[list[Statement]]
"""The statements of each transaction."""


class Recorder(Database):
    """A database that keeps a tape of what is asked of it in its transactions."""

    def __init__(self, database: Database) -> None:
        super().__init__(database.pool, database.engine)
        self._database = database
        self.tape: Tape = []

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[asyncpg.Connection]:
        async with self._database.transaction() as connection:
            statements: list[Statement] = []
            yield _Taped(connection, statements)
            self.tape.append(statements)


class _Taped:
    """A connection that notes each statement, and passes it on."""

    def __init__(self, connection: asyncpg.Connection, statements: list[Statement]) -> None:
        self._connection = connection
        self._statements = statements

    def __getattr__(self, method: str) -> Any:  # noqa: ANN401  what the driver's own method returns
        if method not in ASKED:
            raise AttributeError(f"the floor does not know {method}; see `ASKED`")

        async def ask(text: str, *arguments: Any) -> Any:  # noqa: ANN401  as above
            self._statements.append(Statement(method, text, arguments))
            return await getattr(self._connection, method)(text, *arguments)

        return ask

    async def cursor(self, text: str, *arguments: Any) -> _TapedCursor:  # noqa: ANN401  whatever the statement takes
        statement = Statement("cursor", text, arguments)
        self._statements.append(statement)
        return _TapedCursor(await self._connection.cursor(text, *arguments), statement)


class _TapedCursor:
    """A cursor that notes how many rows are fetched at a time."""

    def __init__(self, cursor: Any, statement: Statement) -> None:  # noqa: ANN401  the driver's own
        self._cursor = cursor
        self._statement = statement

    async def fetch(self, rows: int) -> list[asyncpg.Record]:
        self._statement.rows = rows
        fetched: list[asyncpg.Record] = await self._cursor.fetch(rows)
        return fetched


async def replay(database: Database, tape: Tape) -> float:
    """Seconds to ask everything again, transaction by transaction."""
    begin = time.perf_counter()
    for statements in tape:
        async with database.transaction() as connection:
            for each in statements:
                if each.method != "cursor":
                    await getattr(connection, each.method)(each.text, *each.arguments)
                    continue
                cursor = await connection.cursor(each.text, *each.arguments)
                while await cursor.fetch(each.rows):
                    pass
    return time.perf_counter() - begin
