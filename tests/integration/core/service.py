"""A service in miniature on the real loop: its own ledger in a schema of its own, and one question to it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

from sqlalchemy import Column, MetaData, Table, Text, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from shared.kernel.clock import SystemClock
from shared.kernel.journal import Journal
from shared.kernel.ledger import Cell, Cells
from shared.messaging.dead_letters import DeadLetters, Limits
from shared.messaging.deadlines import Deadlines
from shared.messaging.failpoints import Failpoints
from shared.messaging.fetching import LoopConfig
from shared.messaging.folding import Change, FoldingOpener, Handler
from shared.messaging.lane import Opener
from shared.messaging.loop import Loop
from shared.sales.references import References
from shared.sales.timeline import Folded, Since
from shared.storage.database import Database, Reader, Writer, open_database
from shared.storage.folds import Entity
from shared.storage.outbox import Message
from shared.storage.tables import fold_tables, ledger_table, stream_tables
from shared.telemetry.metrics import Metrics
from tests.integration.core.waiting import until
from tests.unit.sales import mini
from tests.unit.sales.oracle import Totals

ROLE = "quintant_core"
REVISION = "0001"


def tables() -> MetaData:
    """The tables of a folding service, its ledger, and one table of its own."""
    metadata = MetaData()
    stream_tables(metadata)
    fold_tables(metadata)
    ledger_table(metadata, mini.LEDGER)
    Table("mini_deal", metadata, Column("id", Text, primary_key=True), Column("stage", Text))
    return metadata


async def create_schema(url: str, schema: str) -> None:
    """A schema with these tables, owned by the service's role."""
    engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"), poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.execute(
            text(f"DO $$ BEGIN CREATE ROLE {ROLE} NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
        )
        await connection.execute(text(f"CREATE SCHEMA {schema} AUTHORIZATION {ROLE}"))
        await connection.execute(text(f"SET LOCAL ROLE {ROLE}"))
        await connection.execute(text(f"SET LOCAL search_path = {schema}"))
        await connection.run_sync(tables().create_all)
        await connection.execute(text(f"CREATE TABLE alembic_version AS SELECT '{REVISION}' AS version_num"))
    await engine.dispose()


@asynccontextmanager
async def open_schema(url: str, schema: str) -> AsyncIterator[Database]:
    """Connections of the service."""
    async with open_database(url, role=ROLE, schemas=(schema,), application="core test") as database:
        yield database


async def save(writer: Writer, _partition: int, _number: int, changes: Sequence[Change], _known: References) -> None:
    """The service's own row of each deal: how many assertions it has."""
    await writer.execute(
        """INSERT INTO mini_deal (id, stage) SELECT * FROM unnest($1::text[], $2::text[])
           ON CONFLICT (id) DO UPDATE SET stage = excluded.stage""",
        [one.after.key.id for one in changes],
        [str(len(one.after.journal)) for one in changes],
    )


def say(changes: Sequence[Change], _known: References) -> Sequence[Message]:
    """One message for each deal that changed."""
    return [Message("pipeline-events", one.after.key.id, {"ce_type": "changed"}, b"{}") for one in changes]


def fold(_before: Entity, journal: Journal, references: References, since: Since | None) -> Folded:
    """By the rules of the company in miniature."""
    return mini.fold(journal, references, since)


HANDLER = Handler(frozenset({"deal"}), {mini.LEDGER.name: mini.LEDGER}, fold, save, say)


@dataclass(frozen=True)
class Settings:
    """How a worker of the miniature service runs."""

    bootstrap_servers: str
    topic: str
    group: str
    prefix: str
    instance: str = "core-0"
    chunk: int = 5
    config: Mapping[str, float] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    deadlines: Deadlines = field(default_factory=Deadlines)
    failpoint: str = ""
    handler: Handler = HANDLER

    def but(self, **changes: object) -> "Settings":
        return replace(self, **changes)  # type: ignore[arg-type]


def opener(settings: Settings, database: Database) -> FoldingOpener:
    return FoldingOpener(
        database,
        REVISION,
        1,
        settings.handler,
        Metrics(),
        SystemClock(),
        Failpoints(settings.failpoint),
        settings.chunk,
    )


