"""The migrated database is what the declarations say, and a difference is noticed."""

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Connection, MetaData, Text, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from services.ingest import migrations
from services.ingest.settings import Settings
from services.ingest.tables import metadata
from shared.storage.database import Database
from shared.storage.schema import role_of, schemas_of


async def test_migrations_make_what_is_declared(settings: Settings, database: Database) -> None:
    assert await _differences(settings, metadata) == []


async def test_a_forgotten_migration_is_noticed(settings: Settings, database: Database) -> None:
    declared = MetaData()
    for table in metadata.tables.values():
        table.to_metadata(declared)
    declared.tables["raw"].append_column(Column("forgotten", Text))
    declared.tables["to_read"].indexes.clear()
    assert {kind for kind, *_ in await _differences(settings, declared)} == {"add_column", "remove_index"}


def test_the_head_is_the_newest_step() -> None:
    assert ScriptDirectory(str(migrations.__path__[0])).get_current_head() == migrations.HEAD


async def _differences(settings: Settings, declared: MetaData) -> list[tuple[object, ...]]:
    def compare(connection: Connection) -> list[tuple[object, ...]]:
        connection.execute(text(f"SET ROLE {role_of('ingest')}"))
        connection.execute(text(f"SET search_path = {schemas_of('ingest', 1)[0]}"))
        options = {"compare_server_default": True, "include_name": lambda name, *_: name != "alembic_version"}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), declared))

    url = make_url(settings.database_url.get_secret_value()).set(drivername="postgresql+asyncpg")
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(compare)
    finally:
        await engine.dispose()
