"""The migrated database is what the declarations say, and a difference is noticed."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, Connection, MetaData, Text, text
from sqlalchemy.ext.asyncio import create_async_engine

from services.metrics import tables
from services.metrics.settings import Settings


async def test_migrations_make_what_is_declared(migrated: Settings) -> None:
    assert await _differences(_address(migrated), tables.metadata) == []


async def test_a_forgotten_migration_is_noticed(migrated: Settings) -> None:
    declared = MetaData()
    for table in tables.metadata.tables.values():
        table.to_metadata(declared)
    declared.tables["seal"].append_column(Column("forgotten", Text))
    declared.tables["deal_summary"].indexes.clear()
    assert {difference[0] for difference in await _differences(_address(migrated), declared)} == {
        "add_column",
        "remove_index",
    }


async def test_the_role_sees_no_other_schema(migrated: Settings) -> None:
    engine = create_async_engine(_address(migrated))
    async with engine.connect() as connection:
        owner = await connection.scalar(text("SELECT tableowner FROM pg_tables WHERE tablename = 'deal_postings'"))
        may = await connection.scalar(text("SELECT has_schema_privilege('quintant_metrics', 'public', 'CREATE')"))
    await engine.dispose()
    assert (owner, may) == ("quintant_metrics", False)


async def _differences(url: str, declared: MetaData) -> list[tuple[object, ...]]:
    def compare(connection: Connection) -> list[tuple[object, ...]]:
        connection.execute(text("SET search_path = metrics"))
        options = {"include_object": lambda _object, name, *_: name != "alembic_version", "compare_type": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), declared))

    engine = create_async_engine(url)
    async with engine.connect() as connection:
        found = await connection.run_sync(compare)
    await engine.dispose()
    return found


def _address(settings: Settings) -> str:
    return settings.database_url.get_secret_value().replace("postgresql://", "postgresql+asyncpg://")
