"""The runner: children live and die together, and nothing is left behind. Toy services, real engines."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import asyncpg
import pytest
from typer.testing import CliRunner

from tests.support import toys
from tests.support.engines import TEST_SETTINGS
from tributary import processes, runner
from tributary.cli import app
from tributary.processes import EngineError, free_port
from tributary.supervisor import Child, ChildDiedError, Supervisor

GONE_S = 10.0  # a watcher needs milliseconds; the machine may be busy


class Log:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, name: str, line: str) -> None:
        self.lines.append((name, line))

    def of(self, name: str) -> list[str]:
        return [line for who, line in self.lines if who == name]


def lives(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


async def until_gone(*pids: int) -> None:
    async with asyncio.timeout(GONE_S):
        while any(lives(pid) for pid in pids):
            await asyncio.sleep(0.05)


@pytest.fixture
async def log() -> Log:
    return Log()


@pytest.fixture
async def supervisor(log: Log) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(log)
    yield supervisor
    await asyncio.to_thread(supervisor.stop)


async def test_start_returns_when_every_child_answers(supervisor: Supervisor, log: Log) -> None:
    """Children are ready when start returns, and their output arrives under their names."""
    await supervisor.start(toys.server("one", free_port()), toys.server("two", free_port()))
    assert list(supervisor.running) == ["one", "two"]
    assert log.of("one") == log.of("two") == ["serving"]


async def test_a_child_that_dies_while_starting_is_reported_with_its_last_words(supervisor: Supervisor) -> None:
    """A crash at start is an error that names child, status and reason."""
    with pytest.raises(ChildDiedError, match=r"(?s)two ended with status 1.*about to fail.*the reason it failed"):
        await supervisor.start(toys.server("one", free_port()), toys.crash("two", free_port()))


async def test_a_child_killed_later_is_reported(supervisor: Supervisor) -> None:
    """first_death tells which child was killed and by which signal."""
    await supervisor.start(toys.server("one", free_port()), toys.server("two", free_port()))
    death = asyncio.create_task(supervisor.first_death())
    os.kill(supervisor.running["two"].pid, signal.SIGKILL)
    assert (await asyncio.wait_for(death, GONE_S)).startswith("two was killed by SIGKILL")


async def test_children_stop_in_the_order_of_their_start(supervisor: Supervisor, log: Log) -> None:
    """The second child is asked to stop only after the first, though slow, has ended."""
    await supervisor.start(toys.server("one", free_port(), "slow"), toys.server("two", free_port()))
    await asyncio.to_thread(supervisor.stop)
    assert [line for line in log.lines if line[1] != "serving"] == [
        ("one", "asked to stop"),
        ("one", "stopping"),
        ("two", "asked to stop"),
        ("two", "stopping"),
    ]


async def test_a_child_deaf_to_sigterm_is_killed_after_its_timeout(supervisor: Supervisor, log: Log) -> None:
    """A child that ignores SIGTERM is killed when its time is over, and the log says so."""
    await supervisor.start(toys.server("deaf", free_port(), "deaf", stop_timeout_s=0.3))
    pid = supervisor.running["deaf"].pid
    begin = time.monotonic()
    await asyncio.to_thread(supervisor.stop)
    assert 0.3 <= time.monotonic() - begin < GONE_S
    assert not lives(pid)
    assert log.of("deaf") == ["serving", "asked to stop", "did not stop within 0.3 s and was killed"]


ORPHANS = """
import asyncio, sys, time
sys.path.insert(0, {root!r})
from tests.support import toys
from tributary.supervisor import Supervisor

async def main():
    supervisor = Supervisor(lambda name, line: None)
    deaf = toys.server("deaf", {first}, "deaf", stop_timeout_s=0.3)
    await supervisor.start(deaf, toys.server("two", {second}))
    print(*(child.pid for child in supervisor.running.values()), flush=True)
    time.sleep(60)