def loop(
    settings: Settings,
    lanes: Opener,
    metrics: Metrics | None = None,
    failpoints: Failpoints | None = None,
    kind: type[Loop] = Loop,
) -> Loop:
    """The real loop, with short patience."""
    patience = {"session_timeout": 6.0, "gap_timeout": 1.0, "silence": 1.0, "metadata_age": 0.5, **settings.config}
    counted = metrics or Metrics()
    letters = DeadLetters(settings.bootstrap_servers, "pipeline", settings.prefix, 1, counted, settings.deadlines)
    return kind(
        LoopConfig(settings.bootstrap_servers, settings.topic, settings.group, settings.instance, **patience),  # type: ignore[arg-type]
        lanes,
        letters,
        counted,
        SystemClock(),
        failpoints or Failpoints(settings.failpoint),
        settings.limits,
        settings.deadlines,
    )


@dataclass
class Running:
    """A loop that runs while a test looks on."""

    loop: Loop
    task: "asyncio.Task[None]"
    database: Database

    async def until(self, condition: Callable[[], Awaitable[bool]], seconds: float = 25) -> None:
        """Wait for a condition; a loop that dies meanwhile fails the test."""

        async def holds() -> bool:
            if self.task.done():
                self.task.result()
                raise AssertionError("the loop ended")
            return await condition()

        await until(holds, seconds)

    async def applied(self, numbers: Mapping[int, int], seconds: float = 25) -> None:
        """Wait until these numbers are applied."""

        async def reached() -> bool:
            now = await positions(self.database)
            return all(now.get(partition, 0) >= number for partition, number in numbers.items())

        await self.until(reached, seconds)

    async def stopped(self, *words: str, seconds: float = 25) -> str:
        """Wait until a partition has stopped, for this reason."""

        async def told() -> bool:
            return any(all(word in reason for word in words) for reason in self.loop.trouble())

        await self.until(told, seconds)
        return next(reason for reason in self.loop.trouble() if all(word in reason for word in words))


@asynccontextmanager
async def running(
    settings: Settings, database: Database, lanes: Opener | None = None, kind: type[Loop] = Loop
) -> AsyncIterator[Running]:
    """Run the loop as the runtime does: cancelled at the end."""
    made = loop(settings, lanes or opener(settings, database), kind=kind)
    task = asyncio.create_task(made.run())
    try:
        yield Running(made, task, database)
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()


async def empty(database: Database) -> None:
    """Forget everything, as a service that was restored from nothing."""
    async with database.write() as writer:
        await writer.execute("TRUNCATE position, progress, outbox, entity, reference, reference_use, mini, mini_deal")


async def positions(database: Database) -> dict[int, int]:
    async with database.read() as reader:
        rows = await reader.rows("SELECT partition, number FROM position")
    return {row["partition"]: row["number"] for row in rows}


async def totals(database: Database, until: date, known_at: date) -> Totals:
    """What a reader sees: postings up to the position, in one snapshot with it."""
    async with database.read() as reader:
        return await read_totals(reader, until, known_at)


async def read_totals(reader: Reader, until: date, known_at: date) -> Totals:
    rows = await reader.rows(
        """SELECT fact, stage, team, sum(deals) AS deals, sum(value) AS value, sum(unconverted) AS unconverted
           FROM mini JOIN position USING (partition)
           WHERE mini.number <= position.number AND day <= $1 AND mini.known_on <= $2
           GROUP BY fact, stage, team""",
        until,
        known_at,
    )
    figures = {
        (row["fact"], row["stage"], row["team"]): (int(row["deals"]), Decimal(row["value"]), int(row["unconverted"]))
        for row in rows
    }
    return {place: figure for place, figure in figures.items() if any(figure)}


async def cells(database: Database) -> Cells:
    """Everything that stands, cell by cell: the digest of a ledger."""
    async with database.read() as reader:
        rows = await reader.rows(
            """SELECT known_on, day, fact, stage, team, sum(deals) AS deals, sum(value) AS value,
                      sum(unconverted) AS unconverted
               FROM mini GROUP BY known_on, day, fact, stage, team
               HAVING sum(deals) <> 0 OR sum(value) <> 0 OR sum(unconverted) <> 0"""
        )
    return {
        Cell("mini", row["known_on"], row["day"], row["fact"], (row["stage"], row["team"])): (
            int(row["deals"]),
            Decimal(row["value"]),
            int(row["unconverted"]),
        )
        for row in rows
    }


async def counters(database: Database) -> Mapping[str, int]:
    """What the positions have counted, over all partitions."""
    async with database.read() as reader:
        row = await reader.row(
            """SELECT sum(applied)::int AS applied, sum(duplicates)::int AS duplicates,
                      sum(dead_letters)::int AS dead_letters FROM position"""
        )
    assert row is not None
    return dict(row)
