"""What a rebuild needs to know: of the service, and of what is asked for."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.messaging.folding import Handler
from shared.runtime.settings import ServiceSettings
from shared.runtime.worker import Job
from shared.storage.database import Database, Reader
from shared.storage.digests import Digest


@dataclass(frozen=True, slots=True)
class Rebuildable:
    """What the rebuild needs to know of a service."""

    settings: ServiceSettings
    handler: Handler
    scripts: Path
    head: str
    """The newest revision of the scripts: what the handler needs."""
    digest: Callable[[], Digest]
    """Over all numbers up to the positions, whatever the partitions."""
    differences: Callable[[Reader, str, str], Awaitable[list[dict[str, Any]]]]
    """The first things that two schemas say differently."""
    jobs: Callable[[Database], Mapping[str, Job]] = lambda _database: {}
    """What else a new build needs to be as fast as the one before."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for."""

    accept: bool = False
    """Switch also if the numbers differ."""
    generation: int | None = None
    """Of the stream; None: that of the running build."""
    partitions: int | None = None
