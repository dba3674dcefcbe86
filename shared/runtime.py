"""One process: the HTTP server and its workers live and die together.

SIGTERM and SIGINT set one stop event; each part finishes what it is doing and returns. The first part to fail ends the
process with its error, so a healthy-looking server never stands over a dead consumer.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
import uvicorn
from fastapi import FastAPI

from shared.errors import TributaryError

Worker = Callable[[asyncio.Event], Awaitable[None]]

GRACE_S: Final = 10
"""Open requests get this long to finish after a stop; the slowest of ours takes a second."""
BACKLOG: Final = 256
"""Connections waiting to be accepted: a burst of partner systems, not a flood."""


def stop_on_signals() -> asyncio.Event:
    """An event set by SIGTERM or SIGINT. Register before the server starts, or uvicorn exits before workers drain."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    return stop


SWITCH_INTERVAL_S: Final = 0.0005
"""A thread that computes the credit of a very large account hands the interpreter over after half a millisecond; with
Python's own 5 ms, every step of the event loop beside it would wait that long."""


def tune_interpreter() -> None:
    """Collect garbage seldom: our batches make many short-lived objects and no cycles. Let threads take short turns.

    With the defaults, batches of thousands of rows set off full collections that take a seventh of the processor and
    pause the event loop for hundreds of milliseconds.
    """
    gc.collect()
    gc.freeze()  # what start-up made stays; it need not be looked at again
    gc.set_threshold(50_000, 20, 100)
    sys.setswitchinterval(SWITCH_INTERVAL_S)


async def run(app: FastAPI, host: str, port: int, stop: asyncio.Event, *workers: Worker) -> None:
    """Serve and work until stopped. Raises the first failure (as an ExceptionGroup) after all parts have ended."""
    config = uvicorn.Config(
        app, host=host, port=port, log_config=None, access_log=False,
        timeout_graceful_shutdown=GRACE_S, backlog=BACKLOG, server_header=False,
    )  # fmt: skip
    server = uvicorn.Server(config)
    tune_interpreter()
    async with asyncio.TaskGroup() as group:
        group.create_task(_serve(server, stop))
        group.create_task(_close(server, stop))
        for worker in workers:
            group.create_task(_until_stopped(worker, stop))
    structlog.get_logger().info("service.stopped")


async def _serve(server: uvicorn.Server, stop: asyncio.Event) -> None:
    await server.serve()
    if not stop.is_set():
        raise TributaryError("the HTTP server ended by itself; is its port already in use?")


async def _close(server: uvicorn.Server, stop: asyncio.Event) -> None:
    await stop.wait()
    server.should_exit = True


async def _until_stopped(worker: Worker, stop: asyncio.Event) -> None:
    await worker(stop)
    if not stop.is_set():
        raise TributaryError(f"{getattr(worker, '__qualname__', worker)} ended before it was told to stop")
