"""Handing mapped rows to the doors as an importer does: what a door refuses is set aside, the rest is sent again."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import asyncpg

from tests.support.crm.export import Item, Outcome, Refusal
from tests.support.system import Tributary

SCOPES: Final = ("touchpoints:write", "touchpoints:history", "deals:write", "accounts:write")
_FIELD: Final = re.compile(r"items\[(\d+)]\.(.+)")
_STORED: Final = """
    SELECT 'deals', deal_id, version FROM attribution.deal_version WHERE source = $1
    UNION ALL SELECT 'touchpoints', id, 0 FROM attribution.touchpoint WHERE source = $1
    UNION ALL SELECT 'touchpoints/withdrawals', id, 0 FROM attribution.withdrawal WHERE source = $1
    UNION ALL SELECT CASE about WHEN 'linked' THEN 'accounts' ELSE 'accounts/merges' END, id, version
    FROM attribution.account_statement WHERE source = $1
"""


@dataclass
class Table:
    """The rows of one table: accepted by a door, or counted under the reason they were refused for."""

    rows: int
    accepted: list[Item] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Sender:
    """A CRM with its own API key, and thereby its own source."""

    tributary: Tributary
    source: str
    key: str

    @classmethod
    async def named(cls, tributary: Tributary, source: str) -> Sender:
        return cls(tributary, source, await tributary.key(source, *SCOPES))

    async def deliver(self, tables: Mapping[str, Sequence[Outcome]]) -> dict[str, Table]:
        """Send all rows that the mapping did not refuse, table by table and door by door."""
        return {name: await self._table(outcomes) for name, outcomes in tables.items()}

    async def _table(self, outcomes: Sequence[Outcome]) -> Table:
        table = Table(len(outcomes))
        doors: defaultdict[str, list[Item]] = defaultdict(list)
        for outcome in outcomes:
            if isinstance(outcome, Refusal):
                table.refused[outcome.reason] += 1
            else:
                doors[outcome.path].append(outcome)
        for path, items in doors.items():
            faults = await self._post(path, items)
            table.refused.update(faults.values())
            rest = [item for index, item in enumerate(items) if index not in faults]
            if faults and rest:
                assert await self._post(path, rest) == {}
            table.accepted += rest
        return table

    async def _post(self, path: str, items: Sequence[Item]) -> dict[int, str]:
        """Post items; returns the first fault of each one that is refused, as `door: field: message`."""
        answer = await self.tributary.ingest("POST", path, [item.body for item in items], self.key)
        if answer.status_code == 202:
            assert answer.json() == {"accepted": len(items)}
            return {}
        assert answer.status_code == 422, answer.text
        faults: dict[int, str] = {}
        for error in answer.json()["errors"]:
            named = _FIELD.fullmatch(error["field"])
            assert named, error
            faults.setdefault(int(named[1]), f"door: {named[2]}: {error['message']}")
        return faults

    async def stored(self, connection: asyncpg.Connection) -> set[tuple[str, str, int]]:
        """The facts of this source that the database holds, as `Item.fact` names them."""
        return {tuple(row) for row in await connection.fetch(_STORED, self.source)}
