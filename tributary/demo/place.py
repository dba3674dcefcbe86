"""Where the demo runs: a folder that holds nothing but the demo, and ports that are free.

Load-bearing idea: the same folder always holds the same year. Its seed and its day are kept in it, so a second run
loads the very same facts, which changes nothing; and a folder with anything else in it is left alone.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from examples import northwind
from tributary import runner
from tributary.processes import EngineError

MEMORY: Final = "demo.json"
LOG: Final = "demo.log"


@dataclass(frozen=True, slots=True)
class Place:
    """A folder and the year in it. `kept`: it was named by the user and stays; `again`: the year is in it already."""

    folder: Path
    seed: int
    anchor: date
    kept: bool
    again: bool

    @property
    def log(self) -> Path:
        return self.folder / LOG

    def remember(self) -> None:
        """Note whose year this folder holds; before anything is loaded, so that a broken run can be repeated."""
        text = json.dumps({"seed": self.seed, "anchor": self.anchor.isoformat()})
        (self.folder / MEMORY).write_text(text + "\n", encoding="utf-8")


@contextmanager
def prepared(data: Path | None, seed: int | None, today: date) -> Iterator[Place]:
    """The place to run in: `data`, or a fresh temporary folder that is removed at the end.

    Raises EngineError when `data` holds something else than a demo, or the demo of another seed.
    """
    if data is None:
        with tempfile.TemporaryDirectory(prefix="tributary-demo-", ignore_cleanup_errors=True) as folder:
            yield Place(Path(folder), northwind.SEED if seed is None else seed, today, kept=False, again=False)
        return
    yield _named(data.resolve(), seed, today)


def _named(folder: Path, seed: int | None, today: date) -> Place:
    memory = folder / MEMORY
    if memory.exists():
        known = json.loads(memory.read_text(encoding="utf-8"))
        if seed not in {None, known["seed"]}:
            raise EngineError(f"{folder} holds the demo of seed {known['seed']}; choose another folder with --data")
        return Place(folder, known["seed"], date.fromisoformat(known["anchor"]), kept=True, again=True)
    runner.check_ours(folder)
    if (folder / runner.KEY_FILE).exists():
        raise EngineError(
            f"{folder} holds a system of yours, and the demo would mix with it; choose another folder with --data"
        )
    return Place(folder, northwind.SEED if seed is None else seed, today, kept=True, again=False)


async def ports() -> runner.Ports:
    """The standard ports if all of them are free, else any that are."""
    usual = runner.Ports()
    try:
        await usual.check(patience_s=0)
    except EngineError:
        return runner.Ports.free()
    return usual
