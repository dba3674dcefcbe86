"""The sending process: it counts only what was accepted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bench import client


@asynccontextmanager
async def server(*answers: int) -> AsyncIterator[tuple[str, list[bytes]]]:
    """An HTTP server that gives these answers in turn, the last one for ever; yields its address and what came in."""
    received: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await _head(reader):
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            received.append(await reader.readexactly(length))
            status = answers[min(len(received), len(answers)) - 1]
            writer.write(b"HTTP/1.1 %d Any\r\nContent-Length: 4\r\n\r\nword" % status)
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1")
    port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield f"http://127.0.0.1:{port}", received


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:  # the client has gone
        return b""


async def test_every_request_is_sent_once(tmp_path: Path) -> None:
    """Several connections share the requests, and the time of each is reported."""
    requests = [client.request("POST", "/x", "token", b"body %d" % number) for number in range(30)]
    async with server(202) as (url, received):
        sender = await client.Sender.prepare(url, tmp_path / "requests", requests, connections=3)
        sent = await sender.send()
    assert sorted(received) == sorted(b"body %d" % number for number in range(30))
    assert len(sent.requests) == 30
    assert sent.seconds >= max(sent.requests)


async def test_a_refused_request_voids_the_measurement(tmp_path: Path) -> None:
    """A single 503 among accepted requests is an error that repeats the answer's words, not a fast result."""
    requests = [client.request("POST", "/x", "token", b"body")] * 5
    async with server(202, 202, 503, 202) as (url, _):
        sender = await client.Sender.prepare(url, tmp_path / "requests", requests, connections=1)
        with pytest.raises(client.RefusedError, match="503: word"):
            await sender.send()
