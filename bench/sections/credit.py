"""Credit: the pure function alone, and the reconciler that reads facts, decides, writes credit and publishes it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import asyncpg

from bench import fill, lanes, workload
from bench.report import Figure
from bench.stage import Stage
from bench.workload import Workload
from services.attribution.domain.changes import Candidate, Change, change, difference
from services.attribution.domain.facts import Deal, Touch
from services.attribution.domain.policy import Rules
from shared import program
from shared.database import Database
from shared.events.deal import Stage as DealStage
from shared.kafka import Producer

Account = tuple[Candidate, list[Touch]]


async def run(stage: Stage) -> list[Figure]:
    """Deals per second. There is no bare program to compare with: the pure function is the floor of the rest."""
    load = Workload(accounts=stage.sizes.credit_deals, per_account=stage.sizes.credit_per_deal, now=stage.now)
    stage.say(f"credit: {load.accounts:,} deals with {load.touchpoint_count:,} touchpoints")
    pure = tuple(_pure(stage, load))
    reconciled, published = await _stored(stage, load)
    whole = load.accounts / (load.accounts / reconciled + load.accounts / published)
    return [
        Figure("credit", "pure function alone", "deals/s", pure),
        Figure("credit", "read, decide, write", "deals/s", (reconciled,), pure),
        Figure("credit", "publish", "deals/s", (published,)),
        Figure("credit", "read, decide, write, then publish", "deals/s", (whole,), pure),
    ]


def _pure(stage: Stage, load: Workload) -> Iterator[float]:
    rules = Rules([program.parse(workload.program())])
    accounts = _accounts(load)
    for turn in range(stage.repeat):
        with stage.measured("credit-pure"):
            begin = time.perf_counter()
            found = _decide(accounts, rules, load)
            seconds = time.perf_counter() - begin
        credited = sum(change.decision.unattributed_minor == 0 for change in found)
        if credited != load.accounts:
            raise AssertionError(f"{credited} of {load.accounts} deals are credited")
        stage.say(f"credit: pure function, repetition {turn + 1} of {stage.repeat}")
        yield load.accounts / seconds


def _decide(accounts: list[Account], rules: Rules, load: Workload) -> list[Change]:
    found: list[Change] = []
    for candidate, touches in accounts:
        differs = difference(candidate, touches, rules)
        if differs is not None:
            found.append(change(differs, None, load.now))
    return found


def _accounts(load: Workload) -> list[Account]:
    """Deals and touchpoints in memory, as the reconciler would have loaded them."""
    touches: list[list[Touch]] = [[] for _ in range(load.accounts)]
    for account, place, activity, at in load.happened():
        partner = load.partner(account, place)
        touches[account].append(
            Touch(workload.CRM, load.touchpoint_id(account, place), partner, activity, at, at)
        )  # fmt: skip
    return [
        (
            Candidate(
                Deal(
                    workload.CRM, f"D-{load.label}{number:06d}", DealStage.WON, f"Deal with customer {number}",
                    load.amount_minor(number), workload.CURRENCY, load.closed_at(number),
                ),
                None,
            ),
            touches[number],
        )
        for number in range(load.accounts)
    ]  # fmt: skip


async def _stored(stage: Stage, load: Workload) -> tuple[float, float]:
    """Deals per second of reconciling a filled database, and of publishing its outbox."""
    async with stage.system("credit", []) as system:
        connection = await asyncpg.connect(system.database_url)
        database = await Database.connect(system.database_url, connections=4)
        producer = await Producer.connect(system.kafka)
        try:
            stage.say("credit: filling the database")
            await fill.programs(connection, load)
            await fill.accounts_and_deals(connection, load)
            await fill.touchpoints(connection, load)
            await fill.mark_all(connection)
            stage.say("credit: reconciling")
            with stage.measured("credit"):
                reconciled = await lanes.reconcile(database)
            await _check(connection, load)
            stage.say("credit: publishing")
            with stage.measured("credit-publish"):
                published = await lanes.publish(database, producer, connection)
        finally:
            await producer.close()
            await database.close()
            await connection.close()
    return load.accounts / reconciled, load.accounts / published


async def _check(connection: asyncpg.Connection, load: Workload) -> None:
    """Every deal has its credit, and no cent is lost."""
    row = await connection.fetchrow(
        "SELECT count(*) AS deals, sum(amount_minor)::bigint AS amount, sum(unattributed_minor)::bigint AS rest, "
        "sum(touchpoints)::bigint AS touchpoints FROM attribution.standing_credit"
    )
    amount = sum(map(load.amount_minor, range(load.accounts)))
    wanted = (load.accounts, amount, 0, load.touchpoint_count)
    if tuple(row) != wanted:
        raise AssertionError(f"(deals, amount, unattributed, touchpoints) are {tuple(row)}, not {wanted}")
