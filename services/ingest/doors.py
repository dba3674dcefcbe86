"""What the doors of ingest share: the way into Kafka, the known programs, who may enter, and the reading of JSON."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Protocol

from fastapi import Depends, Request
from fastapi.responses import JSONResponse

from services.ingest import requests
from services.ingest.catalogue import Catalogue
from services.ingest.domain import batch
from services.ingest.domain.programs import Known
from services.ingest.settings import Secrets
from shared import http
from shared.access import Caller
from shared.events.envelope import Event


class Sender(Protocol):
    """What the doors need of a Kafka producer: every event acknowledged, or `Transient`."""

    async def send(self, events: Sequence[Event]) -> None: ...


@dataclass(frozen=True, slots=True)
class Ingest:
    """What the doors share: the way into Kafka, the known programs, the secrets of webhooks, and the clock."""

    producer: Sender
    catalogue: Catalogue
    secrets: Secrets
    clock: Callable[[], datetime]

    def programs(self) -> Known:
        """The known programs; 503 until the program topic has been read."""
        if self.catalogue.faults():
            detail = "The program topic is not yet read. Repeat the request with the same ids."
            raise http.Problem(503, "Unavailable", detail, headers={"Retry-After": str(http.RETRY_AFTER_S)})
        return self.catalogue.known

    async def accept(self, events: Sequence[Event], **more: object) -> JSONResponse:
        """Append to Kafka and say how many were accepted."""
        await self.producer.send(events)
        return JSONResponse({"accepted": len(events), **more}, 202)


def _ingest(request: Request) -> Ingest:
    found: Ingest = request.app.state.ingest
    return found


def vendor(scope: str) -> Callable[..., Awaitable[Caller]]:
    """Admits keys of the vendor that hold the scope: one bound to a partner may post its touchpoints alone."""

    async def admit(
        caller: Caller = Depends(http.require(scope)),  # noqa: B008  in an annotation `scope` cannot be looked up
    ) -> Caller:
        if caller.partner is not None:
            raise http.Problem(403, "Forbidden", "A key bound to a partner may post that partner's touchpoints alone.")
        return caller

    return admit


Doors = Annotated[Ingest, Depends(_ingest)]


async def json_body(request: Request) -> bytes:
    """The body of a request that must be JSON; 415 otherwise."""
    if requests.media_type(request.headers) != batch.Form.JSON:
        raise http.Problem(415, "Unsupported media type", "Send Content-Type: application/json.")
    return await request.body()
