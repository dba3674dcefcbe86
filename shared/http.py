"""What every HTTP surface has in common: problem+json for each error, health, metrics, keys, paging, a body limit."""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Annotated, Any, Final

import asyncpg
import fastapi_swagger
import structlog
from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared import access, database, telemetry
from shared.errors import Fault, Invalid, Transient

PROBLEM_TYPE: Final = "application/problem+json"
MAX_BODY_BYTES: Final = 4 * 1024 * 1024
"""A thousand touchpoints with generous details are below 2 MiB; twice that leaves room, and memory stays bounded."""
MAX_FAULTS: Final = 100
"""Faults listed in one answer: enough to mend a file by, not so many that nobody reads them."""
RETRY_AFTER_S: Final = 2
"""How soon a client should repeat after 503: Kafka and PostgreSQL restart in about two seconds."""
PAGE_DEFAULT: Final = 50
PAGE_MAX: Final = 500
"""A page is read by a person or a loop; five hundred rows are quick to build and few enough calls for either."""

Ready = Callable[[], Awaitable[list[str]]]
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


class Problem(Exception):
    """An answer of RFC 9457: what is wrong, and what the caller can do."""

    def __init__(
        self, status: int, title: str, detail: str = "", *, errors: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(f"{status} {title}: {detail}")
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = errors
        self.headers = headers

    def response(self) -> JSONResponse:
        body: dict[str, Any] = {"type": "about:blank", "title": self.title, "status": self.status}
        if self.detail:
            body["detail"] = self.detail
        if self.errors:
            body["errors"] = [{"field": e.field, "message": e.message} for e in self.errors[:MAX_FAULTS]]
            if len(self.errors) > MAX_FAULTS:
                body["more_errors"] = len(self.errors) - MAX_FAULTS
        return JSONResponse(body, self.status, headers=dict(self.headers or {}), media_type=PROBLEM_TYPE)


@dataclass(frozen=True, slots=True)
class Page:
    """How many items to return, and behind which cursor."""

    limit: int
    after: tuple[str, ...] | None


def page(
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX, description="Items per page")] = PAGE_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=2_000, description="`next` of the page before")] = None,
) -> Page:
    """Dependency of every list endpoint."""
    return Page(limit, decode_cursor(cursor) if cursor else None)


def encode_cursor(*values: str) -> str:
    """An opaque place in a list, safe in a URL."""
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[str, ...]:
    """The values of a cursor made by `encode_cursor`; a made-up one is a 422 naming the field."""
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError):
        values = None
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise Problem(422, "Invalid request", errors=[Fault("cursor", "use `next` of the page before, unchanged")])
    return tuple(values)


_bearer = HTTPBearer(auto_error=False, description="An API key: `Authorization: Bearer trb_…`")


