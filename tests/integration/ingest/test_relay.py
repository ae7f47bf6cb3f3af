"""The relay makes the stream whole again, whatever befell the topic or the inbox, and never leaves a hole in it."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
import pytest

from services.ingest.domain.candidates import Candidate
from services.ingest.domain.partitions import Generation
from services.ingest.inbox import Inbox, Submission
from services.ingest.relay import InboxStream
from services.ingest.settings import Settings
from services.ingest.wiring import run_migrate
from shared.contracts.records import EpochRecord, StreamRecord, decode_record
from shared.kernel.clock import SystemClock
from shared.kernel.errors import StoppedError
from shared.messaging.failpoints import Failpoints
from shared.messaging.producer import Outgoing
from shared.messaging.relay import StreamRelay
from shared.runtime.shutdown import Shutdown
from shared.storage.database import Database, open_database
from shared.telemetry.metrics import Metrics
from tests.conftest import execute, with_database
from tests.integration.core.stream import Stream, create, open_stream, read_all
from tests.integration.core.waiting import until
from tests.integration.ingest.test_framing import unframed
from tests.integration.ingest.test_inbox import deal, inbox

PARTITIONS = 4
BATCH = 7


@dataclass
class World:
    """An inbox of its own with some deals in it, and a topic of its own."""

    database: Database
    url: str
    stream: Stream
    progress_topic: str
    box: Inbox

    async def accept(self, numbers: range) -> None:
        await self.box.accept(Submission([self._deal(number) for number in numbers]))

    def _deal(self, number: int) -> Candidate:
        return deal(number)

    async def rows(self, partition: int) -> list[tuple[int, int]]:
        """(epoch, number) of everything that the inbox published to a partition."""
        async with self.database.read() as reader:
            rows = await reader.rows("SELECT epoch, number FROM stream WHERE partition = $1 ORDER BY number", partition)
        return [(row["epoch"], row["number"]) for row in rows]

    async def records(self, partition: int) -> list[StreamRecord]:
        found = await InboxStream(self.database, Generation(1, 0, PARTITIONS), SystemClock()).read(
            {partition: 0}, 1_000
        )
        return unframed(found[partition].records) if partition in found else []

    async def restore(self, keep: dict[int, int]) -> None:
        """What an operator does after restoring a backup in which each partition ends with these numbers."""
        async with self.database.write() as writer:
            for partition, number in keep.items():
                await writer.execute("DELETE FROM stream WHERE partition = $1 AND number > $2", partition, number)
                await writer.execute(
                    "UPDATE head SET number = $2, last_valid = $2, epoch = epoch + 1 WHERE partition = $1",
                    partition,
                    number,
                )
            await writer.execute("DELETE FROM event e WHERE NOT EXISTS (SELECT 1 FROM stream s WHERE s.seq = e.seq)")

    def relay(self) -> StreamRelay:
        return StreamRelay(
            self.stream.bootstrap_servers, self.stream.topic, self.progress_topic, 1, PARTITIONS,
            InboxStream(self.database, Generation(1, 0, PARTITIONS), SystemClock()), Metrics(), SystemClock(),
            Failpoints(), batch=BATCH,
        )  # fmt: skip

    @asynccontextmanager
    async def relaying(self) -> AsyncIterator["asyncio.Task[None]"]:
        task = asyncio.create_task(self.relay().run())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def published(self, partition: int) -> list[StreamRecord | EpochRecord]:
        """What a partition holds now, strangers' records left out."""
        raws = await read_all(self.stream.bootstrap_servers, self.stream.topic, partition=partition)
        return [decode_record(raw.key, raw.value, raw.headers) for raw in raws if raw.key != b"stranger"]

    async def whole(self, *, seconds: float = 25) -> None:
        """Wait until a reader from the start gets every partition complete and in turn."""

        async def holds() -> bool:
            return all([await self._is_whole(partition) for partition in range(PARTITIONS)])

        await until(holds, seconds)

    async def _is_whole(self, partition: int) -> bool:
        return applied(await self.published(partition)) == await self.rows(partition)


def applied(told: Sequence[StreamRecord | EpochRecord]) -> list[tuple[int, int]]:
    """(epoch, number) of what a service applies that reads this from the start."""
    epoch, seen = 1, [(1, 0)]
    for one in told:
        if one.epoch > epoch and (one.last_valid if isinstance(one, EpochRecord) else one.number - 1) == seen[-1][1]:
            epoch = one.epoch
        if isinstance(one, StreamRecord) and one.epoch <= epoch and one.number == seen[-1][1] + 1:
            seen.append((one.epoch, one.number))
    return seen[1:]


