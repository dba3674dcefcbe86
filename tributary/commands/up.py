"""`tributary up` and `tributary reset`: the system of this machine, started and removed.

Exit status: 0 after a stop that was asked for, 1 when a part died, 2 when the system could not start.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from shared.errors import TributaryError
from tributary import processes, runner
from tributary.console import LogView
from tributary.supervisor import ChildDiedError

DIED: Final = 1
NOT_STARTED: Final = 2
IMPATIENT: Final = 130
"""The usual status of a program that was interrupted."""

DataFolder = Annotated[Path, typer.Option("--data", envvar="TRIBUTARY_STATE", help="Folder that holds all state.")]


def register(app: typer.Typer) -> None:
    app.command()(up)
    app.command()(reset)


def up(
    data: DataFolder = runner.DATA,
    ingest_port: Annotated[int, typer.Option(envvar="TRIBUTARY_INGEST_PORT")] = runner.Ports().ingest,
    attribution_port: Annotated[int, typer.Option(envvar="TRIBUTARY_ATTRIBUTION_PORT")] = runner.Ports().attribution,
    rewards_port: Annotated[int, typer.Option(envvar="TRIBUTARY_REWARDS_PORT")] = runner.Ports().rewards,
    database_url: Annotated[
        str | None,
        typer.Option(envvar="TRIBUTARY_DATABASE_URL", help="Use this PostgreSQL instead of the embedded one."),
    ] = None,
    kafka: Annotated[
        str | None, typer.Option(envvar="TRIBUTARY_KAFKA", help="Use this Kafka instead of the embedded one.")
    ] = None,
) -> None:
    """Start the system and keep it running until Ctrl-C; a second start continues where the first one stopped."""
    console = Console()
    ports = runner.Ports(ingest_port, attribution_port, rewards_port)
    system = runner.System(data, ports, sink=LogView(console), database_url=database_url, kafka=kafka)
    raise typer.Exit(run(system, console))


def run(system: runner.System, console: Console) -> int:
    """Run a system until it is asked to stop or a part dies; return the exit status."""
    try:
        asyncio.run(_until_stopped(system, console))
    except ChildDiedError as error:
        return _failure(f"Stopped, because {error}", DIED).exit_code
    except TributaryError as error:
        return _failure(f"Cannot start: {error}", NOT_STARTED).exit_code
    console.print("Stopped.")
    return 0


async def _until_stopped(system: runner.System, console: Console) -> None:
    """Run the system until a signal or a death. A second signal leaves at once; the watchers then stop the children."""
    main = asyncio.current_task()
    signals: list[int] = []

    def on_signal(number: int) -> None:
        signals.append(number)
        if len(signals) > 1 or main is None:
            os._exit(IMPATIENT)
        console.print("Stopping; once more to leave at once.")
        main.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, on_signal, number)
    try:
        async with system:
            _welcome(system, console)
            raise ChildDiedError(await system.first_death())
    except asyncio.CancelledError:
        if not signals:
            raise


def _welcome(system: runner.System, console: Console) -> None:
    at = system.at
    lines = [
        "Tributary is running.",
        f"  ingest       {at.ingest_url}/ingest/v1       docs {at.ingest_url}/ingest/v1/docs",
        f"  attribution  {at.attribution_url}/attribution/v1  docs {at.attribution_url}/attribution/v1/docs",
        f"  rewards      {at.rewards_url}/rewards/v1      docs {at.rewards_url}/rewards/v1/docs",
        f"  API key      in {system.key_file}",
        f"  Kafka        {at.kafka}",
        "Ctrl-C stops it.",
    ]
    console.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)


def reset(
    data: DataFolder = runner.DATA,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove all state of this machine's system: facts, books and keys. It must not be running."""
    folder = data.resolve()
    if not folder.exists():
        typer.echo(f"Nothing to remove: there is no {folder}.")
        return
    try:
        runner.check_ours(folder)
        lock = processes.FolderLock(folder).take()
    except processes.EngineError as error:
        raise _failure(f"Not removed: {error}", NOT_STARTED) from error
    try:
        if not yes:
            typer.confirm(f"Remove {folder} with all facts, books and keys in it?", abort=True)
        shutil.rmtree(folder)
    except OSError as error:
        raise _failure(f"Not wholly removed: {error}", NOT_STARTED) from error
    finally:
        lock.release()
    typer.echo(f"Removed {folder}.")


def _failure(message: str, status: int) -> typer.Exit:
    typer.secho(message, err=True, fg=typer.colors.RED)
    return typer.Exit(status)
