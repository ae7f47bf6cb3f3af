"""Real servers for tests, each of which can be stopped, killed, frozen and started again on the same port."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from quintant.stack import jars, java, kafka, postgres, processes
from quintant.stack.ports import LOOPBACK, any_free
from quintant.stack.postgres import Postgres
from quintant.stack.processes import ProcessId


@dataclass(slots=True)
class Server:
    """A PostgreSQL or Kafka of a test's own. All calls block; in a coroutine use `asyncio.to_thread(server.stop)`."""

    address: str
    log: Path
    _launch: Callable[[], ProcessId]
    _wait_until_ready: Callable[[ProcessId], None]
    _stop: Callable[[ProcessId], bool]
    process: ProcessId | None = None

    @property
    def running(self) -> bool:
        return processes.is_alive(self.process)

    def start(self) -> None:
        """Start and wait until it serves; nothing if it already runs."""
        if not self.running:
            self.launch()
            self.wait_until_ready()

    def launch(self) -> None:
        """Start without waiting: of a cluster none serves before most of its nodes run."""
        self.process = self._launch()

    def wait_until_ready(self) -> None:
        if self.process:
            self._wait_until_ready(self.process)

    def stop(self) -> None:
        """Stop it as an operator would, and wait until it is gone."""
        if self.process:
            self._signal(signal.SIGCONT)
            self._stop(self.process)

    def kill(self) -> None:
        """End it as a crash would."""
        if self.process:
            processes.kill(self.process)

    def restart(self) -> None:
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Keep its connections open and answer nothing, as a machine that swaps or a network that drops."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, which: signal.Signals) -> None:
        if self.process and self.running:
            for member in (self.process, *processes.descendants(self.process)):
                os.kill(member.pid, which)


@dataclass(frozen=True, slots=True)
class _Broker(kafka.Kafka):
    """A broker that may stand behind a proxy."""

    advertised: int | None = None

    def _properties(self) -> dict[str, str]:
        own = kafka.Kafka._properties(self)
        if self.advertised is None:
            return own
        return own | {"advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{self.advertised}"}


def new_postgres(directory: Path, *, durable: bool = True) -> Server:
    """Not started yet. `address` is the URL of its database `quintant`, whose owner may create roles and databases."""
    server = Postgres(
        directory=directory / "postgres",
        port=any_free(),
        password="for-tests-only",
        log=directory / "postgres.log",
        durable=durable,
        environment=_environment(directory, "postgres"),
    )
    return Server(server.url(), server.log, server.launch, server.wait_until_ready, postgres.stop)


def new_broker(directory: Path, *, advertised: int | None = None) -> Server:
    """Not started yet. `address` is its bootstrap server; clients are told to connect to the port `advertised`."""
    return new_cluster(directory, size=1, advertised=advertised)[0]


def new_cluster(directory: Path, *, size: int, advertised: int | None = None) -> list[Server]:
    """Brokers of one cluster, not started yet: launch all, then wait for each."""
    ports: list[int] = []
    while len(ports) < 2 * size:
        ports.append(any_free(ports))
    nodes = tuple(kafka.Node(index + 1, ports[2 * index], ports[2 * index + 1]) for index in range(size))
    directory = directory / f"cluster-{ports[0]}"
    directory.mkdir()
    found, files, cluster_id = (
        java.find_java(),
        jars.ensure(jars.listed(), jars.cache_directory()),
        kafka.new_cluster_id(),
    )
    cache = kafka.start_cache(found, files, jars.cache_directory())
    brokers = [
        _Broker(
            advertised=advertised,
            directory=directory / f"kafka-{node.id}",
            node=node,
            nodes=nodes,
            log=directory / f"kafka-{node.id}.log",
            java=found,
            jars=files,
            cluster_id=cluster_id,
            brief=True,
            start_cache=cache,
            environment=_environment(directory.parent, f"kafka-{node.id}"),
        )
        for node in nodes
    ]
    return [
        Server(broker.bootstrap_servers, broker.log, broker.launch, broker.wait_until_ready, broker.stop)
        for broker in brokers
    ]


def _environment(directory: Path, name: str) -> dict[str, str]:
    return {processes.HOME_VARIABLE: str(directory), processes.NAME_VARIABLE: name}