@pytest.fixture
async def world(
    database_server: str, kafka_bootstrap: str, settings: Settings, topic_prefix: str
) -> AsyncIterator[World]:
    name = f"relay_{secrets.token_hex(4)}"
    await execute(database_server, f"CREATE DATABASE {name}")
    url = with_database(database_server, name)
    await run_migrate(settings.model_copy(update={"database_url": _secret(settings, url)}), Shutdown(SystemClock()))
    topic = f"{topic_prefix}relay-{secrets.token_hex(4)}"
    progress = f"{topic}-progress"
    await create(kafka_bootstrap, progress, 1)
    async with (
        open_database(url, role="quintant_ingest", schemas=("ingest",), application="relay test") as database,
        open_stream(kafka_bootstrap, topic, PARTITIONS) as stream,
    ):
        box = inbox(database)
        running = asyncio.create_task(box.run())
        made = World(database, url, stream, progress, box)
        await made.accept(range(60))
        yield made
        running.cancel()
        await asyncio.wait([running])
    await execute(database_server, f"DROP DATABASE {name} WITH (FORCE)")


def _secret(settings: Settings, url: str) -> object:
    return type(settings.database_url)(url)


async def test_a_stream_is_relayed_and_goes_on_after_a_restart(world: World) -> None:
    for numbers in (range(60, 90), range(90, 120)):
        async with world.relaying():
            await world.whole()
            await world.accept(numbers)
            await world.whole()
    for partition in range(PARTITIONS):
        told = await world.published(partition)
        assert [one.number for one in told if isinstance(one, StreamRecord)] == [
            n for _, n in await world.rows(partition)
        ]


async def truncated(world: World) -> None:
    for partition in range(PARTITIONS):
        await world.stream.truncate(partition, before=5)


async def emptied(world: World) -> None:
    for partition in range(PARTITIONS):
        await world.stream.truncate(partition, before=len(await world.published(partition)))


async def recreated(world: World) -> None:
    await world.stream.recreate()


async def written_by_strangers(world: World) -> None:
    forged = [("q_number", b"999999"), ("q_epoch", b"1")]
    for partition in range(PARTITIONS):
        noise = [Outgoing(b"stranger", b"?", []), Outgoing(b"stranger", None, forged), Outgoing(b"stranger", b"", [])]
        await world.stream.send(partition, noise * 3)


async def left_with_a_hole(world: World) -> None:
    """A broker lost what it had acknowledged, and the relay went on behind it before it could know."""
    await world.accept(range(60, 100))
    for partition in range(PARTITIONS):
        have = len(await world.published(partition))
        behind = (await world.records(partition))[have + 2 : have + 2 + BATCH]
        await world.stream.send(partition, behind)


async def overlapped(world: World) -> None:
    """By another relay that was slower."""
    for partition in range(PARTITIONS):
        await world.stream.send(partition, (await world.records(partition))[2:6])


MISFORTUNES = [truncated, emptied, recreated, written_by_strangers, left_with_a_hole, overlapped]
Misfortune = Callable[[World], Awaitable[None]]


@pytest.mark.parametrize("misfortune", MISFORTUNES, ids=lambda one: one.__name__)
async def test_whatever_befell_the_topic_it_is_whole_after_a_start(world: World, misfortune: Misfortune) -> None:
    async with world.relaying():
        await world.whole()
    await misfortune(world)
    async with world.relaying():
        await world.whole()
        await world.accept(range(200, 230))
        await world.whole()


async def test_strangers_do_not_make_it_throw_the_stream_away(world: World) -> None:
    async with world.relaying():
        await world.whole()
    before = [len(await world.published(partition)) for partition in range(PARTITIONS)]
    await written_by_strangers(world)
    async with world.relaying():
        await world.accept(range(200, 230))
        await world.whole()
    for partition, count in enumerate(before):
        raws = await read_all(world.stream.bootstrap_servers, world.stream.topic, partition=partition)
        assert raws[0].offset == 0
        assert len(await world.published(partition)) == len(await world.rows(partition)) >= count


async def test_a_topic_recreated_under_a_running_relay_is_sent_again(world: World) -> None:
    async with world.relaying():
        await world.whole()
        await world.stream.recreate()
        await world.accept(range(60, 90))
        await world.whole()


