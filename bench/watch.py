"""Memory and processor time of the system's processes, read from outside while they work."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tributary.runner import System

EVERY_S: Final = 0.2
"""Memory grows over seconds; five looks a second cost nothing and miss little. Linux itself keeps the exact peak."""
PROC: Final = Path("/proc")
KIB: Final = 1024
MB: Final = 1_000_000


@dataclass(slots=True)
class Usage:
    """Peak resident memory per service in MB, and processor seconds per service and engine (Linux alone)."""

    peak_mb: dict[str, float] = field(default_factory=dict)
    cpu_s: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0


@asynccontextmanager
async def watching(system: System) -> AsyncIterator[Usage]:
    """Watch the system's processes while the block runs; the result is complete when it ends."""
    usage = Usage()
    pids = {name: child.pid for name, child in system.children.items()}
    before = _cpu(system, pids)
    begin = time.perf_counter()
    sampling = asyncio.create_task(_sample(usage, pids))
    try:
        yield usage
    finally:
        sampling.cancel()
        _look(usage, pids)
        usage.seconds = time.perf_counter() - begin
        usage.cpu_s = {name: spent - before.get(name, 0.0) for name, spent in _cpu(system, pids).items()}


async def _sample(usage: Usage, pids: Mapping[str, int]) -> None:
    while True:
        _look(usage, pids)
        await asyncio.sleep(EVERY_S)


def _look(usage: Usage, pids: Mapping[str, int]) -> None:
    for name, pid in pids.items():
        usage.peak_mb[name] = max(usage.peak_mb.get(name, 0.0), _resident_mb(pid))


def _resident_mb(pid: int) -> float:
    """On Linux the highest it ever was, elsewhere what it is now."""
    status = PROC / str(pid) / "status"
    if status.exists():
        for line in status.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * KIB / MB
    listing = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return int(listing.stdout.strip() or 0) * KIB / MB


def _cpu(system: System, pids: Mapping[str, int]) -> dict[str, float]:
    if not PROC.exists():
        return {}
    spent = {name: _ticks(pid)[1] for name, pid in pids.items()}
    for name, roots in _engines(system).items():
        spent[name] = sum(_ticks(pid, with_children=True)[1] for pid in roots)
    return spent


def _engines(system: System) -> dict[str, list[int]]:
    """The processes of the engines: known by their data folder, and PostgreSQL's by their parent."""
    roots: dict[str, list[int]] = {}
    parents: dict[int, list[int]] = {}
    for folder in PROC.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            command = (folder / "cmdline").read_bytes()
        except OSError:  # ended in this moment
            continue
        pid = int(folder.name)
        parents.setdefault(_ticks(pid)[0], []).append(pid)
        for name in ("postgres", "kafka"):
            if os.fsencode(system.data / name) in command and b"guard.py" not in command:
                roots.setdefault(name, []).append(pid)
    postgres = roots.get("postgres", [])
    roots["postgres"] = postgres + [child for root in postgres for child in parents.get(root, [])]
    return roots


def _ticks(pid: int, *, with_children: bool = False) -> tuple[int, float]:
    """(parent, processor seconds so far); with those of its children that have ended."""
    try:
        stat = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0, 0.0
    values = stat.rpartition(")")[2].split()
    return int(values[1]), sum(map(int, values[11 : 15 if with_children else 13])) / os.sysconf("SC_CLK_TCK")
