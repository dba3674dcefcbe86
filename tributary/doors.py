"""How a command reaches the ingest service: the address and the key of a running system, or those it is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import httpx
import typer

from tributary import runner, where
from tributary.processes import EngineError

TIMEOUT_S: Final = 30.0
"""Ingest answers within ten seconds, even when Kafka does not."""

Url = Annotated[
    str | None,
    typer.Option(envvar="TRIBUTARY_INGEST_URL", help="Address of the ingest service; by default that of this machine."),
]
Key = Annotated[
    str | None,
    typer.Option(
        envvar="TRIBUTARY_API_KEY",
        help="API key; by default the administrator's, in the data folder.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True)
class Reach:
    """The options of a command that calls the ingest service; empty ones mean the system of the data folder."""

    url: str | None
    key: str | None
    data: Path

    def client(self) -> httpx.Client:
        """A client with address and key; exits with the remedy when there is no key."""
        return httpx.Client(
            base_url=self.url or _local_url(self.data),
            headers={"Authorization": f"Bearer {self.key or _local_key(self.data)}"},
            timeout=TIMEOUT_S,
        )


def _local_url(data: Path) -> str:
    try:
        return runner.addresses(data).ingest_url
    except EngineError:  # not in this folder; perhaps compose or a cluster listens on the usual port
        return f"http://127.0.0.1:{runner.Ports().ingest}"


def _local_key(data: Path) -> str:
    file = data / runner.KEY_FILE
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:
        raise where.stop(
            f"There is no API key in {file}. Give one with --key or TRIBUTARY_API_KEY, or start the system here "
            "with `tributary up`."
        ) from None
