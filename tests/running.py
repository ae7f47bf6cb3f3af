"""The four services as real processes on a module's own database and topics, for tests that go through HTTP."""

import os
import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from quintant.stack import processes, services
from quintant.stack.home import PROJECT, Home, Part
from quintant.stack.ports import any_free
from quintant.stack.services import ROLES, Role


@dataclass(frozen=True, slots=True)
class Member(Role):
    """One more worker of a service, such as `metrics-worker-1`."""

    instance: str

    @property
    def name(self) -> str:
        return f"{self.service}-{self.kind}-{self.instance}"


@dataclass(slots=True)
class Running:
    """Processes by the name of their role (`ingest-api`, `metrics-worker`, …); `metrics-worker-1` is one more worker.

    All calls block.
    """

    home: Home
    environment: Mapping[str, str]
    parts: dict[str, Part] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def urls(self) -> dict[str, str]:
        """Base URL of each service's api."""
        return {
            role.service: self.parts[role.name].address
            for role in ROLES
            if role.name in self.parts and role.kind == "api"
        }

    @property
    def key(self) -> str:
        """A key with every scope, for `Authorization: Bearer …`."""
        return self.home.own_key()

    def prepare(self) -> None:
        """Create the topics and migrate all four services."""
        self.home.prepare()
        self.home.own_key()
        services.prepare(self.home, self.environment)

    def start(self, names: Iterable[str] | None = None, *, tree: Path = PROJECT, **settings: str) -> None:
        """Start these roles, or all, each on the port of last time; return once they are ready."""
        started = list(names) if names is not None else [role.name for role in ROLES]
        self.launch(*started, tree=tree, **settings)
        self.wait_until_ready(*started)

    def launch(self, *names: str, tree: Path = PROJECT, **settings: str) -> None:
        """Start these roles of the code in `tree`, with more settings than all have, without waiting for them."""
        for name in names:
            if not self.running(name):
                role = _role(name)
                port = self.ports.setdefault(name, any_free(self.ports.values()))
                own = {"QUINTANT_INSTANCE": f"{role.service}-{role.instance}"} if isinstance(role, Member) else {}
                env = {**self.environment, **own, **settings}
                self.parts[name] = services.start(self.home, role, port, env, tree=tree)

    def wait_until_ready(self, *names: str) -> None:
        """Return once these are ready."""
        for _ in services.wait_until_ready(self.home, {name: self.parts[name] for name in names}):
            pass

    def running(self, name: str) -> bool:
        part = self.parts.get(name)
        return part is not None and processes.is_alive(part.process)

    def stop(self, *names: str) -> bool:
        """Let these roles, or all, drain and end. False if one had to be killed."""
        return services.stop([self.parts[name].process for name in (names or self.parts)])

    def kill(self, *names: str) -> None:
        """End these roles, or all, as a crash would."""
        for name in names or self.parts:
            processes.kill(self.parts[name].process)

    def freeze(self, *names: str) -> None:
        """They keep their connections and do nothing, as on a machine that swaps."""
        self.signal(signal.SIGSTOP, *names)

    def thaw(self, *names: str) -> None:
        """They go on, and do not know that time has passed."""
        self.signal(signal.SIGCONT, *names)

    def signal(self, which: signal.Signals, *names: str) -> None:
        """Send these a signal, without waiting for what they make of it."""
        for name in names:
            if self.running(name):
                os.kill(self.parts[name].process.pid, which)

    def log(self, name: str) -> str:
        """All that the role wrote."""
        return self.home.log(name).read_text(errors="replace")


def _role(name: str) -> Role:
    service, kind, *instance = name.split("-")
    role = next(role for role in ROLES if (role.service, role.kind) == (service, kind))
    return Member(role.service, role.kind, 0, instance[0]) if instance else role
