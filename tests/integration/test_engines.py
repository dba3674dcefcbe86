"""The embedded engines and the fixtures that hand them to tests."""

import asyncio
import subprocess
import time
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from tests.conftest import NewDatabase, NewTopic
from tests.support.engines import TEST_SETTINGS, docker_can_run
from tributary.engines.postgres import Postgres
from tributary.processes import EngineError, free_port


async def test_a_test_gets_an_empty_database_of_postgresql_18(database_url: str) -> None:
    """A test's database is PostgreSQL 18, UTF-8 and empty."""
    connection = await asyncpg.connect(database_url)
    try:
        assert await connection.fetchval("SELECT current_setting('server_version_num')::int / 10000") == 18
        assert await connection.fetchval("SHOW server_encoding") == "UTF8"
        assert await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    finally:
        await connection.close()


async def test_a_database_can_be_copied_from_a_template(new_database: NewDatabase) -> None:
    """A copy holds the template's tables, and a change in one does not show in the other."""
    template = await new_database("template")
    connection = await asyncpg.connect(template)
    await connection.execute("CREATE TABLE thing (id int); INSERT INTO thing VALUES (1)")
    await connection.close()
    counts = []
    for _ in range(2):
        connection = await asyncpg.connect(await new_database("copy", template=template))
        await connection.execute("INSERT INTO thing VALUES (2)")
        counts.append(await connection.fetchval("SELECT count(*) FROM thing"))
        await connection.close()
    assert counts == [2, 2]


async def test_what_is_sent_to_kafka_is_read_back_in_order(kafka_bootstrap: str, new_topic: NewTopic) -> None:
    """A broker of the fixtures keeps messages of a partition in order."""
    topic = await new_topic("round-trip")
    async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, acks="all", enable_idempotence=True) as producer:
        for number in range(100):
            await producer.send(topic, str(number).encode())
    async with AIOKafkaConsumer(topic, bootstrap_servers=kafka_bootstrap, auto_offset_reset="earliest") as consumer:
        read = [int((await consumer.getone()).value) for _ in range(100)]
    assert read == list(range(100))


async def test_the_embedded_server_is_closed_to_strangers(tmp_path: Path) -> None:
    """Only the password opens it, only we can read that, it never runs as root, and its folder and port are its own."""
    folder = tmp_path / "postgres"
    (folder / "data.partial").mkdir(parents=True)  # left by a first start that was interrupted
    (folder / "data.partial" / "PG_VERSION").write_text("18")
    server = await asyncio.to_thread(Postgres.start, folder, settings=TEST_SETTINGS)
    try:
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(server.url.replace(":" + server.url.split(":")[2].split("@")[0], ":wrong"))
        assert (folder / "password").stat().st_mode & 0o777 == 0o600
        assert not (folder / "password.handed").exists()
        owner = subprocess.run(["ps", "-o", "uid=", "-p", str(server.pid)], capture_output=True, text=True, check=True)  # noqa: ASYNC221 (milliseconds)
        assert int(owner.stdout) != 0
        with pytest.raises(EngineError, match="is in use by process"):
            await asyncio.to_thread(Postgres.start, folder)
        with pytest.raises(EngineError, match=f"port {server.port} is taken"):
            await asyncio.to_thread(Postgres.start, tmp_path / "other", port=server.port)
    finally:
        await asyncio.to_thread(server.stop)


def test_docker_without_an_engine_is_a_quick_no(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A Docker client whose engine does not answer counts as no Docker, at once and without an error."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    begin = time.monotonic()
    assert not docker_can_run("postgres:18")
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{free_port()}")
    assert not docker_can_run("postgres:18")
    assert time.monotonic() - begin < 10
