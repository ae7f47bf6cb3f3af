"""Jars come from a repository, here one of the test's own, and are used only with the digest that is written down."""

import gc
import hashlib
import warnings
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from quintant.stack import jars
from quintant.stack.errors import StackError
from quintant.stack.jars import Jar


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    files = tmp_path / "repository"
    files.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(files))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv(jars.REPOSITORY_VARIABLE, f"http://127.0.0.1:{server.server_port}/")
        yield files
        server.shutdown()
        thread.join()
    with warnings.catch_warnings():
        # jgo leaves the connection of a failed download to the collector.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def _publish(repository: Path, artifact: str, content: bytes, *, digest_of: bytes | None = None) -> Jar:
    folder = repository / "org" / "example" / artifact / "1.0"
    folder.mkdir(parents=True)
    (folder / f"{artifact}-1.0.jar").write_bytes(content)
    return Jar("org.example", artifact, "1.0", hashlib.sha256(digest_of or content).hexdigest(), len(content))


def test_jars_are_fetched_once_and_checked_each_time(repository: Path, tmp_path: Path) -> None:
    wanted = tuple(_publish(repository, f"part{n}", bytes([n]) * 1000) for n in range(10))
    told: list[tuple[int, int]] = []
    cache = tmp_path / "cache" / "kafka"
    paths = jars.ensure(wanted, cache, lambda done, total: told.append((done, total)))
    assert [path.read_bytes() for path in paths] == [bytes([n]) * 1000 for n in range(10)]
    assert told[0] == (0, 10_000)
    assert told[-1] == (10_000, 10_000)
    told.clear()
    jars.ensure(wanted, cache, lambda done, total: told.append((done, total)))
    assert told == []
    assert [path.name for path in cache.parent.iterdir()] == ["kafka"]


def test_a_jar_with_another_digest_is_refused(repository: Path, tmp_path: Path) -> None:
    good = _publish(repository, "good", b"as published")
    swapped = _publish(repository, "swapped", b"something else", digest_of=b"as published!!")
    cache = tmp_path / "cache"
    with pytest.raises(StackError, match=r"swapped-1\.0\.jar was refused"):
        jars.ensure((good, swapped), cache)
    assert not (cache / swapped.file_name).exists()


def test_a_damaged_jar_in_the_cache_is_fetched_anew(repository: Path, tmp_path: Path) -> None:
    jar = _publish(repository, "part", b"as published")
    (path,) = jars.ensure((jar,), tmp_path / "cache")
    path.write_bytes(b"as_published")
    assert jars.problem(jar, tmp_path / "cache") == "another SHA-256 than expected"
    jars.ensure((jar,), tmp_path / "cache")
    assert path.read_bytes() == b"as published"


def test_what_cannot_be_fetched_is_said_with_advice(repository: Path, tmp_path: Path) -> None:
    missing = Jar("org.example", "missing", "1.0", "0" * 64, 1)
    with pytest.raises(StackError, match="could not be fetched") as raised:
        jars.ensure((missing,), tmp_path / "cache")
    assert "KAFKA_BOOTSTRAP_SERVERS" in raised.value.advice
