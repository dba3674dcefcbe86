"""The floor of re-attribution asks the database exactly what the run before it asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import asyncpg
import pytest

from bench.floors import recredit
from shared.database import Database

ROWS = 7


class _Cursor:
    def __init__(self, asked: list[object]) -> None:
        self._asked = asked
        self._left = ROWS

    async def fetch(self, rows: int) -> list[int]:
        self._asked.append(rows)
        taken = min(rows, self._left)
        self._left -= taken
        return [1] * taken


class _Connection:
    """Notes what it is asked; a cursor of it has seven rows."""

    def __init__(self, asked: list[object]) -> None:
        self._asked = asked

    async def fetch(self, *what: object) -> list[object]:
        self._asked.append(what)
        return list(what)

    async def execute(self, *what: object) -> None:
        self._asked.append(what)

    async def cursor(self, *what: object) -> _Cursor:
        self._asked.append(what)
        return _Cursor(self._asked)


class _Database(Database):
    """A database without one."""

    def __init__(self) -> None:
        super().__init__(cast("Any", None), cast("Any", None))
        self.asked: list[object] = []

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[asyncpg.Connection]:
        self.asked.append("begin")
        yield cast("asyncpg.Connection", _Connection(self.asked))
        self.asked.append("commit")


async def _work(database: Database) -> None:
    async with database.transaction() as connection:
        assert await connection.fetch("SELECT", 1) == ["SELECT", 1]
        cursor = await connection.cursor("TOUCHES", [1, 2])
        while await cursor.fetch(3):
            pass
    async with database.transaction() as connection:
        await connection.execute("INSERT", b"row")


async def test_a_replay_asks_the_same() -> None:
    """Statements, arguments, rows per fetch and transactions are those of the run."""
    run, replayed = _Database(), _Database()
    recorder = recredit.Recorder(run)
    await _work(recorder)
    await recredit.replay(replayed, recorder.tape)
    assert replayed.asked == run.asked
    assert run.asked == [
        "begin", ("SELECT", 1), ("TOUCHES", [1, 2]), 3, 3, 3, 3, "commit", "begin", ("INSERT", b"row"), "commit",
    ]  # fmt: skip


async def test_what_cannot_be_replayed_is_an_error() -> None:
    """A way of asking that the tape does not know must not be left out of the floor unnoticed."""
    async with recredit.Recorder(_Database()).transaction() as connection:
        with pytest.raises(AttributeError, match="copy_records_to_table"):
            await connection.copy_records_to_table("credit")
