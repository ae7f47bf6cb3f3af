"""`python -m services.<name> rebuild`: another build beside the current one, filled, compared and switched to."""

import argparse
import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from shared.kernel.clock import Clock, SystemClock
from shared.kernel.errors import ConflictError
from shared.runtime.collecting import NEW_OBJECTS_OF_BATCHES, collect_seldom
from shared.runtime.current import CurrentBuild
from shared.runtime.entry import Command, S, Tell
from shared.runtime.fingerprint import fingerprint
from shared.runtime.folding import (
    bare_database,
    migrate_build,
    worker_connections,
)
from shared.runtime.rebuildable import Rebuildable, Wish
from shared.runtime.shutdown import Shutdown
from shared.runtime.switching import Rebuilding
from shared.storage.builds import Build, Stage, begin_build, drop_build, read_build
from shared.storage.database import Database
from shared.storage.schema import schemas_of


async def rebuild(service: Rebuildable, wish: Wish, shutdown: Shutdown, clock: Clock, tell: Tell) -> None:
    """Return when the new build is the current one.

    Raises StoppedError when it says something else than the running one and that is not accepted; then it stays as it
    is, and the same command with `--accept` switches to it. Interrupted, it goes on when it is called again.
    """
    settings = service.settings
    size = worker_connections(settings) + 4
    async with (
        bare_database(settings, "rebuild", size=6) as before,
        bare_database(settings, "rebuild", size=size) as after,
    ):
        running = await CurrentBuild(before, settings.service, settings.partitions).bind()
        if wish.generation is not None and wish.generation == running.generation:
            tell({"phase": "switched", "build": running.number, "digest": None, "reason": "it was so before"})
            return
        async with _alone(before, settings.service):
            made = await _make(service, running, wish, before, tell)
            await after.bind(schemas_of(settings.service, made.number))
            await Rebuilding(service, running, made, before, after, wish, clock, tell).run(shutdown)


async def clean(service: Rebuildable, tell: Tell) -> None:
    """Delete every build that is neither the current one nor being made."""
    settings = service.settings
    async with bare_database(settings, "rebuild", size=4) as database:
        await CurrentBuild(database, settings.service, settings.partitions).bind()
        async with _alone(database, settings.service):
            while True:
                async with database.write() as writer:
                    former = await read_build(writer, settings.service, Stage.FORMER)
                    if former is None:
                        return
                    await drop_build(writer, settings.service, former)
                tell({"phase": "dropped", "build": former.number})


def rebuild_command(of: Callable[[S], Rebuildable]) -> Command[S]:
    """The role `rebuild` of a service."""

    def declare(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--accept", action="store_true", help="switch also if the new build says something else")
        parser.add_argument("--clean", action="store_true", help="only delete builds that are no longer current")
        parser.add_argument("--generation", type=int, help="of the stream, once ingest has opened it")
        parser.add_argument("--partitions", type=int, help="of that generation")

    async def carry_out(settings: S, shutdown: Shutdown, said: argparse.Namespace, tell: Tell) -> None:
        collect_seldom(NEW_OBJECTS_OF_BATCHES)
        if said.clean:
            await clean(of(settings), tell)
        else:
            wish = Wish(said.accept, said.generation, said.partitions)
            await rebuild(of(settings), wish, shutdown, SystemClock(), tell)

    return Command(declare, carry_out)


@asynccontextmanager
async def _alone(database: Database, service: str) -> AsyncIterator[None]:
    """Raises ConflictError if another rebuild of the service is at work. A session lock ends with its process."""
    async with database.session() as connection:
        if not await connection.fetchval("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", f"rebuild {service}"):
            raise ConflictError(f"another rebuild of {service} is at work: wait until it has ended")
        yield
        await connection.execute("SELECT pg_advisory_unlock(hashtextextended($1, 0))", f"rebuild {service}")


async def _make(service: Rebuildable, running: Build, wish: Wish, database: Database, tell: Tell) -> Build:
    """The build to be filled: the one that was begun, if it is made from the same, else a new one."""
    settings = service.settings
    wanted = replace(
        running,
        generation=wish.generation or running.generation,
        partitions=wish.partitions or running.partitions,
        made_from=await asyncio.to_thread(fingerprint, settings),
    )
    async with database.write() as writer:
        begun = await read_build(writer, settings.service, Stage.BUILDING)
        if begun is not None and replace(begun, number=running.number) != wanted:
            await drop_build(writer, settings.service, begun)
            tell({"phase": "dropped", "build": begun.number, "reason": "made from other code, settings or events"})
            begun = None
        fresh = begun is None
        build = begun or await begin_build(
            writer, settings.service, wanted.generation, wanted.partitions, wanted.made_from
        )
    await migrate_build(settings, service.scripts, build)
    tell({"phase": "begun" if fresh else "continued", "build": build.number, "generation": build.generation})
    return build