asyncio.run(main())
"""


async def kill_when_started(script: str) -> list[int]:
    """Run a script until it prints the ids of its children, SIGKILL it, and return them."""
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    pids = [int(pid) for pid in (await parent.stdout.readline()).split()]
    assert all(map(lives, pids))
    parent.kill()
    await parent.wait()
    return pids


async def test_children_die_with_a_runner_that_is_killed() -> None:
    """SIGKILL of the parent takes its children along, even one that ignores SIGTERM."""
    root = str(Path(__file__).parents[2])
    script = ORPHANS.format(root=root, first=free_port(), second=free_port())
    pids = await kill_when_started(script)
    assert len(pids) == 2
    await until_gone(*pids)


async def toy_prepare(database_url: str, kafka: str, key_file: Path) -> str:
    """Stand in for migrations, topics and key: leave one row per start."""
    assert kafka
    connection = await asyncpg.connect(database_url)
    await connection.execute("CREATE TABLE IF NOT EXISTS start (at timestamptz DEFAULT now())")
    await connection.execute("INSERT INTO start DEFAULT VALUES")
    await connection.close()
    await asyncio.to_thread(processes.write_private, key_file, "toy-key")
    return "toy-key"


def toy_services(at: runner.Addresses, ports: runner.Ports) -> list[Child]:
    assert at.ingest_url.endswith(str(ports.ingest))
    return [
        toys.server("ingest", ports.ingest),
        toys.server("attribution", ports.attribution),
        toys.server("rewards", ports.rewards),
    ]


def toy_system(data: Path, log: Log, ports: runner.Ports | None = None) -> runner.System:
    return runner.System(
        data,
        ports or runner.Ports.free(),
        sink=log,
        postgres_settings=TEST_SETTINGS,
        services=toy_services,
        prepare=toy_prepare,
    )


async def starts(system: runner.System) -> int:
    connection = await asyncpg.connect(system.database_url)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM start"))
    finally:
        await connection.close()


@pytest.mark.long
async def test_a_system_starts_serves_and_continues_where_it_stopped(tmp_path: Path, log: Log) -> None:
    """A first run leaves no process; a second on the same folder keeps the data; a third meanwhile is refused."""
    data = tmp_path / "state"
    async with toy_system(data, log) as system:
        assert await starts(system) == 1
        assert system.admin_key == "toy-key"
        assert (data / runner.KEY_FILE).stat().st_mode & 0o777 == 0o600
        assert (data / runner.RUN_FILE).stat().st_mode & 0o777 == 0o600
        assert runner.addresses(data) == system.at
        with pytest.raises(EngineError, match=f"in use by process {os.getpid()}"):
            await toy_system(data, log).__aenter__()
        assert runner.addresses(data) == system.at
        refused = CliRunner().invoke(app, ["reset", "--yes", "--data", str(data)])
        assert refused.exit_code == 2
        assert "in use by process" in refused.output
        os.kill(system.children["rewards"].pid, signal.SIGKILL)
        assert (await asyncio.wait_for(system.first_death(), GONE_S)).startswith("rewards was killed by SIGKILL")
        await system.restart_child("rewards")
        pids = [child.pid for child in system.children.values()]
        assert all(map(lives, pids))
    await until_gone(*pids)
    with pytest.raises(EngineError, match="no system is running"):
        runner.addresses(data)
    async with toy_system(data, log) as system:
        assert await starts(system) == 2
    done = CliRunner().invoke(app, ["reset", "--yes", "--data", str(data)])
    assert done.exit_code == 0
    assert not data.exists()


UP = """
import sys
sys.path.insert(0, {root!r})
from pathlib import Path
from rich.console import Console
from tests.integration.test_runner import toy_system
from tributary.commands import up
from tributary.console import LogView

