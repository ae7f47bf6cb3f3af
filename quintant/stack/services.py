"""The four services as processes (`python -m services.<name> api|worker`) and what they get told."""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from quintant.client import Probe
from quintant.stack import processes
from quintant.stack.errors import StackError
from quintant.stack.home import PROJECT, Home, Part, State
from quintant.stack.ports import LOOPBACK
from quintant.stack.processes import HOME_VARIABLE, NAME_VARIABLE, ProcessId

NAMES = ("ingest", "pipeline", "metrics", "forecast")
_API_PORT, _WORKER_PORT = 8101, 8111
_TASK_SECONDS = 120
_READY_SECONDS = 60
_DRAIN_SECONDS = 30
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Role:
    """One long-running process of a service."""

    service: str
    kind: str
    usual_port: int

    @property
    def name(self) -> str:
        return f"{self.service}-{self.kind}"

    @property
    def port_variable(self) -> str:
        return "QUINTANT_HTTP_PORT" if self.kind == "api" else "QUINTANT_HEALTH_PORT"


ROLES = tuple(
    Role(service, kind, first + index)
    for kind, first in (("worker", _WORKER_PORT), ("api", _API_PORT))
    for index, service in enumerate(NAMES)
)


_MIGRATIONS = {f"migrate-{name}": (f"services.{name}", "migrate") for name in NAMES}


def urls(state: State) -> dict[str, str]:
    """Base URL of each service's api, running or not."""
    apis = [role for role in ROLES if role.kind == "api"]
    return {
        role.service: part.address if (part := state.parts.get(role.name)) else f"http://{LOOPBACK}:{role.usual_port}"
        for role in apis
    }


def environment(home: Home, database_url: str, bootstrap_servers: str) -> dict[str, str]:
    """What every process gets: the caller's settings, and where the parts are."""
    replaced = {NAME_VARIABLE, "DATABASE_URL_FILE"}
    inherited = {key: value for key, value in os.environ.items() if key not in replaced}
    return {
        "QUINTANT_HTTP_HOST": LOOPBACK,
        "QUINTANT_API_KEYS_FILE": str(home.keys_file),
        "QUINTANT_INGEST_SOURCES_FILE": str(home.sources_file),
        **inherited,
        "DATABASE_URL": database_url,
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
        "PYTHONPATH": str(PROJECT),
        "PYTHONUNBUFFERED": "1",
        HOME_VARIABLE: str(home.directory),
    }


def prepare(home: Home, env: Mapping[str, str]) -> None:
    """Create the topics, and bring every service's schema up to date: all at once, they do not touch each other."""
    _run_all(home, env, {"topics": ("shared.runtime", "topics"), **_MIGRATIONS})


def migrate(home: Home, env: Mapping[str, str]) -> None:
    """Bring every service's schema up to date."""
    _run_all(home, env, _MIGRATIONS)


def _run_all(home: Home, env: Mapping[str, str], tasks: Mapping[str, tuple[str, str]]) -> None:
    with ThreadPoolExecutor(len(tasks)) as pool:
        for done in [pool.submit(_run_task, home, name, module, env) for name, module in tasks.items()]:
            done.result()


def _run_task(home: Home, name: str, module: tuple[str, str], env: Mapping[str, str]) -> None:
    log = home.fresh_log(name)
    with log.open("ab") as sink:
        try:
            status = subprocess.run(  # noqa: S603 - the project's own modules
                [sys.executable, "-m", *module],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env={**env, NAME_VARIABLE: name},
                cwd=PROJECT,
                timeout=_TASK_SECONDS,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired as error:
            raise StackError(f"{name} did not end within {_TASK_SECONDS} s", advice=f"Read {log}.", log=log) from error
    if status != 0:
        raise StackError(f"{name} failed", advice=f"Read {log}.", log=log)


def start(home: Home, role: Role, port: int, env: Mapping[str, str], *, tree: Path = PROJECT) -> Part:
    """Start one process of the code in `tree` without waiting for it."""
    path = [str(tree) if part == str(PROJECT) else part for part in env["PYTHONPATH"].split(os.pathsep)]
    process = processes.spawn(
        [sys.executable, "-m", f"services.{role.service}", role.kind],
        log=home.fresh_log(role.name),
        env={**env, "PYTHONPATH": os.pathsep.join(path), role.port_variable: str(port), NAME_VARIABLE: role.name},
        cwd=tree,
    )
    return Part(process, f"http://{_reachable(env)}:{port}", made_from(role, env))


def _reachable(env: Mapping[str, str]) -> str:
    host = env["QUINTANT_HTTP_HOST"]
    return LOOPBACK if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compares, binds nothing


def made_from(role: Role, env: Mapping[str, str]) -> str:
    """Changes with the settings and with the code that the process runs."""
    settings = sorted(
        f"{key}={value}"
        for key, value in env.items()
        if key.startswith("QUINTANT_") or key in {"DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS"}
    )
    code = sorted(f"{path} {path.stat().st_mtime_ns}" for path in _sources(role.service))
    return hashlib.sha256("\n".join([sys.executable, *settings, *code]).encode()).hexdigest()[:16]


def prepared_from(env: Mapping[str, str]) -> str:
    """Changes whenever topics or schemas might."""
    return hashlib.sha256("".join(made_from(role, env) for role in ROLES).encode()).hexdigest()[:16]


def _sources(service: str) -> Iterator[Path]:
    for folder in (PROJECT / "shared", PROJECT / "services" / service):
        for pattern in ("*.py", "*.yaml", "*.sql"):
            yield from folder.rglob(pattern)


def wait_until_ready(home: Home, parts: Mapping[str, Part]) -> Iterator[str]:
    """Yield each name as its process becomes ready."""
    waiting, deadline = dict(parts), time.monotonic() + _READY_SECONDS
    with Probe() as probe:
        while waiting:
            for name, part in list(waiting.items()):
                trouble = probe.trouble(part.address)
                if trouble is None:
                    del waiting[name]
                    yield name
                elif not processes.is_alive(part.process):
                    processes.reap(part.process)
                    raise _failed(home, name, "ended while it was starting")
                elif time.monotonic() > deadline:
                    raise _failed(home, name, f"is not ready after {_READY_SECONDS} s: {trouble}")
            if waiting:
                time.sleep(_POLL_SECONDS)


def _failed(home: Home, name: str, what: str) -> StackError:
    return StackError(f"{name} {what}", advice="`quintant doctor` tells more.", log=home.log(name))


def stop(found: Iterable[ProcessId]) -> bool:
    """Let all drain at the same time. False if one had to be killed."""
    members = list(found)
    with ThreadPoolExecutor(max(1, len(members))) as pool:
        return all(list(pool.map(lambda process: processes.stop(process, seconds=_DRAIN_SECONDS), members)))
