"""The whole way in miniature: an inbox in the test, ingest's relay and the miniature service as processes."""

import asyncio
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient

from quintant.stack.processes import HOME_VARIABLE, NAME_VARIABLE
from services.ingest.domain.candidates import Candidate
from services.ingest.inbox import Inbox, Submission
from services.ingest.settings import Settings
from services.ingest.wiring import run_migrate
from shared.kernel.clock import SystemClock
from shared.kernel.errors import UnavailableError
from shared.kernel.period import Calendar
from shared.messaging.topics import create_topics
from shared.runtime.shutdown import Shutdown
from shared.storage.database import Database, Deadlines, open_database
from shared.storage.position import read_standing
from shared.storage.progress import read_completeness
from shared.telemetry.metrics import Metrics
from tests.conftest import execute, with_database
from tests.integration.core import service
from tests.integration.core.company import record
from tests.integration.core.waiting import until
from tests.unit.sales.events import Event
from tests.unit.sales.mini import CALENDAR
from tests.unit.sales.oracle import Totals

PROJECT = Path(__file__).parents[2]
PARTITIONS = 2
SCHEMA = "core"
COMMANDS = {"relay": ["services.ingest", "worker"], "mini": ["tests.fault.worker"]}
IMPATIENT = Deadlines(connect=2.0, acquire=2.0, statement=5.0)


@dataclass
class Plant:
    """Servers, schemas, topics, the inbox, and the processes by name."""

    url: str
    bootstrap: str
    prefix: str
    directory: Path
    inbox: Inbox
    ingest: Database
    mini: Database
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    wanted: set[str] = field(default_factory=set)
    """The processes that nobody has ended yet."""
    accepted: list[Event] = field(default_factory=list)

    async def accept(self, events: Iterable[Event]) -> None:
        """Take events into the inbox, as known when they occurred: so the expected numbers depend on no clock.

        While PostgreSQL is away they are sent again and again, as a source would.
        """
        told = [replace(event, known_on=CALENDAR.day(event.occurred_at)) for event in events]

        async def taken() -> bool:
            try:
                await self.inbox.accept(Submission([_candidate(event) for event in told]))
            except UnavailableError:
                return False
            return True

        await until(taken)
        self.accepted += told

    def start(self, name: str, *, failpoint: str = "", instance: str = "mini-0", kind: str = "") -> None:
        """Start a process; several of one kind under names of their own."""
        environment = {
            **os.environ,
            "DATABASE_URL": self.url,
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "QUINTANT_TOPIC_PREFIX": self.prefix,
            "QUINTANT_PARTITIONS": str(PARTITIONS),
            "QUINTANT_HEALTH_PORT": "0",
            "QUINTANT_INSTANCE": instance,
            "QUINTANT_FAILPOINT": failpoint,
            "SCHEMA": SCHEMA,
            HOME_VARIABLE: str(self.directory),
            NAME_VARIABLE: name,
        }
        self.wanted.add(name)
        with (self.directory / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", *COMMANDS[kind or name]], cwd=PROJECT, env=environment, stdout=log, stderr=log
            )

    def signal(self, name: str, which: signal.Signals) -> None:
        self.processes[name].send_signal(which)

    async def ended(self, name: str, seconds: float = 40) -> int:
        """Wait for the end of a process; its exit code, or minus the signal that killed it."""
        self.wanted.discard(name)
        return await asyncio.to_thread(self.processes[name].wait, seconds)

    def running(self) -> set[str]:
        return {name for name, process in self.processes.items() if process.poll() is None}

    async def applied(self, seconds: float = 60) -> None:
        """Wait until everything accepted is applied; servers may be away meanwhile, the processes must not end."""
        await self._reach(self._is_applied, seconds)

    async def complete(self, seconds: float = 60) -> None:
        """Wait until that is also known: the service tells that it is complete through the last event."""
        await self._reach(self._is_complete, seconds)

    async def _reach(self, condition: Callable[[], Awaitable[bool]], seconds: float) -> None:

        async def holds() -> bool:
            assert self.running() == self.wanted, "a process ended"
            try:
                return await condition()
            except UnavailableError:
                return False

        await until(holds, seconds)

    async def _is_applied(self) -> bool:
        async with self.ingest.read() as reader:
            rows = await reader.rows("SELECT partition, number FROM head")
        async with self.mini.read() as reader:
            positions = (await read_standing(reader)).positions
        return all(positions.get(row["partition"], 0) == row["number"] for row in rows)

    async def _is_complete(self) -> bool:
        async with self.ingest.read() as reader:
            newest = await reader.value("SELECT max(accepted_at) FROM event")
        async with self.mini.read() as reader:
            through = (await read_completeness(reader, await read_standing(reader))).complete_through
        return through is not None and through >= newest

    async def shared_by(self, workers: int) -> None:
        """Wait until so many workers have shared the partitions out among themselves."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()

        async def settled() -> bool:
            [answer] = await admin.describe_consumer_groups([f"{self.prefix}mini"])
            _error, _group, state, *_protocol, members = answer.groups[0][:6]
            return bool(state == "Stable" and len(members) == workers)

        try:
            await until(settled)
        finally:
            await admin.close()

    async def totals(self, until_day: date, known_at: date) -> Totals:
        return await service.totals(self.mini, until_day, known_at)

    def kill(self) -> None:
        """End every process; what they logged is shown if the test fails."""
        for name, process in self.processes.items():
            process.kill()
            process.wait()
            sys.stdout.write(f"--- {name}\n{(self.directory / f'{name}.log').read_text()[-20_000:]}\n")


def _candidate(event: Event) -> Candidate:
    data = record(event, 1).data
    return Candidate(
        event.kind, event.source, event.event_id, event.id, event.occurred_at, event.sequence, data, None, history=True
    )


@asynccontextmanager
async def build(server_url: str, bootstrap: str, directory: Path) -> AsyncIterator[Plant]:
    """A plant without processes; whatever it started is killed at the end."""
    tag = secrets.token_hex(4)
    await execute(server_url, f"CREATE DATABASE plant_{tag}")
    url, prefix = with_database(server_url, f"plant_{tag}"), f"p{tag}-"
    settings = Settings(database_url=url, kafka_bootstrap_servers=bootstrap, partitions=PARTITIONS)
    await run_migrate(settings, Shutdown(SystemClock()))
    await service.create_schema(url, SCHEMA)
    await create_topics(bootstrap, prefix=prefix, partitions=PARTITIONS, generation=1)
    async with (
        open_database(
            url, role="quintant_ingest", schemas=("ingest",), application="plant", deadlines=IMPATIENT
        ) as ingest,
        open_database(url, role=service.ROLE, schemas=(SCHEMA,), application="plant", deadlines=IMPATIENT) as mini,
    ):
        inbox = Inbox(ingest, Calendar(CALENDAR.zone), PARTITIONS, Metrics(), SystemClock())
        accepting = asyncio.create_task(inbox.run())
        plant = Plant(url, bootstrap, prefix, directory, inbox, ingest, mini)
        try:
            yield plant
        finally:
            plant.kill()
            accepting.cancel()
            await asyncio.wait([accepting])
