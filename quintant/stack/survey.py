"""What runs now: every part with its address, memory and whether it may be sent work. Looks, and changes nothing."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

from quintant.client import Probe
from quintant.stack import kafka, processes, services
from quintant.stack.home import Part, State
from quintant.stack.lifecycle import BROKER_VARIABLE, KAFKA, POSTGRES, given_database_url

SERVERS = (POSTGRES, KAFKA)


@dataclass(frozen=True, slots=True)
class Row:
    """One part as it is. `pid` is None when it is not ours or does not run; `trouble` is None when it is ready."""

    name: str
    address: str
    pid: int | None
    resident_bytes: int
    trouble: str | None


def survey(state: State) -> list[Row]:
    """All parts, in the order in which they start."""
    names = [*SERVERS, *(role.name for role in services.ROLES)]
    with Probe() as probe, ThreadPoolExecutor(len(names)) as pool:
        return list(pool.map(lambda name: _row(state, name, probe), names))


def _row(state: State, name: str, probe: Probe) -> Row:
    given = {POSTGRES: given_database_url(), KAFKA: os.environ.get(BROKER_VARIABLE)}.get(name)
    if given:
        return Row(name, _without_password(given), None, 0, None)
    part = state.running(name)
    if part is None:
        return Row(name, "", None, 0, "ended by itself" if name in state.parts else "not started")
    memory = processes.resident_bytes(part.process)
    return Row(name, part.address, part.process.pid, memory, _trouble(name, part, probe))


def _trouble(name: str, part: Part, probe: Probe) -> str | None:
    if name == POSTGRES:
        return None
    if name == KAFKA:
        host, _, port = part.address.rpartition(":")
        return None if kafka.answers(host, int(port)) else "does not answer"
    return probe.trouble(part.address)


def _without_password(address: str) -> str:
    if "://" not in address:
        return address
    parts = urlsplit(address)
    return f"{parts.hostname}:{parts.port or 5432}{parts.path}"
