"""The migration and the declared tables of the permanent schema are one; a new build finds it as it is."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, Connection, MetaData, Table, Text, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from services.metrics.tables_permanent import metadata
from shared.storage.database import open_database
from shared.storage.migrate import migrate
from tests.integration.metrics_read.books import MIGRATIONS, ROLE, open_books

SCHEMA = "metrics_permanent"


async def differences(url: str, declared: MetaData) -> list[object]:
    def compare(connection: Connection) -> list[object]:
        connection.execute(text(f"SET search_path = {SCHEMA}"))
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, declared))

    engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"))
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(compare)
    finally:
        await engine.dispose()


async def test_what_is_migrated_is_what_is_declared(database_url: str) -> None:
    async with open_books(database_url):
        assert await differences(database_url, metadata) == []


async def test_the_comparison_can_fail(database_url: str) -> None:
    other = MetaData()
    for table in metadata.tables.values():
        table.to_metadata(other)
    Table("alert_rule", other, Column("mood", Text), extend_existing=True)
    assert len(await differences(database_url, other)) == 1


async def test_a_new_build_finds_rules_and_episodes_as_they_are(database_url: str) -> None:
    async with open_books(database_url) as database, database.write() as writer:
        await writer.execute("INSERT INTO webhook_gone (receiver, at) VALUES ('somebody', now())")
    await migrate(database_url, role=ROLE, schema="metrics_2", permanent=SCHEMA, scripts=MIGRATIONS)
    async with (
        open_database(database_url, role=ROLE, schemas=("metrics_2", SCHEMA), application="test") as beside,
        beside.read() as reader,
    ):
        assert await reader.value("SELECT count(*) FROM webhook_gone") == 1
        assert await reader.value("SELECT count(*) FROM position") == 0
