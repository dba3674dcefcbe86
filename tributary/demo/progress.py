"""Progress as a person wants to see it: a moving line while something runs, one calm line when it is done.

Where nothing can move (a pipe, TERM=dumb) only the calm lines are printed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from tributary.demo.look import Look


class Step:
    """A running step. `advance` moves its bar, `say` changes its words; `done` are the words of the line that stays."""

    def __init__(self, progress: Progress, task: TaskID, done: str) -> None:
        self._progress = progress
        self._task = task
        self.done = done

    def advance(self, count: int) -> None:
        self._progress.advance(self._task, count)

    def say(self, text: str) -> None:
        self._progress.update(self._task, description=text)


class Steps:
    """Prints steps one after another."""

    def __init__(self, console: Console, look: Look) -> None:
        self._console = console
        self._look = look

    @contextmanager
    def step(self, text: str, total: int | None = None) -> Iterator[Step]:
        """Show `text` while the block runs, with a bar if there is a `total`; then `Step.done` and the time it took."""
        spinner = "dots" if self._look.unicode else "line"
        columns = [SpinnerColumn(spinner), TextColumn("{task.description}")]
        bar = [BarColumn(bar_width=28), MofNCompleteColumn()] if total else [TimeElapsedColumn()]
        begin = time.perf_counter()
        with Progress(
            *columns, *bar, console=self._console, transient=True, disable=not self._console.is_interactive
        ) as progress:
            step = Step(progress, progress.add_task(text, total=total), text)
            yield step
        seconds = time.perf_counter() - begin
        line = Text.assemble((f" {self._look.tick} ", "green"), step.done, (f"  {seconds:.1f} s", "dim"))
        self._console.print(line, highlight=False)
