"""The topics Tributary needs, created when missing.

No topic is compacted and none expires: positions are compared for equality, so a gap in the log would be a loss and
must be seen as one. The log is also what the attribution database can be rebuilt from.
"""

from __future__ import annotations

import asyncio
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import GroupCoordinatorNotAvailableError, TopicAlreadyExistsError, for_code

from shared.errors import TributaryError
from shared.events import credit, deal, directory, exchange, ledger, program, receipt, review, touchpoint

DEAD_LETTERS: Final = "tributary.dead-letters"

PARTITIONS: Final = {
    touchpoint.TOPIC: 6,  # the busiest: up to six attribution replicas can share it
    deal.TOPIC: 6,
    credit.TOPIC: 6,
    receipt.TOPIC: 6,
    exchange.TOPIC: 1,
    directory.TOPIC: 1,  # small; one partition keeps its order whole
    review.TOPIC: 1,
    program.TOPIC: 1,
    ledger.TOPIC: 1,  # a chain has one order
    DEAD_LETTERS: 1,
}
_FOREVER: Final = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
_EXISTS: Final = TopicAlreadyExistsError.errno
_COORDINATOR_PATIENCE_S: Final = 30.0
"""A new broker makes its topic of group offsets at the first question for it, which takes it about a second."""
_COORDINATOR_POLL_S: Final = 0.1


async def create_topics(bootstrap: str, *, replication: int = 1) -> None:
    """Create the missing topics; existing ones stay as they are. Raises TributaryError naming a topic that fails."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        wanted = [NewTopic(name, count, replication, topic_configs=_FOREVER) for name, count in PARTITIONS.items()]
        answer = await admin.create_topics(wanted)
        for name, code, *_ in answer.topic_errors:
            if code not in {0, _EXISTS}:
                raise TributaryError(f"Kafka refused to create the topic {name}: {for_code(code).__name__}")
        await _await_coordinator(admin)
    finally:
        await admin.close()


async def _await_coordinator(admin: AIOKafkaAdminClient) -> None:
    """Let a new broker get ready for consumer groups, so that the first consumers do not meet (and log) refusals."""
    async with asyncio.timeout(_COORDINATOR_PATIENCE_S):
        while True:
            try:
                await admin.find_coordinator("tributary")
            except GroupCoordinatorNotAvailableError:
                await asyncio.sleep(_COORDINATOR_POLL_S)
            else:
                return
