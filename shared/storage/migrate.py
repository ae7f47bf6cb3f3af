"""Roles, schemas and migrations of one service: one at a time by advisory lock, never waiting long for a table."""

import asyncio
from pathlib import Path

import structlog
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from shared.storage.builds import ONE_OF_A_KIND, REGISTER, Build, register_of
from shared.storage.schema import role_of, schemas_of

_LOG = structlog.get_logger(__name__)
_LOCK = "SELECT pg_advisory_lock(hashtextextended('quintant migrate ' || :schema, 0))"
_LOCK_TIMEOUT = "SET lock_timeout = '5s'"
_STAND_STILL = """DO $$ BEGIN
    IF to_regclass('position') IS NOT NULL THEN LOCK TABLE position IN EXCLUSIVE MODE; END IF;
END $$"""
"""What workers have begun is whole before a migration begins; then they find another revision (see `advance`)."""


async def migrate(url: str, *, role: str, schema: str, permanent: str, scripts: Path) -> str:
    """Bring a service's schemas to their newest revision; its name. Repeating it does nothing.

    `schema` holds what can be rebuilt from the stream, `permanent` what was said or done once and is never rebuilt.
    """
    engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"), poolclass=NullPool)
    try:
        async with asyncio.timeout(120), engine.connect() as connection:
            await connection.execute(text(_LOCK), {"schema": schema})
            await connection.commit()
            await _own(engine, role, (schema, permanent))
            revision = await connection.run_sync(_upgrade, role, schema, permanent, scripts)
            await connection.commit()
            _LOG.info("migrated", schema=schema, revision=revision)
            return revision
    finally:
        await engine.dispose()


async def register(url: str, *, service: str, partitions: int) -> Build:
    """Make the service's register of builds if there is none yet; the current build, at first the first one."""
    engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"), poolclass=NullPool)
    table = register_of(service)
    try:
        async with asyncio.timeout(120), engine.connect() as connection:
            await connection.execute(text(_LOCK), {"schema": service})
            await connection.commit()
            await _own(engine, role_of(service), schemas_of(service, 1)[1:])
            await connection.execute(text(f"SET ROLE {role_of(service)}"))
            for statement in (REGISTER, ONE_OF_A_KIND):
                await connection.execute(text(statement.format(register=table)))
            await connection.execute(
                text(
                    f"""INSERT INTO {table} (number, generation, partitions, made_from, state, switched_at)
                        SELECT 1, 1, :partitions, '', 'current', now() WHERE NOT EXISTS (SELECT FROM {table})"""  # noqa: S608
                ),
                {"partitions": partitions},
            )
            sql = f"SELECT number, generation, partitions, made_from FROM {table} WHERE state = 'current'"  # noqa: S608
            current = (await connection.execute(text(sql))).one()
            await connection.commit()
            return Build(*current)
    finally:
        await engine.dispose()


async def _own(engine: AsyncEngine, role: str, schemas: tuple[str, ...]) -> None:
    """The role owns its schemas and may see no other; whoever connects may act as it."""
    async with engine.begin() as connection:
        known = await connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role})
        if not known:
            # Another service's migration may create it at this moment in another database of the cluster.
            await connection.execute(
                text(f"DO $$ BEGIN CREATE ROLE {role} NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
            )
        await connection.execute(text(f"GRANT {role} TO current_user"))
        for schema in schemas:
            await connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {role}"))


def _upgrade(connection: Connection, role: str, schema: str, permanent: str, scripts: Path) -> str:
    config = Config()
    config.set_main_option("script_location", str(scripts))
    config.set_main_option("path_separator", "os")
    script = ScriptDirectory.from_config(config)
    head = script.get_current_head() or ""

    def upgrade(revision: object, _context: MigrationContext) -> list[object]:
        steps: list[object] = [*script._upgrade_revs("head", revision)]  # type: ignore[arg-type]  # noqa: SLF001 - as alembic
        if steps:
            connection.execute(text(_STAND_STILL))
        return steps

    with EnvironmentContext(config, script, fn=upgrade, destination_rev="head") as environment:
        connection.execute(text(f"SET ROLE {role}"))
        connection.execute(text(f"SET search_path = {schema}, {permanent}"))
        connection.execute(text(_LOCK_TIMEOUT))
        environment.configure(connection=connection, version_table_schema=schema, transactional_ddl=True)
        with environment.begin_transaction():
            environment.run_migrations()
    return head
