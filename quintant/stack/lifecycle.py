"""Up and down: which parts there are, in which order they start, and what is done about what already runs."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from quintant.stack import jars, java, kafka, ports, postgres, processes, services
from quintant.stack.errors import StackError
from quintant.stack.home import Home, Part, State
from quintant.stack.processes import HOME_VARIABLE, NAME_VARIABLE, ProcessId
from quintant.stack.report import Report

DATABASE_VARIABLE = "DATABASE_URL"
BROKER_VARIABLE = "KAFKA_BOOTSTRAP_SERVERS"
POSTGRES, KAFKA, CONTROLLER = "postgres", "kafka", "kafka-controller"
# The demo company sends no invoices: what was shipped and not paid is owed. A setting of the caller's wins.
_COMPANY = {"QUINTANT_METRICS_RECEIVABLE_BASIS": "shipped"}
_USUAL_PORTS = {POSTGRES: 5432, KAFKA: 9092, CONTROLLER: 9093}
_LET_GO_SECONDS = 2
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stack:
    """A local stack: everything that runs for one home."""

    home: Home
    report: Report

    def up(self) -> State:
        """Start what does not run yet; return once every process is ready."""
        with self._changing() as state:
            self._start_servers(state)
            env = self.environment(state)
            self.home.own_key()
            self._start_services(state, env)
        return state

    def environment(self, state: State) -> dict[str, str]:
        """What every process of this stack gets."""
        return _COMPANY | services.environment(self.home, self.database_url(state), self.bootstrap_servers(state))

    def has_servers(self, state: State) -> bool:
        """Whether a database and a broker run, or are given."""
        database = given_database_url() or state.running(POSTGRES)
        return bool(database and (os.environ.get(BROKER_VARIABLE) or state.running(KAFKA)))

    def up_servers(self) -> State:
        """PostgreSQL and Kafka alone, for services that are started by hand."""
        with self._changing() as state:
            self._start_servers(state)
        return state

    @contextmanager
    def _changing(self) -> Iterator[State]:
        self.home.prepare()
        with self.home.exclusively():
            state = self.home.load()
            self._end_strays(state)
            yield state

    def down(self) -> bool:
        """Stop everything in the order in which nothing is lost. False if something had to be killed."""
        with self._changing() as state:
            services_clean = self._stop_services(state)
            return self._stop_servers(state) and services_clean

    def database_url(self, state: State) -> str:
        """As given, else of the embedded server."""
        return given_database_url() or self._postgres(state.ports.get(POSTGRES, 0)).url()

    def bootstrap_servers(self, state: State) -> str:
        """As given, else of the embedded broker."""
        return os.environ.get(BROKER_VARIABLE) or f"{ports.LOOPBACK}:{state.ports.get(KAFKA, 0)}"

    def _end_strays(self, state: State) -> None:
        """What an interrupted command started and could not write down."""
        known = {part.process for part in state.parts.values()}
        for name, process in list(processes.of_home(self.home.directory)):
            if process not in known:
                self.report.note(f"stopped {name} (pid {process.pid}), left over from an interrupted command")
                _stop_stray(name, process)

    def _start_servers(self, state: State) -> None:
        starts: list[Callable[[], None]] = []
        if not given_database_url() and not self._found(state, POSTGRES):
            self._port(state, POSTGRES)
            starts.append(lambda: self._start_postgres(state))
        if not os.environ.get(BROKER_VARIABLE) and not self._found(state, KAFKA):
            state.cluster_id = state.cluster_id or kafka.new_cluster_id()
            self._port(state, KAFKA)
            self._port(state, CONTROLLER)
            starts.append(lambda: self._start_kafka(state))
        self.home.save(state)
        try:
            _together(starts)
        finally:
            self.home.save(state)

    def _found(self, state: State, name: str) -> bool:
        part = state.running(name)
        if part:
            self.report.note(f"found {name} running (pid {part.process.pid})")
        return part is not None

    def _port(self, state: State, name: str, usual: int | None = None) -> int:
        """The port of last time, or the usual one; another if that is taken now."""
        wanted = state.ports.get(name) or usual or _USUAL_PORTS[name]
        if name in state.ports:
            ports.wait_until_free(wanted, _LET_GO_SECONDS)
        others = {port for other, port in state.ports.items() if other != name}
        port = ports.choose(wanted, others)
        if port != wanted:
            self.report.note(f"port {wanted} is taken: {name} listens on {port}")
        state.ports[name] = port
        return port

    def _postgres(self, port: int) -> postgres.Postgres:
        return postgres.Postgres(
            directory=postgres.home_for(self.home.directory / POSTGRES),
            port=port,
            password=self.home.secret("database-password"),
            log=self.home.fresh_log(POSTGRES),
            environment=self._marks(POSTGRES),
        )

    def _marks(self, name: str) -> dict[str, str]:
        return {HOME_VARIABLE: str(self.home.directory), NAME_VARIABLE: name}

    def _start_postgres(self, state: State) -> None:
        with self.report.step("PostgreSQL"):
            server = self._postgres(state.ports[POSTGRES])
            if server.is_new:
                state.prepared_from, state.demo = "", None
            state.parts[POSTGRES] = Part(server.start(), f"{ports.LOOPBACK}:{server.port}")

    def _start_kafka(self, state: State) -> None:
        with self.report.step("Kafka's files") as advance:
            files = jars.ensure(jars.listed(), jars.cache_directory(), advance)
        with self.report.step("Kafka"):
            broker = self._kafka(state, files)
            if broker.is_new:
                state.prepared_from = ""
            state.parts[KAFKA] = Part(broker.start(), broker.bootstrap_servers)

    def _kafka(self, state: State, files: tuple[Path, ...]) -> kafka.Kafka:
        found = java.find_java()
        node = kafka.Node(1, state.ports[KAFKA], state.ports[CONTROLLER])
        return kafka.Kafka(
            directory=self.home.directory / KAFKA,
            node=node,
            nodes=(node,),
            log=self.home.fresh_log(KAFKA),
            java=found,
            jars=files,
            cluster_id=state.cluster_id,
            start_cache=kafka.start_cache(found, files, jars.cache_directory()),
            remember=True,
            environment=self._marks(KAFKA),
        )

    def _start_services(self, state: State, env: dict[str, str]) -> None:
        outdated = {role: part for role in services.ROLES if (part := state.running(role.name))}
        current = {role for role, part in outdated.items() if part.made_from == services.made_from(role, env)}
        for role in current:
            self._found(state, role.name)
        missing = [role for role in services.ROLES if role not in current]
        if not missing:
            return
        self._stop_outdated([part.process for role, part in outdated.items() if role not in current])
        self._prepare(state, env)
        started: dict[str, Part] = {}
        with self.report.step("services") as advance:
            for role in missing:
                port = self._port(state, role.name, role.usual_port)
                started[role.name] = state.parts[role.name] = services.start(self.home, role, port, env)
            self.home.save(state)
            for count, _name in enumerate(services.wait_until_ready(self.home, started), 1):
                advance(count, len(started))

    def _prepare(self, state: State, env: dict[str, str]) -> None:
        """Of servers of one's own nothing is remembered: they may have been emptied since."""
        wanted = services.prepared_from(env)
        theirs = given_database_url() or os.environ.get(BROKER_VARIABLE)
        if theirs or state.prepared_from != wanted:
            with self.report.step("topics and schemas"):
                services.prepare(self.home, env)
            state.prepared_from = wanted

    def _stop_outdated(self, outdated: list[ProcessId]) -> None:
        if outdated:
            with self.report.step(f"stopping {len(outdated)} processes whose code or settings changed"):
                services.stop(outdated)

    def _stop_services(self, state: State) -> bool:
        names = [role.name for role in services.ROLES if state.running(role.name)]
        clean = True
        if names:
            with self.report.step("stopping the services"):
                clean = services.stop([state.parts[name].process for name in names])
        for role in services.ROLES:
            state.parts.pop(role.name, None)
        self.home.save(state)
        return clean

    def _stop_servers(self, state: State) -> bool:
        stops: list[Callable[[], bool]] = []
        if running := state.running(POSTGRES):
            stops.append(partial(self._ended, POSTGRES, postgres.stop, running.process))
        if running := state.running(KAFKA):
            stops.append(partial(self._ended, KAFKA, self._stop_kafka(state), running.process))
        clean = all(_together(stops))
        for name in (POSTGRES, KAFKA):
            state.parts.pop(name, None)
        self.home.save(state)
        return clean

    def _stop_kafka(self, state: State) -> Callable[[ProcessId], bool]:
        directory = jars.cache_directory()
        return self._kafka(state, tuple(directory / jar.file_name for jar in jars.listed())).stop

    def _ended(self, name: str, stop: Callable[[ProcessId], bool], process: ProcessId) -> bool:
        with self.report.step(f"stopping {name}"):
            return stop(process)


def given_database_url() -> str | None:
    """The caller's own database, from DATABASE_URL or the file that DATABASE_URL_FILE names."""
    if path := os.environ.get(f"{DATABASE_VARIABLE}_FILE"):
        try:
            return Path(path).read_text().strip()
        except OSError as error:
            raise StackError(f"{DATABASE_VARIABLE}_FILE cannot be read: {error.strerror}", advice=path) from error
    return os.environ.get(DATABASE_VARIABLE)


def _stop_stray(name: str, process: ProcessId) -> None:
    if name == POSTGRES:
        postgres.stop(process)
    else:
        processes.stop(process, seconds=30)


def _together(calls: Sequence[Callable[[], T]]) -> list[T]:
    """All at the same time; the first failure is raised once all have ended."""
    with ThreadPoolExecutor(max(1, len(calls))) as pool:
        pending = [pool.submit(call) for call in calls]
    return [future.result() for future in pending]
