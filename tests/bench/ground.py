"""Where a benchmark runs: what is measured has one core to itself, servers and load generator share another one."""

import asyncio
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from quintant.stack import processes, services
from quintant.stack.home import PROJECT, Home, Part
from quintant.stack.ports import LOOPBACK, any_free
from quintant.stack.processes import ProcessId
from shared.messaging.topics import create_topics
from tests.bench.rounds import Rate
from tests.conftest import execute, with_database

PARTITIONS = 4
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SOURCE = "erp"


@dataclass(frozen=True, slots=True)
class Place:
    """A database and topics of one run."""

    database_url: str
    topic_prefix: str


@dataclass(slots=True)
class Ground:
    """The servers, and how processes are started beside them. `template` is a database with all services migrated."""

    home: Home
    database_server: str
    bootstrap: str
    template: str
    service_core: int
    profile_to: Path | None = None
    ports: list[int] = field(default_factory=list)

    async def place(self, database_url: str | None = None) -> Place:
        """Fresh topics, and a fresh database unless one is given."""
        prefix = f"b{secrets.token_hex(4)}-"
        if database_url is None:
            name = f"bench_{secrets.token_hex(6)}"
            await execute(self.database_server, f"CREATE DATABASE {name} TEMPLATE {self.template}")
            database_url = with_database(self.database_server, name)
        await create_topics(self.bootstrap, prefix=prefix, partitions=PARTITIONS, generation=1)
        return Place(database_url, prefix)

    @asynccontextmanager
    async def serving(self, service: str, kind: str, place: Place, **settings: str) -> AsyncIterator[Part]:
        """A process of a service, ready, on the service's core; profiled if that was asked for."""
        env = services.environment(self.home, place.database_url, self.bootstrap)
        env |= {"QUINTANT_TOPIC_PREFIX": place.topic_prefix, "QUINTANT_LOG_LEVEL": "warning", **settings}
        port = self._port()
        env["QUINTANT_HTTP_PORT" if kind == "api" else "QUINTANT_HEALTH_PORT"] = str(port)
        command = self.profiled(f"{service}-{kind}", f"services.{service}", kind)
        async with self._running(f"{service}-{kind}", command, env, port) as part:
            yield part

    def profiled(self, name: str, module: str, *arguments: str) -> list[str]:
        """What Python is asked to run: a module, watched if a profile was asked for."""
        if self.profile_to is None:
            return ["-m", module, *arguments]
        file = self.profile_to / f"{len(list(self.profile_to.iterdir())) + 1:02}-{name}.txt"
        return ["-m", "tests.bench.sampling", str(file), module, *arguments]

    @asynccontextmanager
    async def shell(self) -> AsyncIterator[Part]:
        """The baseline of HTTP: an application that answers 202 and does nothing."""
        port = self._port()
        command = ["-m", "tests.bench.baselines", "shell", str(port)]
        async with self._running("shell", command, services.environment(self.home, "", ""), port) as part:
            yield part

    @asynccontextmanager
    async def bare(self, answer: Path) -> AsyncIterator[Part]:
        """The baseline of reads: an application that answers with the bytes of a file and does nothing."""
        port = self._port()
        command = ["-m", "tests.bench.baselines", "bare", str(port), str(answer)]
        async with self._running("bare", command, services.environment(self.home, "", ""), port) as part:
            yield part

    async def baseline(self, count: int, *arguments: str) -> Rate:
        """What a baseline measured about itself, in a process of its own on the service's core."""
        env = services.environment(self.home, "", "") | {processes.NAME_VARIABLE: "baseline"}

        def run() -> bytes:
            with on_core(self.service_core):
                command = [sys.executable, "-m", "tests.bench.baselines", *arguments]
                return subprocess.run(command, cwd=PROJECT, env=env, stdout=subprocess.PIPE, check=True).stdout

        found: dict[str, float] = json.loads((await asyncio.to_thread(run)).splitlines()[-1])
        assert found["records"] == count
        return Rate(count / found["seconds"], count / found["spent"])

    def _port(self) -> int:
        self.ports.append(any_free(self.ports))
        return self.ports[-1]

    @asynccontextmanager
    async def _running(self, name: str, command: list[str], env: Mapping[str, str], port: int) -> AsyncIterator[Part]:
        with on_core(self.service_core):
            process = processes.spawn(
                [sys.executable, *command],
                log=self.home.fresh_log(name),
                env={**env, processes.NAME_VARIABLE: name},
                cwd=PROJECT,
            )
        part = Part(process, f"http://{LOOPBACK}:{port}")
        try:
            await asyncio.to_thread(list, services.wait_until_ready(self.home, {name: part}))
            yield part
        finally:
            await asyncio.to_thread(processes.stop, process, seconds=30)


def port_of(part: Part) -> int:
    """The port that it serves."""
    return int(part.address.rpartition(":")[2])


class Busy:
    """How much processes work from here on, all together."""

    def __init__(self, *found: ProcessId) -> None:
        self._processes = [psutil.Process(one.pid) for one in found]
        self._began, self._spent = time.perf_counter(), self._seconds()

    def spent(self) -> float:
        """Seconds of processor time since this was made."""
        return self._seconds() - self._spent

    def elapsed(self) -> float:
        """Seconds since this was made."""
        return time.perf_counter() - self._began

    def rate(self, count: int) -> Rate:
        """So many things done since this was made."""
        return Rate(count / self.elapsed(), count / self.spent())

    def _seconds(self) -> float:
        return sum(times.user + times.system for times in (one.cpu_times() for one in self._processes))


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """What this thread starts meanwhile runs on that core alone, with all its threads."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def kept_on(core: int, family: Iterable[int]) -> Iterator[None]:
    """Keep these processes, with all threads that they have and will have, on one core; afterwards as before."""
    before = {thread: os.sched_getaffinity(thread) for pid in family for thread in _threads(pid)}
    for thread in before:
        _move(thread, {core})
    try:
        yield
    finally:
        freedom = max(before.values(), key=len)
        for pid in {*before, *family}:
            for thread in _threads(pid):
                _move(thread, before.get(thread, freedom))


def _threads(pid: int) -> list[int]:
    try:
        return [int(entry.name) for entry in Path(f"/proc/{pid}/task").iterdir()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _move(thread: int, cores: set[int]) -> None:
    try:
        os.sched_setaffinity(thread, cores)
    except ProcessLookupError:
        return  # it ended meanwhile
