"""The doors of a running system, as a client of its HTTP APIs sees them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
import httpx

from shared import access
from shared.errors import TributaryError
from tributary.runner import System

TIMEOUT_S: Final = 30.0
"""Of one request. On an idle system a batch is answered in milliseconds."""
PAGE: Final = 500
"""Items per page: the most the APIs give."""

Json = dict[str, Any]


class DemoError(TributaryError):
    """The demo cannot go on; the message says what was refused, or what did not come."""


class Api:
    """Calls with one API key. An answer that is no success ends the demo with the text of the problem."""

    def __init__(self, http: httpx.AsyncClient, urls: Mapping[str, str], key: str) -> None:
        self._http = http
        self._urls = urls
        self._headers = {"Authorization": f"Bearer {key}"}

    def with_key(self, key: str) -> Api:
        """The same doors with another key."""
        return Api(self._http, self._urls, key)

    async def get(self, service: str, path: str, **query: str | int) -> Json:
        """One JSON object."""
        return _success(await self._call("GET", service, path, params=query))

    async def find(self, service: str, path: str) -> Json | None:
        """One JSON object, or None when there is no such thing (yet)."""
        answer = await self._call("GET", service, path)
        return None if answer.status_code == httpx.codes.NOT_FOUND else _success(answer)

    async def every(self, service: str, path: str, **query: str | int) -> list[Json]:
        """All items of a cursor-paged list."""
        items: list[Json] = []
        page = await self.get(service, path, limit=PAGE, **query)
        items += page["items"]
        while page["next"]:
            page = await self.get(service, path, limit=PAGE, cursor=page["next"], **query)
            items += page["items"]
        return items

    async def post(self, path: str, items: Json | Sequence[Json]) -> Json:
        """Hand JSON to ingest."""
        return _success(await self._call("POST", "ingest", path, json=items if isinstance(items, dict) else [*items]))

    async def post_program(self, text: str) -> Json:
        """Activate a program, as its owner wrote it."""
        yaml = {"Content-Type": "application/yaml"}
        return _success(await self._call("POST", "ingest", "programs", content=text, headers=yaml))

    async def _call(
        self, method: str, service: str, path: str, *, headers: Mapping[str, str] | None = None, **more: Any  # noqa: ANN401  httpx's own options
    ) -> httpx.Response:  # fmt: skip
        url = f"{self._urls[service]}/{service}/v1/{path}"
        try:
            return await self._http.request(method, url, headers=self._headers | dict(headers or {}), **more)
        except httpx.TransportError as error:
            raise DemoError(f"{method} {url} got no answer: {error!r}") from error


def _success(answer: httpx.Response) -> Json:
    if not answer.is_success:
        request = answer.request
        raise DemoError(f"{request.method} {request.url} was answered with {answer.status_code}: {answer.text[:500]}")
    body: Json = answer.json()
    return body


@asynccontextmanager
async def opened(system: System) -> AsyncIterator[Api]:
    """The doors of a running system, with its administrator's key."""
    urls = {"ingest": system.ingest_url, "attribution": system.attribution_url, "rewards": system.rewards_url}
    async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as http:
        yield Api(http, urls, system.admin_key)


async def create_keys(database_url: str, wanted: Sequence[tuple[str, Sequence[str], str | None]]) -> list[str]:
    """API keys as `tributary keys create` makes them, from (source, scopes, partner or None)."""
    connection = await asyncpg.connect(database_url)
    try:
        return [
            (await access.create_key(connection, name=source, source=source, scopes=list(scopes), partner=partner))[1]
            for source, scopes, partner in wanted
        ]
    finally:
        await connection.close()
