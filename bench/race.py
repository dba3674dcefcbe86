"""The race against other libraries: how both sides come to the same journeys, and what is asked of a result.

The peers bring numpy along and the project does not have it, so they run in a Python of their own, installed when
first asked for. Their process draws the workload and writes it down; this one reads what was written.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import compress
from pathlib import Path
from typing import Any, Final

import orjson

from services.attribution.domain.split import split
from shared.errors import TributaryError
from shared.models import Journey, ModelRule

HERE: Final = Path(__file__).parent
LOCK: Final = HERE / "peers.lock"
PROGRAM: Final = HERE / "peers" / "process.py"
INSTALL: Final = (
    "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "--only-binary=:all:", "-r",
)  # fmt: skip
FIRST_CLOSE: Final = datetime(2026, 1, 1, tzinfo=UTC)
CLOSES_EVERY: Final = timedelta(seconds=61)
LINE_BYTES: Final = 2**20
"""An answer names every partner: a few kilobytes, far below this."""
TOLERANCE: Final = 1e-6
"""Of a peer's figure: what adding up thirty thousand floats may do to it, beside what rounding to the cent does."""

JOURNEYS: Final = 100_000
PUBLISHED: Final = {"touches": 500_673, "won": 30_013, "value": "398298416.77"}
"""Of the full workload; one with other figures was drawn in another way, and is not comparable with anything."""
PATHS: Final = {12: 57_442, 200: 91_567}


@dataclass(frozen=True, slots=True)
class Load:
    """The workload as it was written down. Touches stand journey by journey, the earliest first."""

    names: list[str]
    lengths: list[int]
    partners: list[int]
    hours: list[float]
    won: list[bool]
    amounts: list[float]

    @classmethod
    def read(cls, file: Path) -> Load:
        return cls(**orjson.loads(file.read_bytes()))

    def journeys(self) -> list[Journey]:
        """In the form a model is given them. Every deal closes at an instant of its own."""
        names, made, begin, closed_at = self.names, [], 0, FIRST_CLOSE
        for length in self.lengths:
            end = begin + length
            instants = [closed_at - timedelta(hours=hours) for hours in self.hours[begin:end]]
            partners = [names[number] for number in self.partners[begin:end]]
            made.append(Journey(instants=instants, closed_at=closed_at, partners=partners))
            begin, closed_at = end, closed_at + CLOSES_EVERY
        return made

    def amounts_minor(self) -> list[int]:
        """What each deal is or would have been worth, in cents."""
        return [round(amount * 100) for amount in self.amounts]


@dataclass(frozen=True, slots=True)
class Deals:
    """Journeys with the amounts of their deals, and which of them were won."""

    journeys: Sequence[Journey]
    amounts: Sequence[int]
    won: Sequence[bool]

    @classmethod
    def of(cls, load: Load) -> Deals:
        return cls(load.journeys(), load.amounts_minor(), load.won)

    def forget(self) -> None:
        """Drop what journeys have computed and kept, for a peer keeps nothing from one run to the next."""
        kept = [name for name, value in vars(Journey).items() if isinstance(value, cached_property)]
        for journey in self.journeys:
            for name in kept:
                vars(journey).pop(name, None)

    def split_won(self, model: ModelRule) -> list[dict[str, int]]:
        """The exact amounts of every won deal."""
        return [
            split(model, journey, amount)
            for journey, amount, won in zip(self.journeys, self.amounts, self.won, strict=True)
            if won
        ]

    def split_all(self, model: ModelRule) -> list[dict[str, int]]:
        """The same as if every deal had been won."""
        return [split(model, journey, amount) for journey, amount in zip(self.journeys, self.amounts, strict=True)]

    def check(self, found: Sequence[Mapping[str, int]]) -> None:
        """AssertionError unless each won deal is split to the cent."""
        amounts = list(compress(self.amounts, self.won))
        if [sum(parts.values()) for parts in found] != amounts:
            raise AssertionError("the parts of a deal do not sum to its amount")


