"""`tributary demo`: a made-up vendor's year through the real system, and what came of it.

Exit status: 0 when the books balance and verify, 1 when they do not or a part failed, 2 when it could not start.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from shared.errors import TributaryError
from tributary.demo import place, show, tour
from tributary.processes import EngineError

FAILED: Final = 1
NOT_STARTED: Final = 2
INTERRUPTED: Final = 130
"""The usual status of a program that was interrupted."""


def register(app: typer.Typer) -> None:
    app.command()(demo)


def demo(
    keep_running: Annotated[
        bool, typer.Option("--keep-running", help="Leave the system up afterwards, until Ctrl-C.")
    ] = False,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Another number makes up another year.", show_default="7")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the demo's state, kept afterwards; a second run continues there.",
            show_default="a temporary folder, removed at the end",
        ),
    ] = None,
) -> None:
    """Run a made-up vendor's year through the whole system, and show who earned what, and why."""
    console = show.console()
    try:
        with place.prepared(data, seed, datetime.now(UTC).date()) as where:
            verified = asyncio.run(_interruptible(tour.guide(console, where, keep_running=keep_running)))
    except EngineError as error:
        raise _failure(f"The demo cannot run: {error}", NOT_STARTED) from error
    except TributaryError as error:
        raise _failure(f"The demo failed: {error}", FAILED) from error
    except asyncio.CancelledError:
        raise _failure("Stopped.", INTERRUPTED) from None
    if not verified:
        raise typer.Exit(FAILED)


async def _interruptible(work: Coroutine[Any, Any, bool]) -> bool:
    """Ctrl-C or SIGTERM end the work in order; a second one leaves at once, and the watchers then stop the children."""
    main = asyncio.current_task()
    signals: list[int] = []

    def on_signal(number: int) -> None:
        signals.append(number)
        if len(signals) > 1 or main is None:
            os._exit(INTERRUPTED)
        main.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, on_signal, number)
    return await work


def _failure(message: str, status: int) -> typer.Exit:
    typer.secho(message, err=True, fg=typer.colors.RED)
    return typer.Exit(status)
