"""The proof of the books on a schedule: what `tributary verify` finds, as a metric that can raise an alarm."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Gauge

from services.rewards.ledger import verify
from services.rewards.ledger.verify import Report
from shared.database import Database
from shared.regular import regularly

EVERY_S: Final = 6 * 3_600.0
"""A whole ledger is read: often enough to find a fault before the next pay run, seldom enough to cost nothing."""


class Proof:
    """Verifies at start and every six hours. `clock` is the only source of time."""

    def __init__(self, database: Database, registry: CollectorRegistry, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._faults = Gauge(
            "tributary_ledger_faults", "Faults the last verification found; NaN before the first", registry=registry
        )
        self._faults.set(math.nan)
        self._verified = Gauge(
            "tributary_ledger_verified_timestamp_seconds", "When the last verification began; 0 before the first",
            registry=registry,
        )  # fmt: skip

    async def run(self, stop: asyncio.Event) -> None:
        """Verify until stopped. A fault ends nothing: the books are read more than ever then."""
        await regularly("proof", self.turn, EVERY_S, stop)

    async def turn(self) -> Report:
        """Verify once, set the metrics, and log each check that failed with its first fault."""
        async with self._database.pool.acquire() as connection:
            report = await verify.verify(connection, self._clock())
        self._faults.set(sum(finding.faults for finding in report.findings))
        self._verified.set(report.at.timestamp())
        for finding in report.findings:
            if finding.faults:
                structlog.get_logger().error(
                    "ledger.fault", check=finding.check, faults=finding.faults, first=finding.first
                )
        return report
