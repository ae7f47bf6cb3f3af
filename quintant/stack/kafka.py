"""One Kafka broker (KRaft, broker and controller in one JVM), or one of several on this machine."""

import base64
import hashlib
import os
import secrets
import shutil
import socket
import struct
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from pathlib import Path

from quintant.stack import processes
from quintant.stack.errors import StackError
from quintant.stack.java import Java
from quintant.stack.ports import LOOPBACK
from quintant.stack.processes import ProcessId

_START_SECONDS = 90
_FORMAT_SECONDS = 60
_STOP_SECONDS = 40
_REMEMBER_SECONDS = 120
_METADATA_REQUEST = struct.pack(">hhihi", 3, 1, 1, -1, -1)  # Metadata, version 1, all topics, no client id
_HEAP = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-Djava.awt.headless=true")
_FIXED = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    # After `kill -9` a broker is let in again only when its former session is over.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "num.io.threads": "2",
    "num.network.threads": "2",
    "log.cleaner.dedupe.buffer.size": "16777216",
}
_INTERNAL_TOPICS = ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic")


@dataclass(frozen=True, slots=True)
class Node:
    """Where one broker of a cluster listens."""

    id: int
    port: int
    controller_port: int


@dataclass(frozen=True, slots=True)
class Kafka:
    """The broker `node` of the cluster `nodes`, its data under `directory`.

    `start_cache` is a file with which a second start is twice as fast; it is written at a clean stop if `remember`.
    `brief` compiles less, for brokers that live a short time.
    """

    directory: Path
    node: Node
    nodes: tuple[Node, ...]
    log: Path
    java: Java
    jars: tuple[Path, ...]
    cluster_id: str
    brief: bool = False
    start_cache: Path | None = None
    remember: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_new(self) -> bool:
        """Nothing was ever stored here."""
        return not (self.directory / "data" / "meta.properties").exists()

    @property
    def bootstrap_servers(self) -> str:
        return f"{LOOPBACK}:{self.node.port}"

    def start(self) -> ProcessId:
        """Format the storage if it is new, start the broker and return once it answers with metadata."""
        process = self.launch()
        self.wait_until_ready(process)
        return process

    def launch(self) -> ProcessId:
        """Start without waiting: a cluster is ready only when most of its nodes run."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o700)
        properties = self.directory / "server.properties"
        properties.write_text("".join(f"{key}={value}\n" for key, value in self._properties().items()))
        if self.is_new:
            self._format(properties)
        with as_file(files(__package__).joinpath("log4j2.xml")) as logging:
            command: list[str | Path] = [
                self.java.program,
                *self._flags(),
                f"-Dlog4j2.configurationFile={logging}",
                "-cp",
                self._class_path(),
                "kafka.Kafka",
                properties,
            ]
            return processes.spawn(
                command, log=self.log, env={**_environment(), **self.environment}, cwd=self.directory
            )

    def wait_until_ready(self, process: ProcessId) -> None:
        processes.wait_until_ready(
            "Kafka", lambda: answers(LOOPBACK, self.node.port), process, seconds=_START_SECONDS, log=self.log
        )

    def _properties(self) -> dict[str, str]:
        copies = str(min(3, len(self.nodes)))
        in_sync = "2" if len(self.nodes) > 1 else "1"
        internal: dict[str, str] = {}
        for topic in _INTERNAL_TOPICS:
            internal |= {f"{topic}.replication.factor": copies, f"{topic}.min.isr": in_sync}
            internal |= {f"{topic}.num.partitions": "4"}
        return {
            **_FIXED,
            **internal,
            "node.id": str(self.node.id),
            "controller.quorum.voters": ",".join(f"{n.id}@{LOOPBACK}:{n.controller_port}" for n in self.nodes),
            "listeners": f"PLAINTEXT://{LOOPBACK}:{self.node.port},CONTROLLER://{LOOPBACK}:{self.node.controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap_servers}",
            "log.dirs": str(self.directory / "data"),
            "default.replication.factor": copies,
            "min.insync.replicas": in_sync,
        }

    def _format(self, properties: Path) -> None:
        command: list[str | Path] = [self.java.program, *_HEAP, "-XX:TieredStopAtLevel=1", "-cp", self._class_path()]
        command += ["kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", self.cluster_id, "-c", properties]
        try:
            done = subprocess.run(  # noqa: S603 - the broker's own tool
                command, capture_output=True, text=True, timeout=_FORMAT_SECONDS, check=False, env=_environment()
            )
        except subprocess.TimeoutExpired as error:
            raise StackError(f"Kafka's storage was not formatted within {_FORMAT_SECONDS} s") from error
        if done.returncode != 0:
            raise StackError(
                "Kafka's storage could not be formatted", advice=(done.stdout + done.stderr).strip()[-2000:]
            )

    def _flags(self) -> list[str]:
        flags = list(_HEAP)
        if self.brief:
            flags.append("-XX:TieredStopAtLevel=1")
        if self.start_cache and self.java.major >= 25:
            if self.start_cache.exists():
                flags += [f"-XX:AOTCache={self.start_cache}", "-XX:AOTMode=auto", "-Xlog:aot=off", "-Xlog:cds=off"]
            elif self.remember:
                flags.append(f"-XX:AOTCacheOutput={self._new_cache}")
        return flags

    @property
    def _new_cache(self) -> Path:
        return self.directory / "start-cache.new"

    def _class_path(self) -> str:
        # Named one by one: a stray file in the cache must not reach the broker.
        return os.pathsep.join(str(jar) for jar in self.jars)

    def stop(self, process: ProcessId) -> bool:
        """Hand over, flush and end. False if it had to be killed."""
        remembers = self.remember and self.start_cache is not None and not self.start_cache.exists()
        clean = processes.stop(process, seconds=_REMEMBER_SECONDS if remembers else _STOP_SECONDS)
        if clean and remembers and self.start_cache and self._new_cache.exists():
            self.start_cache.parent.mkdir(parents=True, exist_ok=True)
            # The data may lie on another file system: copy beside the goal first, so that nobody sees half of it.
            beside = self.start_cache.with_name(f"{self.start_cache.name}.{process.pid}")
            shutil.move(self._new_cache, beside)
            beside.replace(self.start_cache)
        return clean


def start_cache(java: Java, jars: tuple[Path, ...], directory: Path) -> Path:
    """Where the start cache of exactly this Java and these files belongs; Java ignores one made for others."""
    made_for = "\n".join(f"{path} {path.stat().st_mtime_ns}" for path in (java.program, *jars))
    return directory / f"start-{hashlib.sha256(made_for.encode()).hexdigest()[:16]}.aot"


def new_cluster_id() -> str:
    """Kafka's own form: 16 random bytes in base64url, 22 characters."""
    while (text := base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")).startswith("-"):
        pass
    return text


def answers(host: str, port: int, seconds: float = 2) -> bool:
    """Whether a broker there answers a metadata request with at least one broker: it then serves clients."""
    try:
        with socket.create_connection((host, port), timeout=seconds) as connection:
            connection.sendall(struct.pack(">i", len(_METADATA_REQUEST)) + _METADATA_REQUEST)
            head = _read(connection, 12)
    except OSError:
        return False
    if len(head) < 12:
        return False
    _size, correlation, brokers = struct.unpack(">iii", head)
    return bool(correlation == 1 and brokers > 0)


def _read(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size and (part := connection.recv(size - len(received))):
        received += part
    return received


def _environment() -> dict[str, str]:
    """Without the variables by which a Java or Kafka installed elsewhere would reach into this one."""
    foreign = ("KAFKA_", "JAVA_", "JDK_", "CLASSPATH", "_JAVA")
    return {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
