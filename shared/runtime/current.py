"""Which build of a service is the current one: looked up at the start and twice a second, and followed."""

import asyncio
from dataclasses import dataclass

from shared.kernel.errors import OtherRevisionError, UnavailableError
from shared.messaging.deadlines import Backoff
from shared.storage.builds import Build, Stage, is_registered, read_build
from shared.storage.database import Database
from shared.storage.schema import check_schema, schemas_of
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
    needs: str | None = None
    """The revision of its schema without which nothing is done; None: nothing is done to it."""

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
        """The same, once PostgreSQL answers and the schema is at the revision that is needed."""
        backoff = Backoff()
        while True:
            try:
                build = await self.bind()
                await self._check_revision()
            except OtherRevisionError as error:
                _log.warning("schema_awaited", reason=error.detail)
            except UnavailableError as error:
                _log.warning("build_not_known", reason=error.detail)
            else:
                return build
            await backoff.pause()

    async def replaced(self, build: Build) -> None:
        """Return when another build has taken over, or its schema is at another revision; a lost database delays."""
        while True:
            await asyncio.sleep(EVERY)
            try:
                if await self.look() != build:
                    return
                await self._check_revision()
            except OtherRevisionError:
                return
            except UnavailableError:
                continue

    async def _check_revision(self) -> None:
        if self.needs is not None:
            await check_schema(self.database, self.needs)

    async def follow(self) -> None:
        """Always see the current build, until cancelled."""
        while True:
            build = await self.settle()
            _log.info("build", number=build.number, generation=build.generation)
            await self.replaced(build)
