"""What was measured on: a figure without its machine and its settings says nothing."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Final

import asyncpg

from tributary.engines import kafka, kafka_jars

SETTINGS: Final = (
    "server_version", "fsync", "synchronous_commit", "full_page_writes", "wal_sync_method", "data_checksums",
    "shared_buffers", "max_wal_size", "jit",
)  # fmt: skip
PACKAGES: Final = ("aiokafka", "asyncpg", "fastapi", "orjson", "pydantic", "uvicorn", "uvloop")
SYNCS: Final = 100
"""Small synchronous writes timed: a tenth of a second on an SSD, two seconds on a disk that turns."""
PAGE: Final = 8192
"""The least PostgreSQL writes to its log."""


def facts(folder: Path) -> dict[str, str]:
    """Processor, memory, disk, and versions. `folder` is where the engines keep their data."""
    return {
        "processor": f"{os.cpu_count()} cores, {_processor()}",
        "load before": ", ".join(f"{load:.2f}" for load in os.getloadavg()),
        "system": platform.platform(),
        "disk": f"{_file_system(folder)}, 8 kB written and synced in {_sync_ms(folder):.2f} ms",
        "Python": platform.python_version(),
        "packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
        "Kafka": f"{kafka_jars.VERSION}, one node, options {' '.join(kafka.JVM_OPTIONS[:3])}",
    }


async def postgres(database_url: str) -> str:
    """Version and settings that decide how durable, and so how fast, a commit is."""
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch(
            "SELECT name, current_setting(name) AS value FROM unnest($1::text[]) WITH ORDINALITY AS n (name, place) "
            "ORDER BY place",
            list(SETTINGS),
        )
    finally:
        await connection.close()
    return ", ".join(f"{row['name']} {row['value']}" for row in rows)


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _file_system(folder: Path) -> str:
    """The kind of file system that holds the folder; a result on `tmpfs` would be worthless."""
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        return "unknown file system"
    best, kind = "", "unknown file system"
    for line in mounts.read_text(encoding="utf-8").splitlines():
        _, point, type_, *_ = line.split()
        if folder.resolve().is_relative_to(point) and len(point) >= len(best):
            best, kind = point, type_
    return kind


def _sync_ms(folder: Path) -> float:
    """Median milliseconds of appending 8 kB and waiting until the disk has it."""
    block = os.urandom(PAGE)
    taken = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(SYNCS):
            begin = time.perf_counter()
            file.write(block)
            file.flush()
            os.fsync(file.fileno())
            taken.append((time.perf_counter() - begin) * 1000)
    return median(taken)
