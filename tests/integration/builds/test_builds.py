"""The register of builds, what a switch does to a worker, and what two schemas say differently."""

from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal

import asyncpg
import pytest

from services.metrics.domain.ledgers import LEDGERS
from services.metrics.migrations import HEAD
from services.metrics.settings import Settings
from services.metrics.wiring import rebuildable
from shared.kernel.clock import SystemClock
from shared.kernel.errors import ConflictError, StoppedError, UnavailableError
from shared.runtime.current import CurrentBuild
from shared.runtime.folding import bare_database, migrate_build, migrate_service
from shared.storage.builds import Build, Stage, begin_build, drop_build, read_build, take_over
from shared.storage.database import Database
from shared.storage.differences import ledger_differences
from shared.storage.meeting import place_of, stand_still
from shared.storage.position import Applied, FencedError, Position, advance, fence, take_position

FIRST = Build(1, 1, 4)


@pytest.fixture
async def settings(database_url: str) -> Settings:
    return Settings(database_url=database_url, kafka_bootstrap_servers="localhost:1")


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    """Bound to the current build."""
    await migrate_service(settings, rebuildable(settings).scripts)
    async with bare_database(settings, "test", size=4) as opened:
        await CurrentBuild(opened, "metrics", 4).bind()
        yield opened


async def test_nothing_is_read_before_it_is_known_which_build_is_current(settings: Settings) -> None:
    async with bare_database(settings, "test", size=1) as unbound:
        with pytest.raises(UnavailableError, match="which build"):
            async with unbound.read():
                pass


async def test_another_build_takes_over(settings: Settings, database: Database) -> None:
    """Its schema is seen from the next transaction on; the worker of the one before cannot move it any more."""
    current = CurrentBuild(database, "metrics", 4)
    assert await current.bind() == FIRST
    async with database.write() as writer:
        position = await take_position(writer, 0, 1, HEAD)
        made = await begin_build(writer, "metrics", 1, 4, "x")
    await migrate_build(settings, rebuildable(settings).scripts, made)
    with pytest.raises(asyncpg.UniqueViolationError):
        async with database.write() as writer:
            await begin_build(writer, "metrics", 1, 4, "y")
    async with database.write() as writer:
        await take_over(writer, "metrics", FIRST, made)
        await fence(writer)
    with pytest.raises(ConflictError):
        async with database.write() as writer:
            await take_over(writer, "metrics", FIRST, made)
    with pytest.raises(FencedError):
        async with database.write() as writer:
            await advance(writer, position, Position(0, 1, HEAD, 1, 5), Applied(SystemClock().now()))
    with pytest.raises(StoppedError, match="no longer the current one"):
        async with database.write() as writer:
            await take_position(writer, 0, 1, HEAD)
    async with database.read() as reader:
        assert await reader.value("SELECT count(*) FROM position") == 1
        assert await current.bind() == made
        assert await reader.value("SELECT count(*) FROM position") == 1
    async with database.read() as reader:
        assert await reader.value("SELECT count(*) FROM position") == 0
        former = await read_build(reader, "metrics", Stage.FORMER)
    assert former == FIRST
    async with database.write() as writer:
        await drop_build(writer, "metrics", former)
        assert await writer.value("SELECT to_regclass('metrics.position') IS NULL")
    await migrate_service(settings, rebuildable(settings).scripts)
    async with database.write() as writer:
        assert await writer.value("SELECT to_regclass('metrics.position') IS NULL")
        assert (await begin_build(writer, "metrics", 1, 4, "z")).number == made.number + 1
        await writer.execute("DELETE FROM metrics_permanent.build WHERE state = 'building'")


async def test_a_build_amid_a_refold_stands_on_no_event(database: Database) -> None:
    async with database.write() as writer:
        await take_position(writer, 1, 1, HEAD)
        assert await stand_still(writer) == await place_of(writer)
        await writer.execute("UPDATE position SET turn = 2")
        assert await stand_still(writer) is None


async def test_the_first_differences_name_the_entities(settings: Settings, database: Database) -> None:
    ledger = LEDGERS["deal_postings"]
    async with database.write() as writer:
        other = await begin_build(writer, "metrics", 1, 4, "x")
    await migrate_build(settings, rebuildable(settings).scripts, other)
    here, there = database.schemas[0], f"metrics_b{other.number}"
    async with database.write() as writer:
        for schema, rows in ((here, {"deal/a": 1, "deal/b": 2}), (there, {"deal/a": 1, "deal/b": 5})):
            await writer.execute(f"INSERT INTO {schema}.position VALUES (3, 1, 1, 9, 0, NULL, 0, 0, 0)")  # noqa: S608
            for entity, value in rows.items():
                measures = dict.fromkeys(ledger.measure_types, Decimal(0)) | {"value": Decimal(value)}
                names = ", ".join(("partition", "number", "entity", "known_on", "day", "fact", *measures))
                marks = ", ".join(f"${n}" for n in range(1, 7 + len(measures)))
                day = date(2026, 1, 1)
                values = [int(one) if ledger.measure_types[name] is int else one for name, one in measures.items()]
                await writer.execute(
                    f"INSERT INTO {schema}.{ledger.name} ({names}) VALUES ({marks})",  # noqa: S608
                    3, 9, entity, day, day, "won", *values,
                )  # fmt: skip
        [found] = await ledger_differences(writer, ledger, here, there)
    assert (found["fact"], found["entities"], found["more_in_new"]) == ("won", ["deal/b"], {"value": "3"})
