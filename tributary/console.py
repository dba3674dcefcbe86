"""Log lines as a person wants to read them: each begins with the name of who speaks, in a colour of its own."""

from __future__ import annotations

from typing import Final

from rich.console import Console
from rich.text import Text

STYLES: Final = {"ingest": "cyan", "attribution": "magenta", "rewards": "green"}
OTHER_STYLE: Final = "bold"
WIDTH: Final = max(map(len, STYLES))


class LogView:
    """A sink for `supervisor.Supervisor`. Colours only on a terminal, and not where NO_COLOR is set."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __call__(self, name: str, line: str) -> None:
        style = STYLES.get(name, OTHER_STYLE)
        text = Text.assemble((f"{name:<{WIDTH}} │ ", style), Text.from_ansi(line))
        self._console.print(text, soft_wrap=True, highlight=False)
