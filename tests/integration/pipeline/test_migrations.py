"""The migrations make exactly what is declared, for this service alone."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Connection, MetaData, Table, Text, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from services.pipeline import migrations
from services.pipeline.domain.facts import Facts
from services.pipeline.settings import Settings
from services.pipeline.tables import tables
from services.pipeline.wiring import run_migrate
from shared.kernel.clock import SystemClock
from shared.kernel.errors import UnavailableError
from shared.runtime.shutdown import Shutdown
from shared.storage.database import Database, open_database
from shared.storage.schema import check_schema, role_of, schemas_of

ROLE = role_of("pipeline")


async def differences(settings: Settings, declared: MetaData) -> list[object]:
    """What the migrated schema lacks or has beyond the declaration."""

    def compare(connection: Connection) -> list[object]:
        connection.execute(text(f"SET ROLE {ROLE}"))
        connection.execute(text(f"SET search_path = {schemas_of('pipeline', 1)[0]}"))
        options = {"compare_server_default": True, "include_name": lambda name, *_: name != "alembic_version"}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), declared))

    url = make_url(settings.database_url.get_secret_value()).set(drivername="postgresql+asyncpg")
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(compare)
    finally:
        await engine.dispose()


async def test_the_migrations_make_what_is_declared(settings: Settings, database: Database) -> None:
    assert await differences(settings, tables()) == []


async def test_the_comparison_can_fail(settings: Settings, database: Database) -> None:
    declared = tables()
    declared.tables["deal_state"].append_column(Column("forgotten", Text))
    Table("missing", declared, Column("id", Text, primary_key=True))
    assert len(await differences(settings, declared)) == 2


async def test_migrating_again_changes_nothing(settings: Settings, database: Database) -> None:
    await run_migrate(settings, Shutdown(SystemClock()))
    await check_schema(database, migrations.HEAD)


async def test_another_revision_is_not_ready(database: Database) -> None:
    with pytest.raises(UnavailableError, match="needs 9999: run its `migrate`"):
        await check_schema(database, "9999")


async def test_a_schema_that_was_never_migrated_is_not_ready(settings: Settings, database: Database) -> None:
    url = settings.database_url.get_secret_value()
    async with open_database(url, role=ROLE, schemas=("nothing_here",), application="test") as other:
        with pytest.raises(UnavailableError, match="at revision none"):
            await check_schema(other, migrations.HEAD)


def test_the_head_is_the_newest_step() -> None:
    assert ScriptDirectory(str(migrations.__path__[0])).get_current_head() == migrations.HEAD


def test_the_facts_are_the_last_columns_of_the_table() -> None:
    names = [column.name for column in tables().tables["deal_state"].columns]
    assert tuple(names[-len(Facts._fields) :]) == Facts._fields


def test_each_build_has_a_schema_of_its_own() -> None:
    assert schemas_of("pipeline", 1) == ("pipeline", "pipeline_permanent")
    assert schemas_of("pipeline", 2) == ("pipeline_b2", "pipeline_permanent")
