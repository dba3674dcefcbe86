"""Kafka's jars: loaded from Maven Central once per user, found in the cache folder ever after.

Load-bearing idea: which jars, and what is in them, is locked in `kafka.sha256` (written by `.ci/kafka-jars`), so
nothing is resolved at run time. A jar gets its name in the cache once its digest was right: what is there is right.
"""

import contextlib
import fcntl
import hashlib
import os
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import httpx

from tributary.processes import EngineError

VERSION: Final = "4.4.0"
LOCK: Final = Path(__file__).with_name("kafka.sha256")
CONNECTIONS: Final = 8  # 45 jars of 1 MB on average: more at once is impolite and no faster
TIMEOUT_S: Final = 60.0  # of silence on one connection
CERTIFICATES: Final = ("REQUESTS_CA_BUNDLE", "PIP_CERT")
"""Where else networks with a certificate authority of their own name it; httpx knows SSL_CERT_FILE by itself."""


def folder() -> Path:
    """Return the cache of this user: below $XDG_CACHE_HOME/tributary or ~/.cache/tributary."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "tributary" / f"kafka-{VERSION}"


def complete() -> bool:
    """Whether a start needs no network."""
    return all((folder() / Path(path).name).exists() for _, path in _locked())


def ensure() -> list[Path]:
    """Return the paths of all jars, after loading those that are missing. Raises EngineError if that fails.

    The environment's `TRIBUTARY_MAVEN` names a mirror of Maven Central for networks without a way to it.
    """
    wanted = _locked()
    cache = folder()
    cache.mkdir(parents=True, exist_ok=True)
    with _exclusive(cache / "lock"):  # two runs on a new machine must not load twice
        missing = [(digest, path) for digest, path in wanted if not (cache / Path(path).name).exists()]
        if missing:
            _load(missing, cache)
    return [cache / Path(path).name for _, path in wanted]


def _locked() -> list[tuple[str, str]]:
    """Return (SHA-256, path in a Maven repository) of every jar."""
    lines = [line.split() for line in LOCK.read_text(encoding="ascii").splitlines()]
    return [(digest, path) for digest, path in lines]


def _load(jars: list[tuple[str, str]], cache: Path) -> None:
    origin = _origin()

    def load(digest: str, path: str) -> None:
        answer = client.get(path).raise_for_status()
        if hashlib.sha256(answer.content).hexdigest() != digest:
            raise EngineError(f"{origin}{path} is not the file this project was made with (SHA-256 {digest})")
        target = cache / Path(path).name
        partial = target.with_suffix(".partial")
        partial.write_bytes(answer.content)
        partial.replace(target)

    with (
        httpx.Client(base_url=origin, timeout=TIMEOUT_S, follow_redirects=True, verify=_tls()) as client,
        ThreadPoolExecutor(CONNECTIONS) as pool,
    ):
        try:
            list(pool.map(lambda jar: load(*jar), jars))
        except httpx.HTTPError as error:
            pool.shutdown(cancel_futures=True)
            raise EngineError(
                f"Kafka cannot be loaded from {origin}: {error}. Its first start needs the network: try again, "
                "name a mirror of Maven Central in TRIBUTARY_MAVEN, or a running Kafka in TRIBUTARY_KAFKA"
            ) from error


def _origin() -> str:
    """Return the Maven repository to load from, with a slash at its end."""
    from jgo import constants  # noqa: PLC0415  installed only where the engines are embedded

    return os.environ.get("TRIBUTARY_MAVEN", constants.MAVEN_CENTRAL_URL).rstrip("/") + "/"


def _tls() -> ssl.SSLContext:
    context = httpx.create_ssl_context()
    context.load_default_certs()
    for variable in CERTIFICATES:
        if file := os.environ.get(variable):
            context.load_verify_locations(file)
    return context


@contextlib.contextmanager
def _exclusive(file: Path) -> Iterator[None]:
    with file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