async def heads(world: World) -> dict[int, int]:
    return {partition: len(await world.rows(partition)) for partition in range(PARTITIONS)}


async def test_after_a_restore_what_was_lost_is_taken_out_of_the_stream(world: World) -> None:
    """Else nobody could be rebuilt: the lost events would come before the word that they are void."""
    async with world.relaying():
        await world.whole()
    last_valid = {partition: number - 2 for partition, number in (await heads(world)).items()}
    await world.restore(last_valid)
    async with world.relaying():
        await world.whole()
        await told_of_the_epoch(world, last_valid)
        await world.accept(range(300, 330))
        await world.whole()
    assert {epoch for partition in range(PARTITIONS) for epoch, _ in await world.rows(partition)} == {1, 2}


async def told_of_the_epoch(world: World, last_valid: dict[int, int]) -> None:
    async def told() -> bool:
        return all(
            [
                EpochRecord(epoch=2, last_valid=number) in await world.published(partition)
                for partition, number in last_valid.items()
            ]
        )

    await until(told)


async def test_after_a_restore_the_rest_of_the_old_epoch_comes_before_the_new_one(world: World) -> None:
    """The relay had not sent everything that the backup holds."""
    async with world.relaying():
        await world.whole()
    await world.accept(range(60, 100))
    await world.restore(await heads(world))
    async with world.relaying():
        await told_of_the_epoch(world, await heads(world))
        await world.whole()
    async with world.relaying():  # the epoch record is now the last one
        await world.accept(range(300, 330))
        await world.whole()


async def test_a_second_restore_before_anything_was_relayed(world: World) -> None:
    async with world.relaying():
        await world.whole()
    for more in (range(400, 420), range(500, 520)):
        await world.restore(await heads(world))
        await world.accept(more)
    async with world.relaying():
        await world.whole()
    assert {epoch for partition in range(PARTITIONS) for epoch, _ in await world.rows(partition)} == {1, 2, 3}


@pytest.mark.parametrize("forgot", ["the epoch", "everything"])
async def test_a_stream_that_knows_more_than_the_inbox_stops_the_relay(world: World, forgot: str) -> None:
    """It would give numbers a second time, and every service would take the new events for old ones."""
    async with world.relaying():
        await world.whole()
    await world.restore({partition: number - 2 for partition, number in (await heads(world)).items()})
    async with world.database.write() as writer:
        await writer.execute("UPDATE head SET epoch = 1" if forgot == "the epoch" else "DELETE FROM head")
    async with world.relaying() as relay:
        with pytest.raises(StoppedError, match="begin a new epoch"):
            await asyncio.wait_for(asyncio.shield(relay), 20)


_THIRD = " WHERE seq = (SELECT seq FROM stream WHERE partition = 2 AND number = 3)"


@pytest.mark.parametrize("table", ["event", "stream"])
async def test_an_inbox_with_a_hole_stops_the_relay(world: World, table: str) -> None:
    """It would give every event behind it another one's number."""
    async with world.database.write() as writer:
        await writer.execute("DELETE FROM " + table + _THIRD)  # noqa: S608 - of two names
    async with world.relaying() as relay:
        with pytest.raises(StoppedError, match="hole in partition 2"):
            await asyncio.wait_for(asyncio.shield(relay), 20)


_HOLDERS = """SELECT pid FROM pg_locks JOIN pg_database d ON d.oid = database
              WHERE locktype = 'advisory' AND granted AND datname = current_database()"""


async def test_a_relay_that_loses_its_lock_lets_another_lead(world: World) -> None:
    operator = await asyncpg.connect(world.url)
    try:
        async with world.relaying(), world.relaying():
            await world.whole()
            for numbers in (range(600, 620), range(620, 640), range(640, 660)):
                pid = await leader(operator)
                await operator.execute("SELECT pg_terminate_backend($1)", pid)
                await leader(operator, other_than=pid)
                await world.accept(numbers)
                await world.whole()
    finally:
        await operator.close()


async def leader(operator: asyncpg.Connection, *, other_than: int | None = None) -> int:
    found: list[int] = []

    async def one() -> bool:
        found[:] = [row["pid"] for row in await operator.fetch(_HOLDERS) if row["pid"] != other_than]
        return len(found) == 1

    await until(one)
    return found[0]