def require(scope: str) -> Callable[..., Awaitable[access.Caller]]:
    """A dependency that admits callers whose key holds the scope: 401 without a valid key, 403 without it."""

    async def admit(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> access.Caller:
        if credentials is None:
            raise _unauthorized("Send an API key as `Authorization: Bearer trb_…`; `tributary keys create` makes one.")
        caller = await access.authenticate(request.app.state.key_pool, credentials.credentials)
        if caller is None:
            raise _unauthorized("This API key is unknown, expired or revoked.")
        if not caller.holds(scope):
            raise Problem(403, "Forbidden", f"This API key lacks the scope {scope}.")
        structlog.contextvars.bind_contextvars(key=caller.key_id, source=caller.source)
        return caller

    return admit


def _unauthorized(detail: str) -> Problem:
    return Problem(401, "Unauthorized", detail, headers={"WWW-Authenticate": "Bearer"})


def create_app(
    *, service: str, title: str, description: str, key_pool: asyncpg.Pool, ready: Ready, metrics: telemetry.Metrics,
    lifespan: Lifespan | None = None,
) -> FastAPI:  # fmt: skip
    """A FastAPI application under `/{service}/v1` with health, metrics, documentation and uniform errors."""
    prefix = f"/{service}/v1"
    app = FastAPI(
        title=title, description=description, version="1", lifespan=lifespan,
        openapi_url=f"{prefix}/openapi.json", docs_url=None, redoc_url=None, swagger_ui_oauth2_redirect_url=None,
    )  # fmt: skip
    fastapi_swagger.patch_fastapi(  # the page's scripts come from here too: closed networks have no other source
        app, docs_url=f"{prefix}/docs", redirect_from_root_to_docs=True, title=title,
        swagger_js_url=f"{prefix}/docs/swagger-ui.js", swagger_css_url=f"{prefix}/docs/swagger-ui.css",
        swagger_favicon_url=f"{prefix}/docs/favicon.png", swagger_ui_parameters={"filter": True},
    )  # fmt: skip
    app.state.key_pool = key_pool

    @app.get(f"{prefix}/health/live", tags=["health"])
    async def live() -> dict[str, str]:
        """The process runs."""
        return {"status": "live"}

    @app.get(f"{prefix}/health/ready", tags=["health"], responses={503: {"description": "Not ready, with the reasons"}})
    async def is_ready() -> JSONResponse:
        """The process can do its work now; 503 with the reasons otherwise."""
        faults = await ready()
        return (
            JSONResponse({"status": "not ready", "faults": faults}, 503)
            if faults
            else JSONResponse({"status": "ready"})
        )

    @app.get("/metrics", include_in_schema=False)
    async def show_metrics() -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    _answer_problems(app)
    app.add_middleware(_Observe, metrics=metrics)
    app.add_middleware(_LimitBody)
    return app


def _answer_problems(app: FastAPI) -> None:
    @app.exception_handler(Problem)
    async def problem(_: Request, error: Problem) -> JSONResponse:
        return error.response()

    @app.exception_handler(Invalid)
    async def invalid(_: Request, error: Invalid) -> JSONResponse:
        return Problem(422, "Invalid request", errors=error.faults).response()

    @app.exception_handler(RequestValidationError)
    async def invalid_request(_: Request, error: RequestValidationError) -> JSONResponse:
        faults = [
            Fault(".".join(map(str, item["loc"][1:])) or "request", item["msg"].removeprefix("Value error, "))
            for item in error.errors()
        ]
        return Problem(422, "Invalid request", errors=faults).response()

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> JSONResponse:
        return Problem(error.status_code, str(error.detail), headers=error.headers).response()

    async def unavailable(_: Request, error: Exception) -> JSONResponse:
        structlog.get_logger().warning("request.unavailable", error=repr(error))
        detail = "A part of Tributary is away for the moment. Repeat the request with the same ids."
        return Problem(503, "Unavailable", detail, headers={"Retry-After": str(RETRY_AFTER_S)}).response()

    for kind in (Transient, *database.TRANSIENT):
        app.add_exception_handler(kind, unavailable)

    @app.exception_handler(Exception)
    async def bug(_: Request, error: Exception) -> JSONResponse:
        structlog.get_logger().error("request.failed", exc_info=error)
        return Problem(500, "Internal error", "This is a mistake in Tributary; it has been logged.").response()


class _LimitBody:
    """Answers 413 to a body beyond `MAX_BODY_BYTES`, counted as it streams: Content-Length may be wrong."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
            await _too_large().response()(scope, receive, send)
            return
        seen = 0

        async def limited() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > MAX_BODY_BYTES:
                raise _too_large()
            return message

        await self._app(scope, limited, send)


def _too_large() -> Problem:
    return Problem(413, "Body too large", f"Send at most {MAX_BODY_BYTES} bytes per request; split the batch.")


class _Observe:
    """One log line and one measurement per request. Its span is FastAPI's own."""

    def __init__(self, app: ASGIApp, metrics: telemetry.Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._log = structlog.get_logger()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        begin = time.perf_counter()

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with structlog.contextvars.bound_contextvars(key=None, source=None):
            await self._app(scope, receive, watched)
            route = getattr(scope.get("route"), "path", "unknown")  # the pattern: a label per id would never end
            seconds = time.perf_counter() - begin
            self._metrics.requests.labels(scope["method"], route, status).observe(seconds)
            self._log.debug("request.answered", method=scope["method"], route=route, status=status, seconds=seconds)
