"""The broker's jars: fetched once a user, and used only if their SHA-256 is the one that is written in this project."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TypeAlias

from quintant.stack.errors import StackError

KAFKA_VERSION = "4.3.1"
# A company that keeps its own copy of the public repository names it here.
REPOSITORY_VARIABLE = "QUINTANT_MAVEN_REPOSITORY"
_THREADS = 8
_ATTEMPTS = 3
_CHUNK = 1 << 20
_ADVICE = (
    "Check the network (behind a proxy set HTTPS_PROXY; for a copy of the repository inside a company set "
    f"{REPOSITORY_VARIABLE}) and try again, or set KAFKA_BOOTSTRAP_SERVERS to a broker."
)

Progress: TypeAlias = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of a list such as kafka-jars.txt."""

    group: str
    artifact: str
    version: str
    sha256: str
    size: int

    @property
    def file_name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"


def listed() -> tuple[Jar, ...]:
    """The jars of Kafka's broker, as written in kafka-jars.txt."""
    return read_list(files(__package__).joinpath("kafka-jars.txt").read_text())


def read_list(text: str) -> tuple[Jar, ...]:
    """A jar a line: its Maven coordinates, SHA-256 and size."""
    return tuple(_parse(line) for line in text.splitlines() if line.strip())


def _parse(line: str) -> Jar:
    coordinates, digest, size = line.split()
    group, artifact, version = coordinates.split(":")
    return Jar(group, artifact, version, digest.removeprefix("sha256:"), int(size))


def cache_directory() -> Path:
    """Shared by all projects of this user."""
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "quintant" / f"kafka-{KAFKA_VERSION}"


def problem(jar: Jar, directory: Path) -> str | None:
    """Why the cached file cannot be used; None when it can."""
    path = directory / jar.file_name
    if not path.exists():
        return "missing"
    if path.stat().st_size != jar.size:
        return f"{path.stat().st_size} bytes instead of {jar.size}"
    return None if _sha256(path) == jar.sha256 else "another SHA-256 than expected"


def ensure(jars: tuple[Jar, ...], directory: Path, progress: Progress | None = None) -> tuple[Path, ...]:
    """Paths of all jars, each with the digest expected; fetches what is missing or damaged.

    `progress` is told the bytes present and the bytes in all.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(_THREADS) as pool:
        problems = pool.map(lambda jar: problem(jar, directory), jars)
        wanted = [jar for jar, why in zip(jars, problems, strict=True) if why]
        if wanted:
            _fetch_all(pool, wanted, directory, progress or (lambda _done, _total: None))
    return tuple(directory / jar.file_name for jar in jars)


def _fetch_all(pool: ThreadPoolExecutor, wanted: list[Jar], directory: Path, progress: Progress) -> None:
    total, done = sum(jar.size for jar in wanted), 0
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix="fetch-") as scratch:
        pending = {pool.submit(_fetch, jar, Path(scratch), directory): jar for jar in wanted}
        progress(0, total)
        try:
            for future in as_completed(pending):
                future.result()
                done += pending[future].size
                progress(done, total)
        finally:
            for future in pending:
                future.cancel()


def _fetch(jar: Jar, scratch: Path, directory: Path) -> None:
    fetched = _download(jar, scratch)
    found = _sha256(fetched)
    if found != jar.sha256:
        raise StackError(
            f"{jar.file_name} was refused: its SHA-256 is {found}, expected {jar.sha256}",
            advice="Something between this machine and the repository changes files. " + _ADVICE,
        )
    # Same file system, so the file appears whole or not at all, also when two commands fetch at once.
    fetched.replace(directory / jar.file_name)


def _download(jar: Jar, scratch: Path) -> Path:
    # Late: it is needed once in the life of a machine, and slow to load.
    from jgo.maven import MavenContext

    mirror = os.environ.get(REPOSITORY_VARIABLE)
    remotes = {"mirror": mirror.rstrip("/")} if mirror else None
    reason: Exception | None = None
    for attempt in range(_ATTEMPTS):
        context = MavenContext(repo_cache=scratch / str(attempt), remote_repos=remotes)
        try:
            return Path(context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve())
        except (OSError, RuntimeError) as error:  # requests' errors are OSErrors
            reason = error
    raise StackError(f"{jar.file_name} could not be fetched: {reason}", advice=_ADVICE) from reason


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def forget(directory: Path) -> None:
    """Drop the cache of this version."""
    shutil.rmtree(directory, ignore_errors=True)
