"""Kafka's jars: only the locked ones, and no network once they are there. A local server is their origin."""

import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tributary.engines import kafka_jars
from tributary.processes import EngineError


@pytest.fixture
def origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a small Maven repository; the lock names one jar of it, `org/a.jar` with the content `good`."""
    root = tmp_path / "origin"
    (root / "org").mkdir(parents=True)
    (root / "org" / "a.jar").write_bytes(b"good")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object, **kwargs: object) -> None:
            super().__init__(*args, directory=str(root), **kwargs)  # type: ignore[arg-type]  # passed through

        def log_message(self, *args: object) -> None:
            pass

    lock = tmp_path / "lock.sha256"
    lock.write_text(f"{hashlib.sha256(b'good').hexdigest()}  org/a.jar\n")
    monkeypatch.setattr(kafka_jars, "LOCK", lock)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        monkeypatch.setenv("TRIBUTARY_MAVEN", f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield root
        server.shutdown()


def test_jars_are_loaded_once_and_then_need_no_network(origin: Path) -> None:
    """The second call finds the jar in the cache although its origin is gone."""
    [jar] = kafka_jars.ensure()
    assert jar.read_bytes() == b"good"
    (origin / "org" / "a.jar").unlink()
    assert kafka_jars.ensure() == [jar]


def test_a_jar_with_other_content_is_refused_and_not_kept(origin: Path) -> None:
    """A jar that does not match its locked digest is an error, and is not found in the cache afterwards."""
    (origin / "org" / "a.jar").write_bytes(b"evil")
    for _ in range(2):
        with pytest.raises(EngineError, match=r"org/a\.jar is not the file this project was made with"):
            kafka_jars.ensure()
    assert not list(kafka_jars.folder().glob("*.jar"))


def test_a_failed_load_says_what_to_do(origin: Path) -> None:
    """Without the jar at its origin the error names the origin and the ways out."""
    (origin / "org" / "a.jar").unlink()
    with pytest.raises(EngineError, match=r"404.*TRIBUTARY_MAVEN.*TRIBUTARY_KAFKA"):
        kafka_jars.ensure()


def test_the_lock_is_of_the_version_that_is_started() -> None:
    """Lock and version move together."""
    assert f"kafka_2.13-{kafka_jars.VERSION}.jar" in kafka_jars.LOCK.read_text()
