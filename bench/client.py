"""An HTTP/1.1 client that costs next to nothing, so that it does not eat the cores it measures with.

Run as a program it sends prepared requests over several connections from a process of its own:
`python -m bench.client HOST PORT FILE CONNECTIONS`. It says `ready`, waits for a line, sends,
and prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import mmap
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

import uvloop

from shared.errors import TributaryError

ACCEPTED: Final = 202
TIMEOUT_S: Final = 60.0
"""No request of ours takes a minute; one that does is stuck, and the measurement is void."""
_LENGTH_BYTES: Final = 8


class RefusedError(TributaryError):
    """A request was answered otherwise than expected: the measurement would count work that was not done."""


class Connection:
    """One kept connection. Not for concurrent use."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, host: str, port: int) -> Self:
        return cls(*await asyncio.open_connection(host, port))

    async def ask(self, request: bytes | memoryview) -> tuple[int, bytes]:
        """Send a whole request; returns (status, body) of its answer."""
        self._writer.write(request)
        async with asyncio.timeout(TIMEOUT_S):
            head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
            begin = head.index(b"content-length:") + 15
            body = await self._reader.readexactly(int(head[begin : head.index(b"\r\n", begin)]))
        return int(head[9:12]), body

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    """A connection to a service."""
    parts = urlsplit(url)
    connection = await Connection.open(parts.hostname or "", parts.port or 80)
    try:
        yield connection
    finally:
        await connection.close()


def request(method: str, path: str, token: str, body: bytes = b"") -> bytes:
    """A request as it goes over the wire."""
    head = f"{method} {path} HTTP/1.1\r\nHost: tributary\r\nAuthorization: Bearer {token}\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}\r\n".encode("ascii") + body


async def post(url: str, path: str, token: str, bodies: Iterable[bytes]) -> None:
    """Post bodies one after the other; raises `RefusedError` unless each is accepted."""
    async with connected(url) as connection:
        for body in bodies:
            expect(*await connection.ask(request("POST", path, token, body)))


def expect(status: int, body: bytes, wanted: int = ACCEPTED) -> None:
    """Raise `RefusedError` with the answer's own words unless the status is the wanted one."""
    if status != wanted:
        raise RefusedError(f"answered {status}, not {wanted}: {body[:500].decode('utf-8', 'replace')}")


@dataclass(frozen=True, slots=True)
class Sent:
    """What the sending process saw: seconds from the first byte sent to the last answer, and each request's own."""

    seconds: float
    requests: tuple[float, ...]


class Sender:
    """The process that sends a file of requests. Made ready first, so that its start does not count."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def prepare(cls, url: str, file: Path, requests: Iterable[bytes], connections: int) -> Self:
        """Write the requests to `file` and start the process that will send them."""
        with file.open("wb") as output:
            for each in requests:
                output.write(len(each).to_bytes(_LENGTH_BYTES, "big"))
                output.write(each)
        parts = urlsplit(url)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.client", str(parts.hostname), str(parts.port), str(file), str(connections)),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**26,
        )  # fmt: skip
        sender = cls(process)
        if await sender._line() != b"ready\n":
            raise TributaryError("the sending process did not start; see its words above")
        return sender

    async def send(self) -> Sent:
        """Send everything once; raises `RefusedError` unless every request was accepted."""
        assert self._process.stdin is not None  # noqa: S101 (for the type checker: it was started with a pipe)
        self._process.stdin.write(b"go\n")
        line = await self._line()
        await self._process.wait()
        if not line:
            raise TributaryError("the sending process ended without a result; see its words above")
        result = json.loads(line)
        if result["refused"]:
            raise RefusedError(result["refused"])
        return Sent(result["seconds"], tuple(result["requests"]))

    async def _line(self) -> bytes:
        assert self._process.stdout is not None  # noqa: S101 (as above)
        return await self._process.stdout.readline()


def _requests(file: mmap.mmap) -> Iterator[memoryview]:
    whole = memoryview(file)
    place = 0
    while place < len(whole):
        begin = place + _LENGTH_BYTES
        place = begin + int.from_bytes(whole[place:begin], "big")
        yield whole[begin:place]


async def _send(host: str, port: int, requests: Iterator[memoryview], connections: int) -> dict[str, object]:
    """Let each connection take the next request when it has its answer."""
    opened = [await Connection.open(host, port) for _ in range(connections)]
    taken: list[float] = []
    statuses: Counter[int] = Counter()
    refused = ""

    async def work(connection: Connection) -> None:
        nonlocal refused
        for each in requests:
            begin = time.perf_counter()
            status, body = await connection.ask(each)
            taken.append(time.perf_counter() - begin)
            statuses[status] += 1
            if status != ACCEPTED:
                refused = refused or f"{status}: {body[:500].decode('utf-8', 'replace')}"

    begin = time.perf_counter()
    await asyncio.gather(*map(work, opened))
    seconds = time.perf_counter() - begin
    for connection in opened:
        await connection.close()
    return {"seconds": seconds, "requests": taken, "statuses": statuses, "refused": refused}


def main(host: str, port: str, file: str, connections: str) -> None:
    """The sending process."""
    with Path(file).open("rb") as handle:
        content = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
    print("ready", flush=True)
    if sys.stdin.readline():
        result = uvloop.run(_send(host, int(port), _requests(content), int(connections)))
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
