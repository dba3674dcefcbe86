"""`python -m bench`: run all sections or those named, and print every figure beside its floor.

Load-bearing idea: a figure alone says nothing. Each section runs the part and its floor in turn, on the same engines,
with the same input; what is judged is their ratio, which travels from machine to machine better than either figure.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shutil
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Final

import orjson
import uvloop
from rich.console import Console

from bench import machine, report
from bench.report import Figure
from bench.sections import (
    chain,
    credit,
    heavy,
    intake,
    late,
    latency,
    ledger,
    million,
    more,
    peers,
    recredit,
    rewards,
    store,
)
from bench.sizes import Sizes
from bench.stage import Stage, clock

Section = Callable[[Stage], Awaitable[list[Figure]]]

SECTIONS: Final[Mapping[str, Section]] = {
    "peers": peers.run,  # first: where there is no network, better known at once than after an hour
    "intake": intake.run,
    "store": store.run,
    "credit": credit.run,
    "recredit": recredit.run,
    "late": late.run,
    "ledger": ledger.run,
    "rewards": rewards.run,
    "million": million.run,
    "more": more.run,
    "latency": latency.run,
    "chain": chain.run,
    "heavy": heavy.run,
}
FOLDER: Final = Path(".bench")
"""On the disk of the project: a temporary folder is often memory, where waiting for the disk costs nothing."""
WIDTH: Final = 150
"""Of the table, when the output is no terminal or a narrow one: cut-off figures are worse than broken lines."""
REPEAT: Final = 5


def main() -> None:
    """Measure what the command line asks for."""
    parser = _parser()
    arguments = parser.parse_args()
    if unknown := set(arguments.sections) - SECTIONS.keys():
        parser.error(f"there is no section {', '.join(sorted(unknown))}; choose from {', '.join(SECTIONS)}")
    if arguments.repeat < 1:
        parser.error("--repeat must be at least 1")
    sizes = replace(
        Sizes().scaled(arguments.scale),
        **{each.name: value for each in fields(Sizes) if (value := getattr(arguments, each.name)) is not None},
    )
    folder: Path = arguments.folder / "run"
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was interrupted
    folder.mkdir(parents=True)
    if arguments.profile:
        arguments.profile.mkdir(parents=True, exist_ok=True)
    console = Console()
    console.width = max(console.width, WIDTH)
    stage = Stage(folder.resolve(), sizes, arguments.repeat, console, clock(), _absolute(arguments.profile))
    try:
        uvloop.run(_measure(stage, arguments.sections or list(SECTIONS), arguments.json))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # it was there before, with something in it
            folder.parent.rmdir()


async def _measure(stage: Stage, names: Sequence[str], json: Path | None) -> None:
    stage.facts.update(machine.facts(stage.folder))
    figures: list[Figure] = []
    for name in names:
        figures += await SECTIONS[name](stage)
    _print(stage, figures)
    if json:
        content = {
            "measured_at": stage.now, "machine": stage.facts, "sizes": asdict(stage.sizes), "repeat": stage.repeat,
            "profiled": stage.profile is not None, "figures": [each.as_json() for each in figures],
        }  # fmt: skip
        await asyncio.to_thread(json.write_bytes, orjson.dumps(content, option=orjson.OPT_INDENT_2))


def _print(stage: Stage, figures: Sequence[Figure]) -> None:
    stage.console.print()
    for name, value in stage.facts.items():
        stage.console.print(f"[bold]{name:<12}[/bold] {value}", highlight=False)
    stage.console.print(report.table(figures))
    if stage.profile:
        stage.console.print("[bold]Measured under a profiler: the figures are lower than without.[/bold]")


def _absolute(path: Path | None) -> Path | None:
    return path.resolve() if path else None


def _parser() -> argparse.ArgumentParser:
    sections = "\n".join(f"  {name:<9}{_summary(run)}" for name, run in SECTIONS.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench", formatter_class=argparse.RawDescriptionHelpFormatter,
        description=f"Measure Tributary, each figure beside its floor.\n\nsections:\n{sections}",
    )  # fmt: skip
    parser.add_argument("sections", nargs="*", metavar="section", help="all if none is named")
    parser.add_argument("--repeat", type=int, default=REPEAT, metavar="N", help=f"short measurements ({REPEAT})")
    parser.add_argument("--scale", type=float, default=1.0, metavar="F", help="multiply all amounts, such as 0.1")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep all figures, sizes and machine facts")
    parser.add_argument("--profile", type=Path, metavar="FOLDER", help="profile services and in-process parts")
    parser.add_argument("--folder", type=Path, default=FOLDER, metavar="FOLDER", help="where engines keep their data")
    sizes = parser.add_argument_group("sizes")
    for each in fields(Sizes):
        option = f"--{each.name.replace('_', '-')}"
        sizes.add_argument(option, type=int, metavar="N", help=f"{each.metadata['meaning']} ({each.default})")
    return parser


def _summary(run: Section) -> str:
    module = sys.modules[run.__module__]
    return (module.__doc__ or "").partition("\n")[0]


if __name__ == "__main__":
    main()
