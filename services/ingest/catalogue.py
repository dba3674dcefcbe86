"""What ingest must know to refuse unknown activities and tiers: every program version ever activated.

Load-bearing idea: the program topic is the source of truth and is small (a version weighs some 10 KB), so each process
reads all of it into memory at start, keeps up with its end, and needs no database for it. Until the first reading is
complete, the process says so and accepts nothing that depends on a program.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from services.ingest.domain.programs import Known
from shared import program, retry
from shared.errors import Invalid
from shared.events import program as contract
from shared.events.envelope import header
from shared.program import Program

POLL_MS: Final = 200
"""How long a poll waits for a new version; a stop request is noticed at least this often."""


class Catalogue:
    """The known program versions, and the worker that keeps them up to date."""

    def __init__(self, bootstrap: str, topic: str = contract.TOPIC) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._log = structlog.get_logger()
        self.known = Known()
        self.read = False
        """Whether the topic has been read to the end it had when this process started."""

    def faults(self) -> list[str]:
        """Why this process cannot judge activities yet; empty when it can."""
        return [] if self.read else ["the program topic is not yet read"]

    def add(self, version: Program, document: Mapping[str, Any]) -> None:
        """Know a version at once, as it was accepted here; the worker will meet it again and change nothing."""
        self.known = self.known.with_version(version, document)

    async def run(self, stop: asyncio.Event) -> None:
        """Read the topic from its beginning and follow it; while Kafka is away, try again with backoff."""
        delays = retry.delays()
        while not stop.is_set():
            try:
                await self._follow(stop)
            except KafkaError as error:
                delay = next(delays)
                self._log.warning("catalogue.read_failed", error=repr(error), retry_in_s=delay)
                await retry.pause(delay, stop)

    async def _follow(self, stop: asyncio.Event) -> None:
        # No group: every process reads everything, and there is no position worth keeping.
        client = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap, group_id=None, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        try:
            await client.start()
            await self._subscribe(client, stop)
            ends = await client.end_offsets(list(client.assignment()))
            while not stop.is_set():
                if not self.read and await _reached(client, ends):
                    self.read = True
                    self._log.info("catalogue.read", versions=len(self.known.documents))
                for records in (await client.getmany(timeout_ms=POLL_MS)).values():
                    self._take(records)
        finally:
            await client.stop()

    async def _subscribe(self, client: AIOKafkaConsumer, stop: asyncio.Event) -> None:
        """Get all partitions of the topic, waiting until it exists; none when told to stop before."""
        for delay in retry.delays():
            if stop.is_set():
                return
            if self._topic not in await client.topics():
                self._log.warning("catalogue.topic_missing", topic=self._topic, retry_in_s=delay)
            elif not client.subscription():
                client.subscribe([self._topic])
            elif client.assignment():
                return
            await retry.pause(delay, stop)

    def _take(self, records: Iterable[ConsumerRecord]) -> None:
        for record in records:
            if header(record.headers, "ce_type") != contract.ACTIVATED:
                continue
            try:
                event = contract.ProgramActivated.model_validate_json(record.value or b"")
                self.add(program.parse(event.document), event.document)
            except (ValidationError, Invalid) as error:
                # Attribution puts it among the dead letters; here it can only be passed over, but not in silence.
                self._log.error("catalogue.version_unreadable", offset=record.offset, error=str(error)[:500])


async def _reached(client: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> bool:
    return all([await client.position(place) >= end for place, end in ends.items()])
