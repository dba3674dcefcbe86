"""One more deal: what it costs to store and book it for a partner with few earlier deals, and for one with very many.

All deals of either partner closed on the same day, so in the same month. Two ledgers run beside each other and are
asked in turn: in one a partner has had a hundred thousand deals, in the other every partner has had ten, and is asked
once, so that it still had ten.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from bench import credits as credited
from bench import lanes, workload
from bench.credits import Credits
from bench.report import Figure, percentile
from bench.stage import Stage
from services.rewards import handler, roles
from services.rewards.upkeep import Upkeep
from shared.database import Database

FEW: Final = 10
"""Earlier deals of the partners that have few."""
WARM_UP: Final = 20
"""Statements are planned per connection; both have been used by then."""
_SETTLED: Final = ("VACUUM (ANALYZE)", "CHECKPOINT")
_BOOKED: Final = """
SELECT j.partner, count(*) OVER () AS journals, (SELECT b.version FROM rewards.balance b JOIN rewards.account a
    USING (account_id) WHERE a.partner = j.partner AND a.role = 'pending') AS legs
FROM rewards.journal j WHERE j.deal_source = $1 AND j.deal_id = $2
"""


async def run(stage: Stage) -> list[Figure]:
    """Milliseconds from the message of a decided credit to its committed journal."""
    probes = WARM_UP + stage.sizes.more_probes
    many = Credits(stage.sizes.more_deals, per_deal=1, partners=1, now=stage.now)
    few = Credits(FEW * probes, per_deal=1, partners=probes, now=stage.now)
    async with _filled(stage, "more-few", few) as with_few, _filled(stage, "more-many", many) as with_many:
        stage.say(f"more: {stage.sizes.more_probes} more deals in each, in turn")
        of_few: list[float] = []
        of_many: list[float] = []
        with stage.measured("more"):
            for number in range(probes):
                of_few.append(await with_few.take(number, FEW) * 1000)
                of_many.append(await with_many.take(number, many.deals + number) * 1000)
    figures = []
    for percent in (50, 95):
        value, floor = (percentile(taken[WARM_UP:], percent) for taken in (of_many, of_few))
        what = f"one more deal after {many.deals:,} of the partner, against after {FEW}, p{percent}"
        figures.append(Figure("more", what, "ms", (value,), (floor,)))
    return figures


class _Probes:
    """One ledger, and the further deals for it."""

    def __init__(self, database: Database, load: Credits) -> None:
        self._database = database
        self._lane = lanes.rewards(database)
        self._facts = handler.Facts()
        self._later = replace(load, label="more")

    async def take(self, number: int, earlier: int) -> float:
        """Seconds of one more deal; AssertionError unless it is booked, on a partner with so many earlier deals."""
        messages = credited.messages([self._later.event(number)])
        begin = time.perf_counter()
        async with self._database.transaction() as connection:
            refused = await self._facts.store(connection, messages)
        handled = await self._lane.turn()
        seconds = time.perf_counter() - begin
        row = await self._database.pool.fetchrow(_BOOKED, workload.CRM, self._later.deal_id(number))
        wanted = (self._later.partner(number, 0), 1, earlier + 1)
        if refused or handled != (1, 1) or row is None or tuple(row) != wanted:
            raise AssertionError(f"(partner, journals, legs) are {row}, not {wanted}; refused: {refused}")
        return seconds


@asynccontextmanager
async def _filled(stage: Stage, name: str, load: Credits) -> AsyncIterator[_Probes]:
    """A ledger in which every deal is booked, and nothing is left to do."""
    async with stage.system(name, []) as system:
        database = await Database.connect(system.database_url, connections=4, role=roles.SERVICE)
        try:
            await Upkeep(database).prepare()
            await credited.store(database, load.terms())
            await credited.book(stage, name, database, load.events(), load.deals)
            plain = await Database.connect(system.database_url, connections=2)
            try:
                for statement in _SETTLED:
                    await plain.pool.execute(statement)
            finally:
                await plain.close()
            yield _Probes(database, load)
        finally:
            await database.close()
