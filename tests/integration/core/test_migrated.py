"""A migration under a worker at work: what the worker has begun is whole before, and afterwards it writes nothing."""

import asyncio
from dataclasses import dataclass, field

import pytest

from shared.kernel.errors import OtherRevisionError
from shared.messaging.folding import FoldingLane, FoldingOpener
from shared.storage.database import Database, Writer
from tests.integration.core.company import Numbered, deal, moved
from tests.integration.core.conftest import PARTITIONS
from tests.integration.core.lanes import apply_once, opener
from tests.integration.core.service import REVISION, Settings, cells, running
from tests.integration.core.stream import Stream
from tests.integration.core.waiting import until
from tests.unit.sales import worker

BEFORE = [deal(number, f"e{number}", owner_id="ann") for number in range(6)]
STORY = [*BEFORE, moved("ann", "north", "r1"), *(deal(number, f"f{number}", hour=3) for number in range(6))]


async def migrated(writer: Writer, revision: str = "0002") -> None:
    """What `migrate` does around its steps."""
    await writer.execute("LOCK TABLE position IN EXCLUSIVE MODE")
    await writer.execute("UPDATE alembic_version SET version_num = $1", revision)


@pytest.mark.parametrize("number", [6, 7, 8], ids=["told", "taught", "both"])
async def test_a_worker_from_before_writes_nothing(database: Database, number: int) -> None:
    [records] = Numbered(1).accept(STORY).values()
    lane = await opener(database).open(0)
    await apply_once(lane, records[: number - 1])
    standing = await cells(database)
    async with database.write() as writer:
        await migrated(writer)
    for _ in range(2):
        with pytest.raises(
            OtherRevisionError, match="is at revision 0002, this process needs 0001: upgrade this proce"
        ):
            await apply_once(lane, records[:number])
    with pytest.raises(OtherRevisionError):
        await opener(database).open(0)
    assert await cells(database) == standing


async def test_a_worker_from_after_waits_for_the_migration(database: Database) -> None:
    async with database.write() as writer:
        await migrated(writer, "0000")
    with pytest.raises(OtherRevisionError, match="revision 0000, this process needs 0001: run its `migrate`"):
        await opener(database).open(0)


async def test_a_batch_that_waits_for_the_migration_is_not_applied(database: Database) -> None:
    """It began before the migration was committed, and comes to its turn afterwards."""
    [records] = Numbered(1).accept(STORY).values()
    lane = await opener(database).open(0)
    await apply_once(lane, records[:3])
    standing = await cells(database)
    async with database.write() as writer:
        await migrated(writer)
        late = asyncio.create_task(apply_once(lane, records))
        await until(lambda: waits_for_a_lock(database))
    with pytest.raises(OtherRevisionError):
        await late
    assert await cells(database) == standing


async def waits_for_a_lock(database: Database) -> bool:
    async with database.read() as reader:
        return bool(await reader.value("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"))


@dataclass
class WatchedOpener:
    """Opens lanes, and notes why it could not."""

    lanes: FoldingOpener
    refused: list[OtherRevisionError] = field(default_factory=list)

    async def open(self, partition: int) -> FoldingLane:
        try:
            return await self.lanes.open(partition)
        except OtherRevisionError as error:
            self.refused.append(error)
            raise


async def test_a_loop_goes_on_once_its_own_schema_is_there(
    settings: Settings, database: Database, stream: Stream
) -> None:
    inbox, watched = Numbered(PARTITIONS), WatchedOpener(opener(database))

    async def refused() -> bool:
        return bool(watched.refused)

    await stream.send_all(inbox.accept(BEFORE))
    async with running(settings, database, watched) as service:
        await service.applied(inbox.heads)
        async with database.write() as writer:
            await migrated(writer)
        await stream.send_all(inbox.accept(STORY[len(BEFORE) :]))
        await service.until(refused)
        assert await cells(database) == worker.told(BEFORE)
        async with database.write() as writer:
            await migrated(writer, REVISION)
        await service.applied(inbox.heads)
        assert service.loop.trouble() == []
    assert await cells(database) == worker.told(STORY)
