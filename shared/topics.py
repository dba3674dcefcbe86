"""The topics Tributary needs, created when missing.

No topic is compacted and none expires: positions are compared for equality, so a gap in the log would be a loss and
must be seen as one. The log is also what the attribution database can be rebuilt from.
"""

from __future__ import annotations

from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from shared.errors import TributaryError
from shared.events import credit, deal, directory, program, touchpoint

DEAD_LETTERS: Final = "tributary.dead-letters"

PARTITIONS: Final = {
    touchpoint.TOPIC: 6,  # the busiest: up to six attribution replicas can share it
    deal.TOPIC: 6,
    credit.TOPIC: 6,
    directory.TOPIC: 1,  # small; one partition keeps its order whole
    program.TOPIC: 1,
    DEAD_LETTERS: 1,
}
_FOREVER: Final = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
_EXISTS: Final = TopicAlreadyExistsError.errno


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
    finally:
        await admin.close()
