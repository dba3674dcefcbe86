"""Where a section plays: fresh engines in a folder of their own, the services it asks for, and a profiler if wanted.

Load-bearing idea: each section starts from nothing and leaves nothing, so sections do not influence each other and
each can be run alone.
"""

from __future__ import annotations

import asyncio
import cProfile
import gc
import pstats
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bench import client, machine, settle, workload
from bench.sizes import Sizes
from bench.workload import Workload
from tributary import processes
from tributary.runner import Addresses, Ports, System, three_services
from tributary.supervisor import Child, ChildDiedError

SERVICES: Final = ("ingest", "attribution", "rewards")
PROFILE_LINES: Final = 25
"""Functions listed per profile: what matters is at the top; the file holds the rest."""
PARTNERS_PER_REQUEST: Final = 1_000
"""The most that `POST /ingest/v1/partners` takes."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What a section may use. `now` is the run's one time, from which its input is made; `facts` is what it ran on."""

    folder: Path
    sizes: Sizes
    repeat: int
    console: Console
    now: datetime
    profile: Path | None = None
    facts: dict[str, str] = field(default_factory=dict)

    @asynccontextmanager
    async def system(self, name: str, services: Collection[str] = SERVICES) -> AsyncIterator[System]:
        """New engines with schemas and topics, and these services; all is stopped and removed afterwards.

        Raises ChildDiedError in the middle of the block when a service or an engine dies.
        """
        folder = self.folder / name
        folder.mkdir(parents=True)
        self.say(f"{name}: starting engines" + (f" and {', '.join(services)}" if services else ""))

        def chosen(at: Addresses, ports: Ports) -> Sequence[Child]:
            return [self._profiled(name, child) for child in three_services(at, ports) if child.name in services]

        try:
            with (folder / "system.log").open("w", encoding="utf-8") as log:
                system = System(
                    folder / "data", Ports.free(), sink=lambda who, line: print(who, line, file=log, flush=True),
                    services=chosen,
                )  # fmt: skip
                async with system:
                    self.facts["PostgreSQL"] = await machine.postgres(system.database_url)
                    with _ending_on_death(system):
                        yield system
        except Exception:
            self.say(f"{name} failed; the end of the system's log:\n{processes.log_tail(folder / 'system.log')}")
            raise
        finally:
            if self.profile:
                for child in services:
                    self._show_profile(self.profile / f"{name}-{child}.prof")
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def measured(self, name: str) -> Iterator[None]:
        """Around work in this process that is measured: no garbage of the preparation is collected meanwhile."""
        gc.collect()
        gc.freeze()
        profiler = cProfile.Profile(time.thread_time) if self.profile else None
        try:
            if profiler:
                profiler.enable()
            yield
        finally:
            if profiler and self.profile:
                profiler.disable()
                profiler.dump_stats(self.profile / f"{name}.prof")
                self._show_profile(self.profile / f"{name}.prof")
            gc.unfreeze()

    @contextmanager
    def progress(self, text: str, total: int) -> Iterator[Callable[[int], None]]:
        """A bar, or without a terminal a line at each tenth; the function yielded tells how much more is done."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self.console, disable=not self.console.is_interactive) as bar:
            task = bar.add_task(text, total=total)
            done = tenths = 0

            def advance(more: int) -> None:
                nonlocal done, tenths
                done += more
                bar.advance(task, more)
                if not self.console.is_interactive and done * 10 // total > tenths:
                    tenths = done * 10 // total
                    self.say(f"{text}: {done:,} of {total:,}")

            yield advance

    def say(self, text: str) -> None:
        """Tell the person who waits what is going on."""
        self.console.print(f"[dim]{text}[/dim]", highlight=False)

    def _profiled(self, section: str, child: Child) -> Child:
        if self.profile is None:
            return child
        file = str(self.profile / f"{section}-{child.name}.prof")
        return replace(child, argv=[sys.executable, "-m", "bench.profiled", file, child.argv[-1]])

    def _show_profile(self, file: Path) -> None:
        if file.exists():
            self.console.print(f"[bold]Where the time went: {file.name}[/bold]")
            pstats.Stats(str(file), stream=self.console.file).sort_stats("tottime").print_stats(PROFILE_LINES)


@contextmanager
def _ending_on_death(system: System) -> Iterator[None]:
    """Turn the death of a service or an engine into an error where the system is used, not into waiting for ever."""
    task = asyncio.current_task()
    deaths: list[str] = []

    async def watch() -> None:
        deaths.append(await system.first_death())
        if task is not None:
            task.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if deaths:
            raise ChildDiedError(deaths[0]) from None
        raise
    finally:
        watcher.cancel()


def clock() -> datetime:
    """Now, to the second: fractions would only make the bodies longer."""
    return datetime.now(UTC).replace(microsecond=0)


async def load_program(system: System, *loads: Workload) -> None:
    """Activate the example's program and make the partners known, through the API."""
    url, key = system.ingest_url, system.admin_key
    await client.post(url, "/ingest/v1/programs", key, [orjson.dumps(workload.program())])
    for load in loads:
        partners = workload.bodies(load.partner_items(), PARTNERS_PER_REQUEST)
        await client.post(url, "/ingest/v1/partners", key, partners)


async def load_touchpoints(system: System, *loads: Workload) -> None:
    """Post all touchpoints, and wait until they are stored."""
    for load in loads:
        bodies = workload.bodies(load.touchpoints(), 500)
        await client.post(system.ingest_url, "/ingest/v1/touchpoints", system.admin_key, bodies)
    await settle.settled(system)
