"""The four services as real processes on a module's own database and topics, for tests that go through HTTP."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from quintant.stack import processes, services
from quintant.stack.home import Home, Part
from quintant.stack.ports import any_free
from quintant.stack.services import ROLES


@dataclass(slots=True)
class Running:
    """Processes by the name of their role (`ingest-api`, `metrics-worker`, …). All calls block."""

    home: Home
    environment: Mapping[str, str]
    parts: dict[str, Part] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def urls(self) -> dict[str, str]:
        """Base URL of each service's api."""
        return {role.service: self.parts[role.name].address for role in ROLES if role.kind == "api"}

    @property
    def key(self) -> str:
        """A key with every scope, for `Authorization: Bearer …`."""
        return self.home.own_key()

    def prepare(self) -> None:
        """Create the topics and migrate all four services."""
        self.home.prepare()
        self.home.own_key()
        services.prepare(self.home, self.environment)

    def start(self, names: Iterable[str] | None = None) -> None:
        """Start these roles, or all, each on the port of last time; return once they are ready."""
        for role in ROLES:
            if (names is None or role.name in names) and not self.running(role.name):
                port = self.ports.setdefault(role.name, any_free(self.ports.values()))
                self.parts[role.name] = services.start(self.home, role, port, self.environment)
        started = {name: self.parts[name] for name in (names or self.parts)}
        for _ in services.wait_until_ready(self.home, started):
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

    def log(self, name: str) -> str:
        """All that the role wrote."""
        return self.home.log(name).read_text(errors="replace")
