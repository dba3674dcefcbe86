"""The whole system on one machine: both engines, the preparations, the three services.

Load-bearing idea: `async with System(folder)` is the system. Entering starts everything in order and returns when every
service is ready; leaving stops services, Kafka and PostgreSQL in that order, however it is left. All state is in the
folder, so the next start continues there.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from tributary import processes, provision
from tributary.engines import kafka_jars
from tributary.engines.kafka import Kafka
from tributary.engines.postgres import Postgres
from tributary.processes import EngineError
from tributary.supervisor import POLL_S, Child, Running, Sink, Supervisor

if TYPE_CHECKING:
    from types import TracebackType

DATA: Final = Path(".tributary")
KEY_FILE: Final = "admin.key"
RUN_FILE: Final = "run.json"
MARKER: Final = "README"
MARKER_TEXT: Final = "State of one Tributary system. `tributary reset` removes this folder and all that is in it.\n"
SELF: Final = "tributary"
"""The name under which the runner itself speaks in the log."""
PORT_PATIENCE_S: Final = 5.0
"""If the previous runner was killed (its run file is left), its watchers are just stopping the services."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports of the services, on the loopback address."""

    ingest: int = 8001
    attribution: int = 8002
    rewards: int = 8003

    @classmethod
    def free(cls) -> Self:
        """Three ports that are free now, for tests."""
        first = processes.free_port()
        second = processes.free_port([first])
        return cls(first, second, processes.free_port([first, second]))

    async def check(self, patience_s: float) -> None:
        """Raise EngineError naming the first port that is taken and still is after `patience_s` seconds."""
        until = time.monotonic() + patience_s
        for name, port in asdict(self).items():
            while not processes.port_is_free(port):
                if time.monotonic() > until:
                    raise EngineError(
                        f"port {port}, wanted by {name}, is taken by another program; "
                        f"stop that one, or choose another with --{name}-port"
                    )
                await asyncio.sleep(POLL_S)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running system is. The database URL holds its password."""

    database_url: str
    kafka: str
    ingest_url: str
    attribution_url: str
    rewards_url: str


Services = Callable[[Addresses, Ports], Sequence[Child]]
Prepare = Callable[[str, str, Path], Awaitable[str]]


def three_services(at: Addresses, ports: Ports) -> list[Child]:
    """Describe ingest, attribution and rewards, in the order in which they stop."""
    env = {
        "TRIBUTARY_DATABASE_URL": at.database_url,
        "TRIBUTARY_KAFKA": at.kafka,
        "TRIBUTARY_HOST": processes.LOOPBACK,
        "TRIBUTARY_INSTANCE": "local",
        "TRIBUTARY_LOG_FORMAT": os.environ.get("TRIBUTARY_LOG_FORMAT", "plain"),
        **{f"TRIBUTARY_{name.upper()}_PORT": str(port) for name, port in asdict(ports).items()},
    }
    return [
        Child(name, [sys.executable, "-m", f"services.{name}"], env, f"{_url(port)}/{name}/v1/health/ready")
        for name, port in asdict(ports).items()
    ]


class System:
    """See the module. While it is entered, the addresses, `admin_key` and `children` are set.

    `database_url` and `kafka` take external engines instead of embedded ones; `sink` takes every line of log;
    `postgres_settings` override the embedded server's (tests); `services` and `prepare` are replaced in tests alone.
    """

    def __init__(
        self,
        data: Path = DATA,
        ports: Ports | None = None,
        *,
        sink: Sink,
        database_url: str | None = None,
        kafka: str | None = None,
        postgres_settings: Mapping[str, str] | None = None,
        services: Services = three_services,
        prepare: Prepare = provision.prepare,
    ) -> None:
        self.data = data.resolve()
        self.ports = ports or Ports()
        self.admin_key = ""
        self._sink = sink
        self._external = (database_url, kafka)
        self._postgres_settings = postgres_settings
        self._services = services
        self._prepare = prepare
        self._supervisor = Supervisor(sink)
        self._lock = processes.FolderLock(self.data)
        self._postgres: Postgres | None = None
        self._kafka: Kafka | None = None
        self._at: Addresses | None = None

    async def __aenter__(self) -> Self:
        claim(self.data)
        self._lock.take()
        try:
            await self._start()
        except BaseException:
            await asyncio.shield(asyncio.to_thread(self._stop))
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.shield(asyncio.to_thread(self._stop))

    @property
    def at(self) -> Addresses:
        if self._at is None:
            raise EngineError("the system is not running")
        return self._at

    @property
    def ingest_url(self) -> str:
        return self.at.ingest_url

    @property
    def attribution_url(self) -> str:
        return self.at.attribution_url

    @property
    def rewards_url(self) -> str:
        return self.at.rewards_url

    @property
    def database_url(self) -> str:
        return self.at.database_url

    @property
    def kafka(self) -> str:
        return self.at.kafka

    @property
    def key_file(self) -> Path:
        return self.data / KEY_FILE

    @property
    def children(self) -> Mapping[str, Running]:
        """The services that were started, by name."""
        return self._supervisor.running

    async def restart_child(self, name: str) -> None:
        """Start one service again, after stopping it if it still runs, and wait until it is ready."""
        running = self._supervisor.running[name]
        await asyncio.to_thread(running.stop)
        await self._supervisor.start(running.child)

    async def first_death(self) -> str:
        """Wait until a service or an engine has ended that nobody told to, and return how."""
        waiting = [asyncio.ensure_future(self._supervisor.first_death()), asyncio.ensure_future(self._engine_death())]
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
        finally:
            for task in waiting:
                task.cancel()

    async def _start(self) -> None:
        killed = (self.data / RUN_FILE).exists()
        await self.ports.check(PORT_PATIENCE_S if killed else 0.0)
        database_url, kafka = await self._start_engines()
        self._at = Addresses(
            database_url, kafka, _url(self.ports.ingest), _url(self.ports.attribution), _url(self.ports.rewards)
        )
        self._sink(SELF, "bringing database and topics up to date")
        self.admin_key = await self._prepare(database_url, kafka, self.key_file)
        self._sink(SELF, "starting the services")
        await self._supervisor.start(*self._services(self._at, self.ports))
        processes.write_private(self.data / RUN_FILE, json.dumps(asdict(self._at), indent=2))

    async def _start_engines(self) -> tuple[str, str]:
        """Start what is not external, both at once; a start under way is finished even when we are cancelled."""
        external_database, external_kafka = self._external
        starts: list[Callable[[], Postgres | Kafka]] = []
        if external_database is None:
            self._sink(SELF, "starting PostgreSQL")
            starts.append(lambda: Postgres.start(self.data / "postgres", settings=self._postgres_settings))
        if external_kafka is None:
            once = "" if kafka_jars.complete() else " (loading 45 MB, this once)"
            self._sink(SELF, f"starting Kafka{once}")
            starts.append(lambda: Kafka.start(self.data / "kafka"))
        under_way = asyncio.gather(*(asyncio.to_thread(start) for start in starts), return_exceptions=True)
        try:
            await asyncio.shield(under_way)
        finally:
            outcomes = await under_way
            for outcome in outcomes:
                if isinstance(outcome, Postgres):
                    self._postgres = outcome
                elif isinstance(outcome, Kafka):
                    self._kafka = outcome
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        database_url = external_database
        if self._postgres is not None:
            database_url = await provision.own_database(self._postgres.url)
        kafka = external_kafka if self._kafka is None else self._kafka.bootstrap
        return database_url or "", kafka or ""

    async def _engine_death(self) -> str:
        engines = {"PostgreSQL": self._postgres, "Kafka": self._kafka}
        while True:
            for name, engine in engines.items():
                if engine is not None and (code := engine.exit_code()) is not None:
                    return (
                        f"{name} ended with status {code}; the end of its log:\n{processes.log_tail(engine.log_file)}"
                    )
            await asyncio.sleep(POLL_S)

    def _stop(self) -> None:
        if self._at is not None:
            (self.data / RUN_FILE).unlink(missing_ok=True)
        self._supervisor.stop()
        for engine in (self._kafka, self._postgres):
            if engine is not None:
                engine.stop()
        self._postgres = self._kafka = self._at = None
        self._lock.release()


def claim(data: Path) -> None:
    """Make sure that the folder is ours: new, empty, or used by a system before; anything else is left alone."""
    check_ours(data)
    data.mkdir(parents=True, exist_ok=True)
    (data / MARKER).write_text(MARKER_TEXT, encoding="utf-8")


def check_ours(data: Path) -> None:
    """Raise EngineError if the folder exists and holds anything but the state of a system."""
    file = data / MARKER
    ours = file.exists() and file.read_text(encoding="utf-8", errors="replace") == MARKER_TEXT
    if data.exists() and not ours and (not data.is_dir() or any(data.iterdir())):
        raise EngineError(f"{data} holds other things than Tributary's state; choose another folder with --data")


def addresses(data: Path = DATA) -> Addresses:
    """Where the system of this data folder is running. Raises EngineError if it is not."""
    file = data / RUN_FILE
    if not file.exists() or not processes.FolderLock.is_held(data):
        raise EngineError(f"no system is running in {data.resolve()}; start one with `tributary up`")
    return Addresses(**json.loads(file.read_text(encoding="utf-8")))


def _url(port: int) -> str:
    return f"http://{processes.LOOPBACK}:{port}"
