"""The builds of a service: each a schema of its own with everything folded from one generation of the stream.

Their register stands in the permanent schema, so every process of the service knows which one is the current one.
"""

from dataclasses import dataclass
from enum import StrEnum

from shared.kernel.errors import ConflictError
from shared.storage.database import Reader, Writer
from shared.storage.schema import schemas_of

REGISTER = """
    CREATE TABLE IF NOT EXISTS {register} (
      number integer PRIMARY KEY,
      generation integer NOT NULL,
      partitions integer NOT NULL,
      made_from text NOT NULL,
      state text NOT NULL,
      begun_at timestamptz NOT NULL DEFAULT now(),
      switched_at timestamptz,
      CHECK (state IN ('building', 'current', 'former', 'dropped')))"""
ONE_OF_A_KIND = """
    CREATE UNIQUE INDEX IF NOT EXISTS build_one ON {register} (state) WHERE state IN ('building', 'current')"""


def register_of(service: str) -> str:
    """The table in which a service's builds are written."""
    return f"{schemas_of(service, 1)[1]}.build"


class Stage(StrEnum):
    """What a build is to its service."""

    BUILDING = "building"
    CURRENT = "current"
    FORMER = "former"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Build:
    """One build."""

    number: int
    generation: int
    partitions: int
    made_from: str = ""
    """Changes with the code and the settings that numbers depend on; empty for the first one."""


async def read_build(reader: Reader, service: str, stage: Stage) -> Build | None:
    """The build of this stage; of former ones the newest."""
    row = await reader.row(
        f"""SELECT number, generation, partitions, made_from FROM {register_of(service)}
            WHERE state = $1 ORDER BY number DESC LIMIT 1""",  # noqa: S608 - the service's own name
        stage.value,
    )
    return None if row is None else Build(*row)


async def is_registered(reader: Reader, service: str) -> bool:
    """Whether this service has a register yet."""
    return bool(await reader.value("SELECT to_regclass($1) IS NOT NULL", register_of(service)))


async def begin_build(writer: Writer, service: str, generation: int, partitions: int, made_from: str) -> Build:
    """Register a new build. Its schema does not exist yet."""
    register = register_of(service)
    number = 1 + int(await writer.value(f"SELECT coalesce(max(number), 1) FROM {register}"))  # noqa: S608
    await writer.execute(
        f"""INSERT INTO {register} (number, generation, partitions, made_from, state)
            VALUES ($1, $2, $3, $4, 'building')""",  # noqa: S608
        number,
        generation,
        partitions,
        made_from,
    )
    return Build(number, generation, partitions, made_from)


async def take_over(writer: Writer, service: str, before: Build, after: Build) -> None:
    """Make `after` the current build. Raises ConflictError if `before` no longer is."""
    register = register_of(service)
    changed = await writer.execute(
        f"UPDATE {register} SET state = 'former' WHERE number = $1 AND state = 'current'",  # noqa: S608
        before.number,
    )
    if changed != 1:
        raise ConflictError(f"build {before.number} of {service} is no longer the current one: look again")
    await writer.execute(
        f"UPDATE {register} SET state = 'current', switched_at = now() WHERE number = $1",  # noqa: S608
        after.number,
    )


async def drop_build(writer: Writer, service: str, build: Build) -> None:
    """Delete everything of a build that is neither current nor wanted; its number is not given again."""
    await writer.execute(f"DROP SCHEMA IF EXISTS {schemas_of(service, build.number)[0]} CASCADE")
    await writer.execute(
        f"UPDATE {register_of(service)} SET state = 'dropped' WHERE number = $1 AND state <> 'current'",  # noqa: S608
        build.number,
    )
