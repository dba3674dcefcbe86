"""The order of things: start, load, wait until all is settled, show, correct something live, prove the books.

Everything shown is asked of the public APIs; nothing is read from the database.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TextIO, TypeVar

from rich.console import Console

from examples import northwind
from tributary import processes, runner
from tributary.demo import api, load, pages, place, settle, show
from tributary.demo.api import Api, DemoError, Json
from tributary.demo.load import CRM, Senders
from tributary.demo.look import Look
from tributary.demo.pages import Proof
from tributary.demo.place import Place
from tributary.demo.progress import Step, Steps
from tributary.demo.show import Names
from tributary.runner import System

LATE_ID: Final = "late-"
DEATH_NOTICE_S: Final = 0.5
"""A request that got no answer may be the first sign of a death, which is noticed within 50 ms."""
STARTING: Final = "starting PostgreSQL, Kafka and the three services"
T = TypeVar("T")


class Watched:
    """Where the log of the system goes: to a file, and what the runner itself says also into the moving line."""

    def __init__(self, log: TextIO) -> None:
        self._log = log
        self.step: Step | None = None

    def __call__(self, name: str, line: str) -> None:
        self._log.write(f"{name}: {line}\n")
        self._log.flush()
        if self.step is not None and name == runner.SELF:
            self.step.say(line)


async def _start(stack: AsyncExitStack, steps: Steps, where: Place) -> System:
    """The whole system in the demo's folder, until the stack is closed; its log is in the file `demo.log` there."""
    runner.claim(where.folder)
    where.remember()
    watched = Watched(stack.enter_context(where.log.open("a", encoding="utf-8")))
    with steps.step(STARTING) as step:
        watched.step = step
        system = await stack.enter_async_context(System(where.folder, await place.ports(), sink=watched))
        watched.step = None
        step.done = "PostgreSQL, Kafka and the three services are running"
    return system


async def guide(console: Console, where: Place, *, keep_running: bool) -> bool:
    """Run the demo from start to end. Returns whether the books balance and verify.

    With `keep_running` it then stays until cancelled. Raises DemoError when a request is refused, a part of the system
    dies, or something does not come to rest; EngineError when the system cannot start.
    """
    begin = time.perf_counter()
    look = Look.of(console)
    steps = Steps(console, look)
    pages.welcome(console, where)
    async with AsyncExitStack() as stack:
        system = await _start(stack, steps, where)
        doors = await stack.enter_async_context(api.opened(system))
        try:
            verified = await _while_alive(system, Tour(console, look, steps, doors, system, where).run())
        except DemoError as error:  # the log may be in a folder that is about to be removed
            raise DemoError(f"{error}\nThe end of the log:\n{processes.log_tail(where.log)}") from error
        pages.taken(console, time.perf_counter() - begin)
        if keep_running:
            pages.addresses(console, system, where)
            await _stay(console, system)
            return verified
        console.print()
        with steps.step("stopping") as step:
            await stack.aclose()
            step.done = "everything is stopped"
    pages.onwards(console, where)
    return verified


class Tour:
    """The demo on a running system."""

    def __init__(self, console: Console, look: Look, steps: Steps, doors: Api, system: System, where: Place) -> None:
        self._console = console
        self._look = look
        self._steps = steps
        self._doors = doors
        self._anchor = where.anchor
        self._example = northwind.generate(where.seed, where.anchor)
        self._names = Names.of(self._example.partners)
        self._senders = Senders(doors, system.database_url)

    async def run(self) -> bool:
        """Load and show everything; returns whether the books verify."""
        example = self._example
        await load.load(self._doors, self._senders, example, self._steps)
        await self._settled("the credit of every deal is decided, and what it earns is booked", won=None)
        await load.load_changes(self._senders, example, self._steps)
        won = settle.newest_won((*example.deals, *example.changes))
        deals = await self._settled("the differences are booked", won)
        summary = await self._doors.get("attribution", "summary")
        pages.influence(self._console, deals, summary["counts"], self._names, self._look)
        pages.pay(self._console, await self._doors.get("rewards", "summary"), self._names)
        await self._explain()
        await self._correct()
        proof = Proof(
            await self._doors.get("rewards", "summary"),
            await self._doors.get("rewards", "verification"),
            credited=show.Influence.of(deals).total,
            won=won,
        )
        pages.books(self._console, proof, self._look)
        return proof.holds

    async def _settled(self, done: str, won: Decimal | None) -> list[Json]:
        """The earnings of all deals, once everything that was sent has had its whole effect."""
        expected = settle.Expected(len(self._example.touchpoints), len(self._example.deals), won)
        with self._steps.step("waiting until all of it is worked in") as step:
            deals = await settle.settled(self._doors, expected)
            step.done = done
        return deals

    async def _explain(self) -> None:
        """One deal: who got what and why, how a partner sees it, and what was booked."""
        explained = await self._doors.get("attribution", self._hero)
        partner = explained["credit"]["shares"][0]["partner"]
        own = await self._senders.partners[partner].get("attribution", self._hero)
        pages.explain(self._console, explained, self._example.customer, self._names)
        pages.own_view(self._console, own, self._names[partner])
        pages.journals(self._console, await self._journals(), self._names)

    async def _correct(self) -> None:
        """A partner reports, late but within the grace, that it was there too; the books follow by new journals."""
        before, known = await self._doors.get("rewards", self._hero), await self._journals()
        late = self._late(await self._doors.get("attribution", self._hero))
        begin = time.perf_counter()
        await self._senders.partners[late["partner"]].post("touchpoints", late)
        after = await settle.revised(self._doors, self._hero, before["revision"] + 1)
        seconds = time.perf_counter() - begin
        pages.corrected(self._console, late, seconds, self._names)
        show.indented(self._console, show.corrected(before, after, self._names))
        pages.adjusting(self._console, (await self._journals())[len(known) :], self._names)

    def _late(self, explained: Json) -> Json:
        """The report that is missing. Each run on the same folder sends another, a minute later than the one before."""
        late = self._example.late
        sent = sum(touch["id"].startswith(LATE_ID) for touch in explained["touchpoints"])
        happened = datetime.fromisoformat(late["occurred_at"]) + timedelta(minutes=sent)
        # Told as on the day of the example: an old folder may be seen again when the grace is over.
        reported = {"reported_at": f"{self._anchor}T00:00:00Z"} if sent else {}
        return {**late, "id": f"{LATE_ID}{sent + 1}", "occurred_at": happened.isoformat(), **reported}

    async def _journals(self) -> list[Json]:
        """What was booked for the deal so far, oldest first."""
        return await self._doors.every("rewards", "journals", deal_source=CRM, deal=self._example.hero)

    @property
    def _hero(self) -> str:
        return f"deals/{CRM}/{self._example.hero}"


async def _while_alive(system: System, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`; DemoError with the end of the log when it fails, or when a part of the system dies."""
    death = asyncio.create_task(system.first_death())
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({death, task}, return_when=asyncio.FIRST_COMPLETED)
        if task.done() and task.exception() is not None:
            await asyncio.wait({death}, timeout=DEATH_NOTICE_S)
        if death.done():
            raise DemoError(f"a part of the system ended: {death.result()}")
        return task.result()
    finally:
        death.cancel()
        task.cancel()
        await asyncio.gather(death, task, return_exceptions=True)


async def _stay(console: Console, system: System) -> None:
    """Leave the system up until cancelled."""
    try:
        raise DemoError(f"a part of the system ended: {await system.first_death()}")
    except asyncio.CancelledError:
        console.print("Stopping.")
