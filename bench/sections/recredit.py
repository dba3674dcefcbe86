"""A full re-attribution: credit stands for every deal, a new program version changes it, and all is decided anew.

Whoever reads a deal, computes nothing and writes what is known beforehand does the least there is to do: the floor.
"""

from __future__ import annotations

from typing import Final

import asyncpg

from bench import fill, lanes
from bench.floors import recredit as floor
from bench.report import Figure, ratio
from bench.stage import Stage
from bench.workload import Workload
from shared.database import Database
from shared.kafka import Producer

CONNECTIONS: Final = 4
Times = list[tuple[float, float]]
"""Seconds of writing and of publishing, per repetition."""


async def run(stage: Stage) -> list[Figure]:
    """Deals per second, read, decided and stored, then published; every repetition begins from the same rows."""
    load = Workload(accounts=stage.sizes.recredit_deals, per_account=stage.sizes.recredit_per_deal, now=stage.now)
    async with stage.system("recredit", []) as system:
        connection = await asyncpg.connect(system.database_url)
        database = await Database.connect(system.database_url, connections=CONNECTIONS)
        producer = await Producer.connect(system.kafka)
        try:
            stage.say(f"recredit: first credit for {load.accounts:,} deals of {load.touchpoint_count:,} touchpoints")
            await _stand(database, connection, load)
            ours, floors = await _in_turn(stage, database, producer, connection, load)
        finally:
            await producer.close()
            await database.close()
            await connection.close()

    def rates(times: Times, *parts: int) -> tuple[float, ...]:
        return tuple(load.accounts / sum(each[part] for part in parts) for each in times)

    return [
        Figure("recredit", "read, decide, write, then publish", "deals/s", rates(ours, 0, 1), rates(floors, 0, 1),
               ratio(0.5)),
        Figure("recredit", "read, decide, write", "deals/s", rates(ours, 0), rates(floors, 0)),
        Figure("recredit", "publish", "deals/s", rates(ours, 1), rates(floors, 1)),
    ]  # fmt: skip


async def _stand(database: Database, connection: asyncpg.Connection, load: Workload) -> None:
    """First revisions for all deals; then a version that changes each of them, and everything marked and put aside."""
    await fill.programs(connection, load)
    await fill.accounts_and_deals(connection, load)
    await fill.touchpoints(connection, load)
    await fill.mark_all(connection)
    await lanes.reconcile(database)
    await fill.programs(connection, load, version=2)
    await fill.mark_all(connection)
    await fill.put_aside(connection)


async def _in_turn(
    stage: Stage, database: Database, producer: Producer, connection: asyncpg.Connection, load: Workload
) -> tuple[Times, Times]:
    stage.say("recredit: once for the floor to learn what is read and written")
    await fill.restore(connection)
    recorder = floor.Recorder(database)
    await lanes.reconcile(recorder)
    wanted = await fill.written(connection)
    await lanes.publish(database, producer, connection)
    ours: Times = []
    floors: Times = []
    for turn in range(1, stage.repeat + 1):
        stage.say(f"recredit: repetition {turn} of {stage.repeat}")
        await fill.restore(connection)
        with stage.measured("recredit"):
            seconds = await lanes.reconcile(database)
        await _check(connection, load)
        with stage.measured("recredit-publish"):
            ours.append((seconds, await lanes.publish(database, producer, connection)))
        await fill.restore(connection)
        with stage.measured("recredit-floor"):
            seconds = await floor.replay(database, recorder.tape)
        if (found := await fill.written(connection)) != wanted:
            raise AssertionError(f"the floor wrote {found}, the run it repeats {wanted}")
        with stage.measured("recredit-floor-publish"):
            floors.append((seconds, await lanes.publish(database, producer, connection)))
    return ours, floors


async def _check(connection: asyncpg.Connection, load: Workload) -> None:
    """Every deal has a second revision, by the new version, and no cent is lost."""
    row = await connection.fetchrow(
        "SELECT count(*), min(revision), max(revision), min(program_version), sum(amount_minor)::bigint, "
        "sum(unattributed_minor)::bigint, sum(touchpoints)::bigint FROM attribution.standing_credit"
    )
    amount = sum(map(load.amount_minor, range(load.accounts)))
    wanted = (load.accounts, 2, 2, 2, amount, 0, load.touchpoint_count)
    if tuple(row) != wanted:
        raise AssertionError(
            f"(deals, least and greatest revision, version, amount, rest, touchpoints) are {tuple(row)}, not {wanted}"
        )
