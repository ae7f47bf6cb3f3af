"""The folder in which a local stack keeps everything: what runs, its data, logs and secrets."""

import fcntl
import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec

from quintant.stack.errors import StackError
from quintant.stack.processes import HOME_VARIABLE, ProcessId, is_alive

PROJECT = Path(__file__).resolve().parents[2]
SCOPES = ("read", "write", "admin")
OWN_KEY = "cli"
"""The name under which these commands call the services."""
_LOCK_SECONDS = 5
_LARGEST_LOG = 10_000_000


class Part(msgspec.Struct, frozen=True):
    """One running process. `made_from` changes when it ought to be started anew (settings, code)."""

    process: ProcessId
    address: str
    made_from: str = ""


class Demo(msgspec.Struct, frozen=True):
    """The demo company is in. `tokens` name its last events, for `after=`."""

    tokens: list[str]
    shift_weeks: dict[str, int]


class State(msgspec.Struct):
    """What the commands tell each other between runs."""

    ports: dict[str, int] = msgspec.field(default_factory=dict)
    parts: dict[str, Part] = msgspec.field(default_factory=dict)
    cluster_id: str = ""
    prepared_from: str = ""
    """What the topics and schemas were last brought up to date with."""
    demo: Demo | None = None

    def running(self, name: str) -> Part | None:
        """The part, if exactly the process that was started still runs."""
        part = self.parts.get(name)
        return part if part and is_alive(part.process) else None


@dataclass(frozen=True, slots=True)
class Home:
    """`<project>/.quintant`, or $QUINTANT_HOME."""

    directory: Path

    @classmethod
    def find(cls) -> "Home":
        return cls(Path(os.environ.get(HOME_VARIABLE) or PROJECT / ".quintant").resolve())

    @property
    def state_file(self) -> Path:
        return self.directory / "state.json"

    @property
    def keys_file(self) -> Path:
        """`name:sha256hex:scopes` a line, as the services read it."""
        return self._secrets / "api-keys"

    @property
    def sources_file(self) -> Path:
        """The sources that ingest listens to, with their secrets: written by `quintant source`."""
        return self._secrets / "sources.json"

    @property
    def _secrets(self) -> Path:
        return self.directory / "secrets"

    def prepare(self) -> None:
        """Make the folders, closed to others. As root, PostgreSQL's user may pass through to its own."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o711 if os.geteuid() == 0 else 0o700)
        for folder in (self._secrets, self.directory / "logs"):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o700)

    def log(self, name: str) -> Path:
        return self.directory / "logs" / f"{name}.log"

    def fresh_log(self, name: str) -> Path:
        """The log to append to; a large one is set aside first."""
        log = self.log(name)
        if log.exists() and log.stat().st_size > _LARGEST_LOG:
            log.replace(log.with_suffix(".log.1"))
        return log

    def load(self) -> State:
        """What was saved; an unreadable file is an error, for guessing could start things twice."""
        try:
            return msgspec.json.decode(self.state_file.read_bytes(), type=State)
        except FileNotFoundError:
            return State()
        except msgspec.MsgspecError as error:
            raise StackError(
                f"{self.state_file} cannot be read: {error}",
                advice="Move it away; `quintant up` finds what still runs and starts it anew. No data is in it.",
            ) from error

    def save(self, state: State) -> None:
        write_private(self.state_file, msgspec.json.format(msgspec.json.encode(state)))

    def secret(self, name: str) -> str:
        """A random text that is made at the first call and kept, readable by this user only."""
        path = self._secrets / name
        if not path.exists():
            write_private(path, secrets.token_urlsafe(24).encode())
        return path.read_text().strip()

    def add_key(self, name: str, key: str, scopes: tuple[str, ...]) -> None:
        """Let `key` in under `name`, in place of a former key of that name."""
        lines = self.keys_file.read_text().splitlines() if self.keys_file.exists() else []
        kept = [line for line in lines if not line.startswith(f"{name}:")]
        entry = f"{name}:{hashlib.sha256(key.encode()).hexdigest()}:{','.join(scopes)}"
        write_private(self.keys_file, "".join(f"{line}\n" for line in [*kept, entry]).encode())

    def create_key(self, name: str, scopes: tuple[str, ...]) -> str:
        """A new key, stored only as its digest."""
        key = secrets.token_urlsafe(32)
        self.add_key(name, key, scopes)
        return key

    def own_key(self) -> str:
        """The key with which these commands call the services."""
        key = self.secret("cli-key")
        digest = hashlib.sha256(key.encode()).hexdigest()
        if not self.keys_file.exists() or digest not in self.keys_file.read_text():
            self.add_key(OWN_KEY, key, SCOPES)
        return key

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """One command at a time changes what runs. The system lets go of the lock when its holder dies."""
        with (self.directory / "lock").open("w") as lock:
            deadline = time.monotonic() + _LOCK_SECONDS
            while not _take(lock):
                if time.monotonic() > deadline:
                    raise StackError("another quintant command is at work here", advice="Wait until it has ended.")
                time.sleep(0.1)
            yield


def _take(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def write_private(path: Path, content: bytes) -> None:
    """Whole or not at all, and never readable by others, not even for a moment."""
    scratch = path.with_name(path.name + ".new")
    scratch.unlink(missing_ok=True)
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    scratch.replace(path)
