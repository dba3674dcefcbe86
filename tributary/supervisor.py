"""Child processes as one body: started together, watched together, stopped in order.

Load-bearing idea: a child is only described (`Child`); everything about running it is the same for a service, a toy in
a test or anything else. Whoever wants to know about a death asks with `first_death`; nothing happens behind its back.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import httpx

from tributary import processes

STOP_TIMEOUT_S: Final = 20.0
"""From SIGTERM to SIGKILL: a service gives open requests 10 s and then finishes its transaction."""
READY_TIMEOUT_S: Final = 60.0
"""A service imports, connects and answers within three seconds; a laptop that is busy takes longer."""
POLL_S: Final = 0.05
"""Soon enough for a person, and looking costs microseconds."""
PROBE_TIMEOUT_S: Final = 2.0
"""Of one question to a readiness address, which asks the database."""
TAIL_LINES: Final = 15
"""Last words of a child that died: enough for a traceback's end."""
DRAIN_S: Final = 5.0
"""For the last lines of a child that has ended; they are in the pipe already."""

Sink = Callable[[str, str], None]
"""Takes (name of the child, one line of its output); called from a thread per child."""


class ChildDiedError(processes.EngineError):
    """A child ended that nobody told to."""


@dataclass(frozen=True, slots=True)
class Child:
    """A program to run: `argv` starts with an absolute path, `env` is added to our own environment."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    ready_url: str | None = None
    stop_timeout_s: float = STOP_TIMEOUT_S
    ready_timeout_s: float = READY_TIMEOUT_S


class Running:
    """A child that was started."""

    def __init__(self, child: Child, sink: Sink) -> None:
        self.child = child
        self._sink = sink
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._guarded = processes.spawn(
            child.name,
            child.argv,
            output=subprocess.PIPE,
            stop_signal=signal.SIGTERM,
            grace_s=child.stop_timeout_s,
            env={**os.environ, **child.env, "PYTHONUNBUFFERED": "1"},
        )
        self._pump = threading.Thread(target=self._read, name=f"log of {child.name}", daemon=True)
        self._pump.start()

    @property
    def pid(self) -> int:
        return self._guarded.pid

    def exit_code(self) -> int | None:
        """Exit status, negative for a signal, None while it runs."""
        return self._guarded.exit_code()

    def stop(self) -> None:
        """Stop it: SIGTERM, and after its timeout SIGKILL. Does nothing when it has ended."""
        if not self._guarded.stop():
            self._sink(self.child.name, f"did not stop within {self.child.stop_timeout_s:g} s and was killed")
        self._pump.join(DRAIN_S)

    def obituary(self) -> str:
        """Say in one sentence how it ended, followed by its last words."""
        self._pump.join(DRAIN_S)
        code = self.exit_code()
        how = f"was killed by {signal.Signals(-code).name}" if code and code < 0 else f"ended with status {code}"
        words = "".join(f"\n  {line}" for line in self._tail)
        return f"{self.child.name} {how}" + (f"; its last words:{words}" if words else " without a word")

    def _read(self) -> None:
        pipe = self._guarded.process.stdout
        assert pipe is not None  # noqa: S101 (for the type checker: it was started with a pipe)
        with pipe:
            for raw in pipe:
                line = raw.decode("utf-8", "replace").rstrip("\r\n")
                self._tail.append(line)
                self._sink(self.child.name, line)


class Supervisor:
    """Runs children; `running` maps their names to them in the order of their start."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.running: dict[str, Running] = {}

    async def start(self, *children: Child) -> None:
        """Start all and wait until each is ready. Raises ChildDiedError or EngineError; those started keep running."""
        for child in children:
            self.running[child.name] = Running(child, self._sink)
        async with httpx.AsyncClient(timeout=PROBE_TIMEOUT_S, trust_env=False) as client:
            for child in children:
                await self._ready(client, child)

    async def first_death(self) -> str:
        """Wait until any child has ended, and return how."""
        while True:
            for child in self.running.values():
                if child.exit_code() is not None:
                    return await asyncio.to_thread(child.obituary)
            await asyncio.sleep(POLL_S)

    def stop(self) -> None:
        """Stop all, each in turn and in the order of their start, so that what feeds the others ends first."""
        for name in list(self.running):
            self.running.pop(name).stop()

    async def _ready(self, client: httpx.AsyncClient, child: Child) -> None:
        until = time.monotonic() + child.ready_timeout_s
        while not await _answers(client, child.ready_url):
            for running in self.running.values():
                if running.exit_code() is not None:
                    raise ChildDiedError(await asyncio.to_thread(running.obituary))
            if time.monotonic() > until:
                raise processes.EngineError(
                    f"{child.name} did not become ready within {child.ready_timeout_s:g} s ({child.ready_url})"
                )
            await asyncio.sleep(POLL_S)


async def _answers(client: httpx.AsyncClient, url: str | None) -> bool:
    if url is None:
        return True
    try:
        return (await client.get(url)).is_success
    except httpx.TransportError:  # not listening yet
        return False
