"""Child processes that cannot outlive us, and the ports and folders they need.

Load-bearing idea: every child is started through `guard.py` and holds our lifeline (see there), so neither a crash nor
SIGKILL of this process leaves one behind; and a data folder belongs to whoever holds the lock on its `lock` file, which
the operating system gives back by itself when the holder dies.
"""

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Self

from shared.errors import TributaryError

LOOPBACK = "127.0.0.1"
KILL_WAIT_S = 5.0  # SIGKILL is immediate unless the disk hangs
GUARD = Path(__file__).with_name("guard.py")
PORT_TRIES = 20  # the system hands out ports at random; twenty in a row that are unwanted do not happen


class EngineError(TributaryError):
    """The system cannot start or go on; the message says why and what to do next."""


class Guarded:
    """A running child process. Use `spawn`."""

    def __init__(
        self, name: str, process: subprocess.Popen[bytes], lifeline: int, stop_signal: signal.Signals, grace_s: float
    ) -> None:
        self.name = name
        self.process = process
        self._lifeline = lifeline
        self._stop_signal = stop_signal
        self._grace_s = grace_s

    @property
    def pid(self) -> int:
        return self.process.pid

    def exit_code(self) -> int | None:
        """Exit status, negative for a signal, None while it runs."""
        return self.process.poll()

    def ask_to_stop(self) -> None:
        """Send the stop signal, without waiting."""
        if self.process.poll() is None:
            self.process.send_signal(self._stop_signal)

    def stop(self) -> bool:
        """Stop and wait; a child deaf to its signal is killed after its grace period. True if it went by itself."""
        self.ask_to_stop()
        try:
            self.process.wait(self._grace_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        self._let_go()
        return True

    def kill(self) -> None:
        """SIGKILL the child and its process group, and wait."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(KILL_WAIT_S)
        self._let_go()

    def _let_go(self) -> None:
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1


def spawn(
    name: str,
    argv: Sequence[str],
    *,
    output: IO[bytes] | int,
    stop_signal: signal.Signals,
    grace_s: float,
    env: Mapping[str, str] | None = None,
    user: str | None = None,
    search: bool = False,
) -> Guarded:
    """Start `argv` (an absolute path first) in a session of its own, guarded against our death.

    `output` takes stdout and stderr; `grace_s` is the time in seconds between the stop signal and SIGKILL; under root,
    `user` runs it as that system user, and `search` lets that user enter folders closed to it.
    """
    reading, writing = os.pipe()
    options = {"lifeline": reading, "signal": int(stop_signal), "grace": grace_s, "user": user, "search": search}
    try:
        process = subprocess.Popen(  # noqa: S603 (the arguments are the project's own, and there is no shell)
            [sys.executable, "-I", "-S", str(GUARD), json.dumps(options), *argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=None if env is None else dict(env),
            pass_fds=[reading],
            start_new_session=True,
        )
    except BaseException:
        os.close(writing)
        raise
    finally:
        os.close(reading)
    return Guarded(name, process, writing, stop_signal, grace_s)


def port_is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT counts as free
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port(unwanted: Iterable[int] = ()) -> int:
    """Return a TCP port free on the loopback address at this moment and not among `unwanted`."""
    avoid = set(unwanted)
    for _ in range(PORT_TRIES):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind((LOOPBACK, 0))
            port = int(probe.getsockname()[1])
        if port not in avoid:
            return port
    raise EngineError("the system offers no free TCP port on the loopback address; close some programs and try again")


def accepts_connections(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)  # the loopback address answers at once or not at all
        return probe.connect_ex((LOOPBACK, port)) == 0


def kept_port(file: Path, wanted: int | None) -> int:
    """Choose a port: the wanted one (an error if busy), else the one remembered in `file` if free, else a free one."""
    if wanted is not None:
        if not port_is_free(wanted):
            raise EngineError(f"port {wanted} is taken by another program; stop that one or choose another port")
        port = wanted
    else:
        remembered = int(file.read_text(encoding="ascii")) if file.exists() else None
        port = remembered if remembered is not None and port_is_free(remembered) else free_port()
    file.write_text(f"{port}\n", encoding="ascii")
    return port


def write_private(file: Path, text: str) -> None:
    """Replace a file with one that only its owner can read, from its first byte on."""
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.write(text)


def log_tail(file: Path, lines: int = 15) -> str:
    """Return the last lines of a log, for an error message."""
    return "\n".join(file.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


class FolderLock:
    """The right to use a data folder; the operating system ends it with the process, so it is never stale."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "lock"
        self._descriptor: int | None = None

    def take(self) -> Self:
        """Take the lock or raise EngineError naming the process that has it."""
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise EngineError(
                f"the data folder {self._file.parent} is in use by process {holder}; "
                "stop that one first, or choose another folder"
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode("ascii"))
        self._descriptor = descriptor
        return self

    @staticmethod
    def is_held(folder: Path) -> bool:
        """Whether a living process has the lock."""
        file = folder / "lock"
        if not file.exists():
            return False
        with file.open("rb") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