def totals(found: Sequence[Mapping[str, int]]) -> tuple[dict[str, int], dict[str, int]]:
    """What each partner is given over all deals, and on how many of them it is given anything."""
    given: dict[str, int] = {}
    deals: dict[str, int] = {}
    for parts in found:
        for partner, part in parts.items():
            given[partner] = given.get(partner, 0) + part
            deals[partner] = deals.get(partner, 0) + 1
    return given, deals


def compare(found: Sequence[Mapping[str, int]], theirs: Mapping[str, float], unit: float) -> None:
    """AssertionError unless a peer gives every partner the same, `unit` minor units being one of its own.

    A deal's parts are rounded to the minor unit: each may differ from the exact figure by less than one.
    """
    given, deals = totals(found)
    if unknown := sorted(name for name, value in theirs.items() if value and name not in given):
        raise AssertionError(f"the peer gives something to {unknown}, we do not")
    for partner, ours in given.items():
        peer = theirs.get(partner, 0.0)
        if abs(ours - peer * unit) > deals[partner] + abs(peer * unit) * TOLERANCE:
            raise AssertionError(f"{partner} is given {ours / unit:,.6f}, by the peer {peer:,.6f}")


def check_published(drawn: Mapping[str, object], partners: int, journeys: int) -> None:
    """AssertionError when the full workload is not the published one; a smaller one has no published figures."""
    if journeys == JOURNEYS and partners in PATHS and drawn != (wanted := {**PUBLISHED, "paths": PATHS[partners]}):
        raise AssertionError(f"the workload is {drawn}, not {wanted}")


async def install(folder: Path) -> Path:
    """The Python that has the peers; installed into `folder` unless it is there as locked. Needs the package index."""
    python, installed = folder / "bin" / "python", folder / "installed"
    lock = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if not installed.exists() or installed.read_text(encoding="ascii") != lock:
        shutil.rmtree(folder, ignore_errors=True)
        await _succeed(sys.executable, "-m", "venv", str(folder))
        await _succeed(str(python), *INSTALL, str(LOCK))
        installed.write_text(lock, encoding="ascii")
    return python


async def _succeed(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command)
    if await process.wait():
        raise TributaryError(f"{' '.join(command)} failed; see its words above")


class Peers:
    """The process of the peers. It works while this one waits, and waits while this one works."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    @asynccontextmanager
    async def started(cls, python: Path, file: Path, partners: int, journeys: int) -> AsyncIterator[Peers]:
        """Started, with the workload written to `file`; ended with the block."""
        process = await asyncio.create_subprocess_exec(
            str(python), str(PROGRAM), str(file), str(partners), str(journeys), stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, limit=LINE_BYTES,
        )  # fmt: skip
        peers = cls(process)
        try:
            check_published(await peers._answer(), partners, journeys)
            yield peers
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()

    async def build(self, peer: str) -> float:
        """Seconds a peer takes to bring the workload into its own form."""
        return float((await self._ask({"build": peer}))["seconds"])

    async def run(self, peer: str, model: str) -> tuple[float, Mapping[str, float]]:
        """Seconds a peer takes for a model, and what it gives to each partner."""
        answer = await self._ask({"run": peer, "model": model})
        return float(answer["seconds"]), answer["totals"]

    async def _ask(self, question: Mapping[str, str]) -> dict[str, Any]:
        assert self._process.stdin is not None  # noqa: S101 (for the type checker: it was started with a pipe)
        self._process.stdin.write(orjson.dumps(question) + b"\n")
        return await self._answer()

    async def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None  # noqa: S101 (as above)
        line = await self._process.stdout.readline()
        if not line:
            raise TributaryError(f"the peers' process ended; run {PROGRAM} by hand to see why")
        answer: dict[str, Any] = orjson.loads(line)
        return answer
