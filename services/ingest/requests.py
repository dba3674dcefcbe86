"""What the headers of a request say about its body, and how refusals are answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from services.ingest.domain.batch import Form, Malformed, Refused
from shared import http
from shared.errors import Fault

YAML_TYPES: Final = frozenset({"application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"})
"""`application/yaml` is the registered one (RFC 9512); the others were used before it."""
CE_VERSION: Final = "1.0"


def media_type(headers: Mapping[str, str]) -> str:
    """The media type of a body, lower-case; 415 unless it is UTF-8 and not compressed."""
    kind, *parameters = headers.get("content-type", "").lower().split(";")
    for parameter in parameters:
        name, _, value = parameter.strip().partition("=")
        if name == "charset" and value.strip('"') not in {"utf-8", "utf8", "us-ascii"}:
            raise http.Problem(415, "Unsupported media type", "Send the body as UTF-8.")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise http.Problem(415, "Unsupported media type", "Send the body uncompressed, without Content-Encoding.")
    return kind.strip()


def form(headers: Mapping[str, str], event_type: str) -> Form:
    """How the items travel: plain JSON (also as the data of a binary-mode CloudEvent), or structured CloudEvents."""
    try:
        found = Form(media_type(headers))
    except ValueError:
        known = ", ".join(Form)
        raise http.Problem(415, "Unsupported media type", f"Send Content-Type: one of {known}.") from None
    if found is Form.JSON and "ce-specversion" in headers:
        faults = []
        if headers["ce-specversion"] != CE_VERSION:
            faults.append(Fault("ce-specversion", f"must be {CE_VERSION}"))
        if headers.get("ce-type") != event_type:
            faults.append(Fault("ce-type", f"must be {event_type}"))
        faults += [Fault(name, "is required") for name in ("ce-id", "ce-source") if not headers.get(name)]
        if faults:
            raise Refused(*faults)
    return found


def answer_refusals(app: FastAPI) -> None:
    """Answer `Malformed` with 400 and `Refused` with 422 or 403, every bad item named."""

    @app.exception_handler(Malformed)
    async def malformed(_: Request, error: Malformed) -> JSONResponse:
        return http.Problem(400, "Malformed body", f"The body cannot be read: {error}.").response()

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> JSONResponse:
        title, status = ("Forbidden", 403) if error.forbidden else ("Invalid request", 422)
        body = {
            "type": "about:blank",
            "title": title,
            "status": status,
            "detail": "Nothing of this request was kept. Mend or leave out what is named here, and send it again.",
            # All of them, beyond what a person reads: an importer sets exactly the bad rows aside.
            "errors": [{"field": fault.field, "message": fault.message} for fault in error.faults],
        }
        return JSONResponse(body, status, media_type=http.PROBLEM_TYPE)
