"""Looks at everything that a local stack needs, says what is wrong and how to mend it, and changes nothing."""

import asyncio
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from quintant.client import Probe
from quintant.stack import jars, java, kafka, ports, postgres, processes, services
from quintant.stack.errors import StackError
from quintant.stack.home import Home, State
from quintant.stack.lifecycle import BROKER_VARIABLE, CONTROLLER, KAFKA, POSTGRES, Stack, given_database_url
from quintant.stack.report import Silent

OLDEST_POSTGRES = 15
_LEAST_DISK_BYTES = 2_000_000_000
_CONNECT_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `remedy` is empty when it is well."""

    subject: str
    said: str
    remedy: str = ""

    @property
    def well(self) -> bool:
        return not self.remedy


def examine(home: Home) -> list[Finding]:
    """Everything, in the order in which a person would look."""
    findings = [*_machine(home), *_binaries()]
    try:
        state = home.load()
    except StackError as error:
        return [*findings, Finding("state", error.message, error.advice)]
    for look in _LOOKS:
        findings.extend(look(home, state))
    return findings


def _machine(home: Home) -> Iterator[Finding]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    yield Finding("python", version, "" if sys.version_info >= (3, 11) else "Install Python 3.11 or later.")
    place = next(folder for folder in (home.directory, *home.directory.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    remedy = "" if free > _LEAST_DISK_BYTES else f"Free some space on the disk of {home.directory}."
    yield Finding("disk", f"{free / 1e9:.1f} GB free", remedy)


def _binaries() -> Iterator[Finding]:
    if given_database_url() is None:
        yield _attempt("PostgreSQL programs", lambda: str(postgres.find_binaries()))
    if not os.environ.get(BROKER_VARIABLE):
        yield _attempt("Java", _java)
        yield _jars()


def _attempt(subject: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(subject, look())
    except StackError as error:
        return Finding(subject, error.message, error.advice or "See the message.")


def _java() -> str:
    found = java.find_java()
    return f"{found.major}, {found.program}"


def _jars() -> Finding:
    directory = jars.cache_directory()
    problems = {jar.file_name: why for jar in jars.listed() if (why := jars.problem(jar, directory))}
    if not problems:
        return Finding("Kafka's files", f"{len(jars.listed())} files, every SHA-256 as expected")
    name, why = next(iter(problems.items()))
    remedy = "`quintant up` fetches them anew."
    return Finding("Kafka's files", f"{len(problems)} not usable, such as {name}: {why}", remedy)


def _secrets(home: Home, _state: State) -> Iterator[Finding]:
    folder = home.keys_file.parent
    for path in sorted(folder.glob("*")) if folder.exists() else ():
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            yield Finding("secrets", f"others can read {path}", f"chmod 600 {path}")


def _parts(home: Home, state: State) -> Iterator[Finding]:
    if not state.parts:
        yield Finding("stack", "nothing runs", "`quintant up` starts it.")
        return
    names = [*(name for name in (POSTGRES, KAFKA) if name in state.parts), *(role.name for role in services.ROLES)]
    for name in names:
        part = state.running(name)
        if part:
            yield Finding(name, f"runs (pid {part.process.pid})")
        elif name in state.parts:
            yield Finding(name, "ended by itself or was killed", f"`quintant up` starts it; why: {home.log(name)}")
        else:
            yield Finding(name, "not started", "`quintant up` starts it.")


def _strays(home: Home, state: State) -> Iterator[Finding]:
    known = {part.process for part in state.parts.values()}
    for name, process in processes.of_home(home.directory):
        if process not in known:
            yield Finding(
                "stray process", f"{name} (pid {process.pid}) is not in the state", "`quintant up` and `down` stop it."
            )


def _ports(_home: Home, state: State) -> Iterator[Finding]:
    for name, port in state.ports.items():
        owner = KAFKA if name == CONTROLLER else name
        if not state.running(owner) and not ports.is_free(port):
            remedy = "Nothing to do: `quintant up` takes another."
            yield Finding(f"port {port}", f"taken by another program; {name} used it", remedy)


def _database(home: Home, state: State) -> Iterator[Finding]:
    if given_database_url() is None and not state.running(POSTGRES):
        return
    try:
        version = asyncio.run(_ask_version(Stack(home, Silent()).database_url(state)))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError, StackError, ValueError) as error:
        remedy = "Check DATABASE_URL." if given_database_url() else f"Read {home.log(POSTGRES)}; `quintant up` again."
        yield Finding("database", f"cannot connect: {type(error).__name__}: {error}", remedy)
        return
    remedy = "" if version >= OLDEST_POSTGRES else f"Use PostgreSQL {OLDEST_POSTGRES} or later."
    yield Finding("database", f"PostgreSQL {version} answers", remedy)


async def _ask_version(url: str) -> int:
    connection = await asyncpg.connect(url, timeout=_CONNECT_SECONDS)
    try:
        return int(connection.get_server_version().major)
    finally:
        await connection.close(timeout=_CONNECT_SECONDS)


def _broker(home: Home, state: State) -> Iterator[Finding]:
    given = os.environ.get(BROKER_VARIABLE)
    if not given and not state.running(KAFKA):
        return
    silent = []
    for address in Stack(home, Silent()).bootstrap_servers(state).split(","):
        host, _, port = address.rpartition(":")
        if not port.isdecimal() or not kafka.answers(host, int(port)):
            silent.append(address)
    remedy = f"Check {BROKER_VARIABLE}." if given else f"Read {home.log(KAFKA)}; `quintant down`, then `up`."
    yield Finding("broker", f"no answer from {', '.join(silent)}" if silent else "answers", remedy if silent else "")


def _readiness(home: Home, state: State) -> Iterator[Finding]:
    with Probe() as probe:
        for role in services.ROLES:
            if part := state.running(role.name):
                reason = probe.trouble(part.address)
                remedy = "" if reason is None else f"See `quintant logs {role.name}` ({home.log(role.name)})."
                yield Finding(f"{role.name} ready", reason or part.address, remedy)


_LOOKS: tuple[Callable[[Home, State], Iterator[Finding]], ...] = (
    _secrets,
    _parts,
    _strays,
    _ports,
    _database,
    _broker,
    _readiness,
)


def logs_of(home: Home) -> list[Path]:
    """All logs, by name."""
    return sorted((home.directory / "logs").glob("*.log"))