console = Console(width=200)
sys.exit(up.run(toy_system(Path({data!r}), LogView(console)), console))
"""


@dataclass
class Up:
    """`tributary up` with toy services, in a process of its own."""

    process: asyncio.subprocess.Process
    pids: list[int]

    @classmethod
    async def start(cls, data: Path) -> Self:
        script = UP.format(root=str(Path(__file__).parents[2]), data=str(data))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        assert process.stdout is not None
        begin = b""
        while b"Ctrl-C stops it" not in begin:
            line = await process.stdout.readline()
            assert line, begin.decode()
            begin += line
        listing = subprocess.run(["ps", "-eo", "pid=,ppid=,comm="], capture_output=True, text=True, check=True).stdout  # noqa: ASYNC221 (milliseconds)
        rows = [line.split(maxsplit=2) for line in listing.splitlines()]
        pids = [int(pid) for pid, parent, name in rows if int(parent) == process.pid and name != "ps"]
        assert len(pids) == 5, listing
        return cls(process, pids)

    async def end(self) -> tuple[int, str]:
        """Wait for its end; return exit status and the rest of its output."""
        output, _ = await asyncio.wait_for(self.process.communicate(), GONE_S)
        assert self.process.returncode is not None
        return self.process.returncode, output.decode()


async def test_up_survives_a_kill_reports_a_death_and_stops_in_order(tmp_path: Path) -> None:
    """Three lives of one folder: killed outright, ended by a dead engine, stopped by Ctrl-C; none leaves a process."""
    data = tmp_path / "state"
    killed = await Up.start(data)
    killed.process.kill()
    await killed.end()

    second = await Up.start(data)
    await until_gone(*killed.pids)
    postmaster = (data / "postgres/data/postmaster.pid").read_text()
    os.kill(int(postmaster.splitlines()[0]), signal.SIGKILL)
    status, output = await second.end()
    assert status == 1
    assert "Stopped, because PostgreSQL ended with status -9" in output
    await until_gone(*second.pids)

    third = await Up.start(data)
    third.process.send_signal(signal.SIGINT)
    status, output = await third.end()
    assert status == 0, output
    assert [line.split()[0] for line in output.splitlines() if line.endswith("stopping")] == [
        "ingest",
        "attribution",
        "rewards",
    ]
    assert output.endswith("Stopped.\n")
    await until_gone(*third.pids)


def test_reset_leaves_a_folder_alone_that_is_not_ours(tmp_path: Path) -> None:
    """A folder with other files is neither used nor removed."""
    (tmp_path / "thesis.txt").write_text("years of work")
    result = CliRunner().invoke(app, ["reset", "--yes", "--data", str(tmp_path)])
    assert result.exit_code == 2
    assert "choose another folder" in result.output
    assert (tmp_path / "thesis.txt").exists()


def test_reset_asks_first(tmp_path: Path) -> None:
    """Without --yes and with a no, everything stays."""
    data = tmp_path / "state"
    runner.claim(data)
    assert CliRunner().invoke(app, ["reset", "--data", str(data)], input="n\n").exit_code == 1
    assert (data / runner.MARKER).exists()


def test_a_busy_port_is_a_clear_message(tmp_path: Path) -> None:
    """`up` on a port that is taken names port, service and remedy, with exit status 2 and no traceback."""
    with socket.socket() as other:
        other.bind((processes.LOOPBACK, 0))
        other.listen()
        port = other.getsockname()[1]
        result = CliRunner().invoke(app, ["up", "--data", str(tmp_path / "state"), "--attribution-port", str(port)])
    assert result.exit_code == 2
    assert f"port {port}, wanted by attribution, is taken" in result.output
    assert "--attribution-port" in result.output
    assert "Traceback" not in result.output


def test_an_external_engine_that_is_away_is_a_clear_message(tmp_path: Path) -> None:
    """`up` and `migrate` against a database that does not answer say so, with exit status 2 and no traceback."""
    nobody = f"127.0.0.1:{free_port()}"
    engines = ["--database-url", f"postgresql://me:secret@{nobody}/me", "--kafka", nobody]
    ports = [f"--{name}-port={port}" for name, port in asdict(runner.Ports.free()).items()]
    for command in (["up", "--data", str(tmp_path / "state"), *ports], ["migrate"]):
        result = CliRunner().invoke(app, [*command, *engines])
        assert result.exit_code == 2, result.output
        assert "PostgreSQL cannot be brought up to date" in result.output
        assert "secret" not in result.output
