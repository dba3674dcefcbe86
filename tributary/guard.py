"""Become another program, watched over: it stops when the process that started it is gone, however that one ended.

Load-bearing idea: the starter holds the only writing end of a pipe, the *lifeline*. Before this script turns into the
wanted program (so process id and exit status are the program's own), it leaves a tiny detached watcher behind that
waits for the first of two events: the program ends, or the lifeline closes because the starter closed it or died, even
by SIGKILL. In the second case the watcher asks the program to stop, and after a grace period kills its process group.

Run as a script under `python -I -S`, hence the standard library alone and no import from the project.
Usage: guard.py OPTIONS PROGRAM [ARGUMENT ...], where OPTIONS is a JSON object with `lifeline` (file descriptor),
`signal` (number), `grace` (seconds), `user` (name or null) and `search` (boolean: may enter folders closed to it).
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any

POLL_S = 0.2  # how often a system without pidfd (macOS) looks whether the program still lives
CAPABILITY_VERSION_3 = 0x20080522  # from linux/capability.h
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2
PR_SET_SECUREBITS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 28, 47, 2  # from linux/prctl.h
SECBIT_NO_SETUID_FIXUP = 4  # rights outlive the change of user, and access(2) counts them; from linux/securebits.h


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _open_pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):  # macOS, or a kernel without it: poll instead
        return None


def _ended(pid: int, pidfd: int | None, timeout: float | None) -> bool:
    """Wait until the program ends, at most `timeout` seconds (None: for ever)."""
    if pidfd is not None:
        return bool(select.select([pidfd], [], [], timeout)[0])
    until = None if timeout is None else time.monotonic() + timeout
    while _alive(pid):
        if until is not None and time.monotonic() >= until:
            return False
        time.sleep(POLL_S)
    return True


def _lifeline_closed_first(pid: int, pidfd: int | None, lifeline: int) -> bool:
    """Wait for the program's end (False) or the lifeline's (True)."""
    while True:
        if pidfd is None:
            ready, _, _ = select.select([lifeline], [], [], POLL_S)
        else:
            ready, _, _ = select.select([lifeline, pidfd], [], [])
        if pidfd in ready or (pidfd is None and not _alive(pid)):
            return False
        if lifeline in ready and os.read(lifeline, 64) == b"":
            return True


def _watch(pid: int, lifeline: int, stop_signal: int, grace: float) -> None:
    """Stop process `pid`, and after `grace` seconds its whole process group, once the lifeline closes."""
    os.setsid()  # no Ctrl-C from the starter's terminal
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):  # the program's log pipes must not stay open because of the watcher
        os.dup2(null, descriptor)
    pidfd = _open_pidfd(pid)
    if not _lifeline_closed_first(pid, pidfd, lifeline):
        return
    with contextlib.suppress(ProcessLookupError):  # it ended in this very moment: nothing left to stop
        os.kill(pid, stop_signal)
        if not _ended(pid, pidfd, grace):
            os.killpg(pid, signal.SIGKILL)


def _detach_watcher(pid: int, lifeline: int, stop_signal: int, grace: float) -> None:
    """Fork the watcher twice, so that it is no child of the program, which may wait for all its children."""
    first = os.fork()
    if first:
        os.waitpid(first, 0)
        return
    if os.fork() == 0:
        _watch(pid, lifeline, stop_signal, grace)
    os._exit(0)


def _search_capability() -> int:
    """Return the capability to keep: the narrower one, unless a container took it away."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    permitted = int(status.partition("CapPrm:")[2].split()[0], 16)
    return CAP_DAC_READ_SEARCH if permitted >> CAP_DAC_READ_SEARCH & 1 else CAP_DAC_OVERRIDE


def _check(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), "cannot keep the right to enter closed folders")


def _become(user: str, *, search: bool) -> None:
    """Give up root for `user`; with `search`, keep one right: to enter folders that are closed to others.

    That is for a project in a folder of root's own: better than opening that folder to everybody.
    """
    import pwd  # noqa: PLC0415 (Unix only, and needed under root only)

    entry = pwd.getpwnam(user)
    capability = _search_capability() if search else None  # while Python's own files can still be read
    libc = ctypes.CDLL(None, use_errno=True)
    if capability is not None:
        _check(libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0))
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    if capability is not None:
        header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
        sets = (ctypes.c_uint32 * 6)(*[1 << capability] * 3, 0, 0, 0)  # effective, permitted, inheritable; low words
        _check(libc.capset(header, sets))
        _check(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0))


def main(options: dict[str, Any], argv: list[str]) -> None:
    """Leave a watcher behind, drop rights if asked, and become `argv`."""
    _detach_watcher(os.getpid(), options["lifeline"], options["signal"], options["grace"])
    os.close(options["lifeline"])
    if options["user"] is not None:
        _become(options["user"], search=options["search"])
    os.execv(argv[0], argv)  # noqa: S606 (no shell is the point)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2:])
