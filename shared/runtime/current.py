"""Which build of a service is the current one: looked up at the start and twice a second, and followed."""

import asyncio
from dataclasses import dataclass

from shared.kernel.errors import UnavailableError
from shared.messaging.deadlines import Backoff
from shared.storage.builds import Build, Stage, is_registered, read_build
from shared.storage.database import Database
from shared.storage.schema import schemas_of
from shared.telemetry.logging import get_logger

EVERY = 0.5
"""Seconds between two looks: so long may a process go on with the build before."""

_log = get_logger("quintant.runtime")


@dataclass(frozen=True, slots=True)
class CurrentBuild:
    """Binds a database to the current build."""

    database: Database
    service: str
    partitions: int
    """Of the first build, before anything is registered."""

    async def look(self) -> Build:
        """The current build. Raises UnavailableError."""
        async with self.database.peek() as reader:
            found = None
            if await is_registered(reader, self.service):
                found = await read_build(reader, self.service, Stage.CURRENT)
        return found or Build(1, 1, self.partitions)

    async def bind(self) -> Build:
        """See the current build from now on. Raises UnavailableError."""
        build = await self.look()
        await self.database.bind(schemas_of(self.service, build.number))
        return build

    async def settle(self) -> Build:
        """The same, once PostgreSQL answers."""
        backoff = Backoff()
        while True:
            try:
                return await self.bind()
            except UnavailableError as error:
                _log.warning("build_not_known", reason=error.detail)
            await backoff.pause()

    async def replaced(self, build: Build) -> None:
        """Return when another build has taken over; a lost database delays."""
        while True:
            await asyncio.sleep(EVERY)
            try:
                if await self.look() != build:
                    return
            except UnavailableError:
                continue

    async def follow(self) -> None:
        """Always see the current build, until cancelled."""
        while True:
            build = await self.settle()
            _log.info("build", number=build.number, generation=build.generation)
            await self.replaced(build)
