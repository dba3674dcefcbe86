"""Real PostgreSQL and Kafka for tests: never a fake, never a skip.

Where each comes from, first match wins: the environment (`TRIBUTARY_TEST_DATABASE_URL`, `TRIBUTARY_TEST_KAFKA`), a
container where a Docker engine answers and has or can pull the image, else the embedded engine in a temporary folder.
Both are started at once, on free ports, once per run of pytest, so runs can go side by side.
"""

import asyncio
import os
import shutil
import socket
import tempfile
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import docker  # type: ignore[import-untyped]  # publishes no types  # publishes no type information
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from docker.errors import DockerException, ImageNotFound  # type: ignore[import-untyped]  # publishes no types
from requests.exceptions import RequestException
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from tributary import processes
from tributary.engines import kafka_jars
from tributary.engines.kafka import Kafka, answers_metadata
from tributary.engines.postgres import Postgres

POSTGRES_IMAGE = "postgres:18"
KAFKA_IMAGE = f"apache/kafka:{kafka_jars.VERSION}"
DOCKER_SOCKET = "unix:///var/run/docker.sock"
DOCKER_TIMEOUT_S = 3  # an engine on this machine answers at once; a client without an engine must not hold up the tests
PULL_TIMEOUT_S = 60  # of silence while pulling; then the embedded engine is faster
CONTAINER_START_S = 60.0
# Durability off, for throwaway data alone: a test kills processes, never the machine, and so cannot tell.
TEST_SETTINGS = {"fsync": "off", "max_connections": "200"}


@dataclass
class Engines:
    """The addresses of both engines, and what must be closed at the end."""

    database_url: str
    kafka: str
    _closing: ExitStack = field(repr=False)

    @classmethod
    def start(cls) -> Self:
        with ExitStack() as stack, ThreadPoolExecutor(max_workers=2) as pool:
            database = pool.submit(_database, stack)
            kafka = pool.submit(_kafka, stack)
            return cls(database.result(), kafka.result(), stack.pop_all())

    def close(self) -> None:
        self._closing.close()


def _database(stack: ExitStack) -> str:
    if url := os.environ.get("TRIBUTARY_TEST_DATABASE_URL"):
        return url
    if docker_can_run(POSTGRES_IMAGE):
        return _postgres_container(stack)
    server = Postgres.start(_throwaway_folder(stack, "postgres"), settings=TEST_SETTINGS)
    stack.callback(server.stop)
    return server.url


def _kafka(stack: ExitStack) -> str:
    if bootstrap := os.environ.get("TRIBUTARY_TEST_KAFKA"):
        return bootstrap
    if docker_can_run(KAFKA_IMAGE):
        return _kafka_container(stack)
    broker = Kafka.start(_throwaway_folder(stack, "kafka"))
    stack.callback(broker.stop)
    return broker.bootstrap


def _throwaway_folder(stack: ExitStack, name: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix=f"tributary-test-{name}-"))
    stack.callback(shutil.rmtree, folder)
    return folder


def docker_can_run(image: str) -> bool:
    """Whether a Docker engine answers and has the image or can pull it; a plain no in every other case."""
    if not _docker_socket_listens(os.environ.get("DOCKER_HOST", DOCKER_SOCKET)):
        return False
    try:
        client = docker.from_env(timeout=DOCKER_TIMEOUT_S)
    except DockerException:
        return False
    try:
        client.ping()
        try:
            client.images.get(image)
        except ImageNotFound:
            client.api.timeout = PULL_TIMEOUT_S
            client.images.pull(image)
    except (DockerException, RequestException):
        return False
    else:
        return True
    finally:
        client.close()


def _docker_socket_listens(host: str) -> bool:
    """Look before the Docker client does, which leaves its socket unclosed when nobody listens."""
    if not host.startswith("unix://"):
        return True  # for the client to find out
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(DOCKER_TIMEOUT_S)
        return probe.connect_ex(host.removeprefix("unix://")) == 0


def _postgres_container(stack: ExitStack) -> str:
    password = uuid.uuid4().hex
    container = _container(POSTGRES_IMAGE, 5432, {"POSTGRES_PASSWORD": password}, command="-c max_connections=200")
    stack.enter_context(container)
    url = f"postgresql://postgres:{password}@{container.get_container_host_ip()}:{container.get_exposed_port(5432)}/postgres"
    _wait_until(lambda: asyncio.run(_answers_sql(url)), POSTGRES_IMAGE)
    return url


def _kafka_container(stack: ExitStack) -> str:
    port = processes.free_port()  # must be known beforehand: the broker tells it to its clients
    container = _container(
        KAFKA_IMAGE,
        9092,
        {
            "KAFKA_NODE_ID": "1",
            "KAFKA_PROCESS_ROLES": "broker,controller",
            "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
            "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{processes.LOOPBACK}:{port}",
            "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
            "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
            "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
            "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
            "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        },
        host_port=port,
    )
    stack.enter_context(container)
    bootstrap = f"{processes.LOOPBACK}:{port}"
    _wait_until(lambda: processes.accepts_connections(port) and asyncio.run(answers_metadata(bootstrap)), KAFKA_IMAGE)
    return bootstrap


def _container(
    image: str, port: int, env: dict[str, str], *, command: str | None = None, host_port: int | None = None
) -> DockerContainer:
    testcontainers_config.ryuk_disabled = True  # the fixture closes them; no further image has to be pulled
    container = DockerContainer(image).with_bind_ports(port, host_port)
    for key, value in env.items():
        container.with_env(key, value)
    return container.with_command(command) if command else container


async def _answers_sql(url: str) -> bool:
    try:
        connection = await asyncpg.connect(url, timeout=DOCKER_TIMEOUT_S)
    except (OSError, asyncpg.PostgresError):
        return False
    await connection.close()
    return True


def _wait_until(ready: Callable[[], bool], image: str) -> None:
    until = time.monotonic() + CONTAINER_START_S
    while not ready():
        if time.monotonic() > until:
            raise AssertionError(f"the container of {image} did not become ready in {CONTAINER_START_S:.0f} s")
        time.sleep(0.1)


def database_name(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


async def create_database(server_url: str, prefix: str = "test", template: str | None = None) -> str:
    """Create a database of its own and return its URL.

    `template` is the name or URL of a database to copy (fast; nobody may be connected to it); default: an empty one.
    """
    name = f"{prefix}_{uuid.uuid4().hex[:12]}"
    source = "template0" if template is None else database_name(template) if "://" in template else template
    connection = await asyncpg.connect(server_url)
    try:
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{source}" STRATEGY wal_log')
    finally:
        await connection.close()
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))


async def drop_database(server_url: str, url: str) -> None:
    """Drop a database made by `create_database`, disconnecting whoever is still in it."""
    connection = await asyncpg.connect(server_url)
    try:
        await connection.execute(f'DROP DATABASE "{database_name(url)}" WITH (FORCE)')
    finally:
        await connection.close()


async def create_topic(bootstrap: str, prefix: str = "test", partitions: int = 1) -> str:
    """Create a topic of its own and return its name."""
    name = f"{prefix}.{uuid.uuid4().hex[:12]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        response = await admin.create_topics([NewTopic(name, partitions, 1)])
    finally:
        await admin.close()
    refused = [error for error in response.topic_errors if error[1] != 0]
    assert not refused, refused
    return name
