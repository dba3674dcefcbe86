"""What the attribution endpoints share: who may ask for whom, which page, and one snapshot per request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import Depends, Path, Request
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.attribution.loading import Loader
from shared import http
from shared.access import Caller
from shared.database import Database
from shared.errors import Fault
from shared.events.base import Id

Json = dict[str, Any]
Reader = Annotated[Caller, Depends(http.require("attribution:read"))]
Reviewer = Annotated[Caller, Depends(http.require("attribution:review"))]
Decider = Annotated[Caller, Depends(http.require("attribution:decide"))]
Paged = Annotated[http.Page, Depends(http.page)]
PathId = Annotated[Id, Path()]

_key: Final[TypeAdapter[tuple[str, str]]] = TypeAdapter(tuple[Id, Id])


@dataclass(frozen=True, slots=True)
class State:
    """What the endpoints share. Setting `wake` lets the reconciler look for marks at once."""

    database: Database
    loader: Loader
    clock: Callable[[], datetime]
    wake: asyncio.Event


def shared_state(request: Request) -> State:
    state: State = request.app.state.attribution
    return state


Shared = Annotated[State, Depends(shared_state)]


async def reading(state: Shared) -> AsyncIterator[AsyncConnection]:
    """A connection on which all selects of a request see the same snapshot."""
    async with state.database.engine.connect() as plain:
        yield await plain.execution_options(isolation_level="REPEATABLE READ")


Reading = Annotated[AsyncConnection, Depends(reading)]


def unbound(caller: Caller) -> None:
    """403 for a key bound to a partner."""
    if caller.partner is not None:
        raise http.Problem(403, "Forbidden", "This needs an API key that is not bound to a partner.")


def after(page: http.Page) -> tuple[str, str] | None:
    """The natural key behind which the page begins; a cursor of another list is refused."""
    return None if page.after is None else natural_key(page.after)


def natural_key(values: Sequence[str]) -> tuple[str, str]:
    """(source, id) of a cursor; 422 when it is none."""
    try:
        return _key.validate_python(values)
    except ValidationError:
        raise bad_cursor() from None


def bad_cursor() -> http.Problem:
    return http.Problem(422, "Invalid request", errors=[Fault("cursor", "use `next` of the page before, unchanged")])


def following(page: http.Page, shown: int, *place: str) -> str | None:
    """The cursor of the next page, when this one is full."""
    return http.encode_cursor(*place) if shown == page.limit else None
