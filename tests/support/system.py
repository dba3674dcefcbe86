"""The whole system in a test: real engines, real service processes, spoken to over HTTP as its users do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition

from shared import access, topics
from shared.events import credit, deal, directory, exchange, program, receipt, review, touchpoint
from tributary import runner

SETTLE_S = 180
"""The largest end-to-end load here settles in seconds, on a busy machine in a minute; beyond that it is stuck."""
READS = {
    "attribution": (touchpoint.TOPIC, deal.TOPIC, program.TOPIC, directory.TOPIC, review.TOPIC),
    "rewards": (credit.TOPIC, directory.TOPIC, program.TOPIC, receipt.TOPIC, exchange.TOPIC),
}
JsonObject = dict[str, Any]


class Tributary:
    """A running system and the calls its users make."""

    def __init__(self, system: runner.System, http: httpx.AsyncClient) -> None:
        self.system = system
        self.http = http

    async def ingest(self, method: str, path: str, body: object, key: str | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key or self.system.admin_key}"}
        return await self.http.request(method, f"{self.system.ingest_url}/ingest/v1/{path}", json=body, headers=headers)

    async def accept(
        self, path: str, items: Sequence[JsonObject], *, size: int = 1_000, key: str | None = None
    ) -> None:
        """Post items in batches; each batch must be accepted whole."""
        for start in range(0, len(items), size):
            answer = await self.ingest("POST", path, list(items[start : start + size]), key)
            assert answer.status_code == 202, answer.text

    async def activate(self, document: JsonObject) -> None:
        answer = await self.ingest("POST", "programs", document)
        assert answer.status_code == 202, answer.text

    async def read(self, service: str, path: str, key: str | None = None, **query: str) -> httpx.Response:
        base = {"attribution": self.system.attribution_url, "rewards": self.system.rewards_url}[service]
        headers = {"Authorization": f"Bearer {key or self.system.admin_key}"}
        return await self.http.get(f"{base}/{service}/v1/{path}", headers=headers, params=query)

    async def get(self, service: str, path: str, key: str | None = None, **query: str) -> JsonObject:
        answer = await self.read(service, path, key, **query)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        body: JsonObject = answer.json()
        return body

    async def ask(
        self, path: str, body: JsonObject, *, once: str | None = None, key: str | None = None
    ) -> httpx.Response:
        """Ask the rewards service to book or decide something; `once` is the idempotency key."""
        headers = {"Authorization": f"Bearer {key or self.system.admin_key}"}
        headers |= {"Idempotency-Key": once} if once else {}
        return await self.http.post(f"{self.system.rewards_url}/rewards/v1/{path}", json=body, headers=headers)

    async def every(self, service: str, path: str, **query: str) -> list[JsonObject]:
        """All items of a cursor-paged list."""
        items: list[JsonObject] = []
        page = await self.get(service, path, None, limit="500", **query)
        items += page["items"]
        while page["next"]:
            page = await self.get(service, path, None, limit="500", cursor=page["next"], **query)
            items += page["items"]
        return items

    async def key(self, source: str, *scopes: str, partner: str | None = None) -> str:
        connection = await asyncpg.connect(self.system.database_url)
        try:
            _, token = await access.create_key(
                connection, name=source, source=source, scopes=list(scopes), partner=partner
            )
        finally:
            await connection.close()
        return token

    async def settle(self) -> None:
        """Wait until every accepted fact has had its whole effect: logs read, no key dirty, outboxes published."""
        connection = await asyncpg.connect(self.system.database_url)
        client = AIOKafkaConsumer(bootstrap_servers=self.system.kafka)
        await client.start()
        try:
            async with asyncio.timeout(SETTLE_S):
                while await _unfinished(connection, client):
                    await asyncio.sleep(0.05)
        finally:
            await client.stop()
            await connection.close()


async def _unfinished(connection: asyncpg.Connection, client: AIOKafkaConsumer) -> bool:
    """Whether anything is still on its way; read upstream first, so that nothing slips by between the looks."""
    for schema, read in READS.items():
        places = [TopicPartition(topic, n) for topic in read for n in range(topics.PARTITIONS[topic])]
        ends = await client.end_offsets(places)
        rows = await connection.fetch(f"SELECT topic, partition, next_offset FROM {schema}.consumer_position")
        stored = {TopicPartition(row["topic"], row["partition"]): row["next_offset"] for row in rows}
        if any(stored.get(place, 0) < end for place, end in ends.items()):
            return True
        if await connection.fetchval(
            f"SELECT EXISTS (SELECT 1 FROM {schema}.dirty) OR EXISTS (SELECT 1 FROM {schema}.outbox o, "
            f"{schema}.outbox_position p WHERE (o.xid, o.id) > (p.xid, p.id))"
        ):
            return True
    return False


@asynccontextmanager
async def running(folder: Path, *, ports: runner.Ports | None = None) -> AsyncIterator[Tributary]:
    """Start the whole system in a folder, on free ports, and stop it afterwards; its log goes to `system.log`."""
    with (folder / "system.log").open("a") as log:

        def sink(name: str, line: str) -> None:
            log.write(f"{name}: {line}\n")
            log.flush()

        async with (
            runner.System(folder / "data", ports or runner.Ports.free(), sink=sink) as system,
            httpx.AsyncClient(timeout=30) as http,
        ):
            yield Tributary(system, http)
