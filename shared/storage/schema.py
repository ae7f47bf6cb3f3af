"""Which schemas a service owns, under which role, and whether they are at the revision that this code needs."""

from shared.kernel.errors import OtherRevisionError
from shared.storage.database import Database, Reader


def role_of(service: str) -> str:
    """The role that owns a service's schemas and sees no other."""
    return f"quintant_{service}"


def schemas_of(service: str, build: int) -> tuple[str, str]:
    """The schema of what can be rebuilt, one for each build, and the permanent one."""
    return (service if build == 1 else f"{service}_b{build}"), f"{service}_permanent"


async def check_schema(database: Database, needed: str) -> None:
    """Raises OtherRevisionError unless the schema is at the revision that this code needs."""
    async with database.read() as reader:
        await check_revision(reader, needed)


async def check_revision(reader: Reader, needed: str) -> None:
    """The same within a transaction."""
    found = None
    if await reader.value("SELECT to_regclass('alembic_version') IS NOT NULL"):
        found = await reader.value("SELECT version_num FROM alembic_version")
    if found != needed:
        todo = "run its `migrate`" if found is None or found < needed else "upgrade this process"
        raise OtherRevisionError(
            f"the service's schema is at revision {found or 'none'}, this process needs {needed}: {todo}"
        )
