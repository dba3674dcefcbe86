"""Which system a command speaks to: the one of a data folder on this machine, or the one the environment names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from tributary import runner
from tributary.processes import EngineError

DataFolder = Annotated[Path, typer.Option("--data", envvar="TRIBUTARY_STATE", help="Folder of the running system.")]
USAGE = 2
"""Exit status for a command that could not begin."""


def database_url(data: Path) -> str:
    """`TRIBUTARY_DATABASE_URL` if set, else the database of the system running in `data`; exits with the remedy."""
    if url := os.environ.get("TRIBUTARY_DATABASE_URL"):
        return url
    try:
        return runner.addresses(data).database_url
    except EngineError as error:
        raise stop(f"{error}, or set TRIBUTARY_DATABASE_URL") from None


def stop(message: str) -> typer.Exit:
    """Print an error that says what to do next; raise the result."""
    typer.secho(message, err=True, fg=typer.colors.RED)
    return typer.Exit(USAGE)
