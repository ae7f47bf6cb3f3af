"""A worker that lost its partition cannot commit, however late it comes and whatever it had in hand."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from shared.kernel.errors import QuintantError, UnavailableError
from shared.messaging.folding import FoldingLane, FoldingOpener
from shared.storage.database import Database
from shared.storage.position import FencedError
from tests.integration.core.company import Numbered, deal, moved, told
from tests.integration.core.conftest import PARTITIONS
from tests.integration.core.lanes import apply, apply_once, opener
from tests.integration.core.service import Settings, cells, counters, running
from tests.integration.core.stream import Stream
from tests.unit.sales import worker

STORY = [*(deal(number, f"e{number}", owner_id="ann") for number in range(6)), moved("ann", "north", "r1")]


async def test_the_slower_of_two_lanes_cannot_commit(database: Database) -> None:
    [records] = Numbered(1).accept(STORY).values()
    slow, fast = await opener(database).open(0), await opener(database).open(0)
    await apply_once(fast, records[:4])
    for late in (records[:1], records[:6], records):
        with pytest.raises(FencedError):
            await apply_once(slow, late)
    await apply_once(fast, records)
    assert await cells(database) == worker.told(STORY)


async def test_of_two_lanes_at_the_same_time_one_commits(database: Database) -> None:
    [records] = Numbered(1).accept(STORY).values()
    for batch in (records[:3], records[:6], records):
        lanes = [await opener(database).open(0) for _ in range(4)]
        outcomes = await asyncio.gather(*(apply_once(lane, batch) for lane in lanes), return_exceptions=True)
        assert sorted(type(one).__name__ for one in outcomes) == ["FencedError"] * 3 + ["NoneType"]
    assert await cells(database) == worker.told(STORY)
    assert (await counters(database))["applied"] == len(STORY)


async def told_of_more(lane: FoldingLane) -> None:
    [records] = Numbered(1).accept([*STORY, deal(9, "late")]).values()
    await lane.apply(records[-1:], duplicates=0, dead=[])


async def taught(lane: FoldingLane) -> None:
    [records] = Numbered(1).accept([*STORY, moved("ann", "south", "late", hour=3)]).values()
    await lane.apply(records[-1:], duplicates=0, dead=[])


async def given_poison(lane: FoldingLane) -> None:
    await lane.apply([], duplicates=0, dead=[len(STORY) + 1])


async def restored(lane: FoldingLane) -> None:
    await lane.begin_epoch(2, len(STORY))


@pytest.mark.parametrize("first", [told_of_more, taught, given_poison, restored], ids=lambda one: one.__name__)
@pytest.mark.parametrize("second", [told_of_more, taught, given_poison, restored], ids=lambda one: one.__name__)
async def test_whatever_two_lanes_do_the_second_is_fenced(
    database: Database,
    first: Callable[[FoldingLane], Awaitable[None]],
    second: Callable[[FoldingLane], Awaitable[None]],
) -> None:
    [records] = Numbered(1).accept(STORY).values()
    await apply(opener(database), records)
    lanes = [await opener(database, chunk=2).open(0) for _ in range(2)]
    await first(lanes[0])
    standing = await cells(database)
    with pytest.raises(FencedError):
        await second(lanes[1])
    assert await cells(database) == standing


async def test_a_refold_that_somebody_else_finishes_is_not_finished_twice(database: Database) -> None:
    [records] = Numbered(1).accept(STORY).values()
    await apply(opener(database), records[:-1])
    lanes = [await opener(database, chunk=1).open(0) for _ in range(3)]
    outcomes = await asyncio.gather(*(apply_once(lane, records) for lane in lanes), return_exceptions=True)
    assert [type(one) for one in outcomes if one is not None] == [FencedError] * 2
    assert await cells(database) == worker.told(STORY)


async def test_two_loops_that_both_believe_in_the_same_partitions(
    settings: Settings, database: Database, stream: Stream
) -> None:
    """Two consumer groups on one database: every partition has two workers all the time."""
    story, inbox = told(7, events=150, deals=25, references=10), Numbered(PARTITIONS)
    await stream.send_all(inbox.accept(story[:80]))
    small = settings.but(config={"batch": 9}, chunk=2)
    async with running(small, database) as one, running(small.but(group=f"{settings.group}-2"), database) as other:
        await stream.send_all(inbox.accept(story[80:]))
        await one.applied(inbox.heads)
        await other.applied(inbox.heads)
        assert one.loop.trouble() == other.loop.trouble() == []
    assert await cells(database) == worker.told(story)
    assert (await counters(database))["applied"] == sum(inbox.heads.values())


@dataclass
class TroubledOpener:
    """Opens lanes, but not at the first try."""

    lanes: FoldingOpener
    trouble: list[QuintantError]

    async def open(self, partition: int) -> FoldingLane:
        if self.trouble:
            raise self.trouble.pop()
        return await self.lanes.open(partition)


@pytest.mark.parametrize("error", [FencedError("it goes on with a refold"), UnavailableError("PostgreSQL is gone")])
async def test_a_lane_that_cannot_be_opened_yet_is_opened_later(
    settings: Settings, database: Database, stream: Stream, error: QuintantError
) -> None:
    """Somebody else is just finishing a refold, or there is no database: no reason to stop the partition."""
    inbox = Numbered(1)
    await stream.send(0, inbox.accept(STORY)[0])
    troubled = TroubledOpener(opener(database), [error, error, error])
    async with running(settings, database, troubled) as service:
        await service.applied(inbox.heads)
        assert service.loop.trouble() == []


async def test_a_lane_that_must_not_be_opened_stops_its_partition(
    settings: Settings, database: Database, stream: Stream
) -> None:
    """Another generation of the stream was applied here."""
    inbox = Numbered(1)
    await stream.send(0, inbox.accept(STORY)[0])
    await apply(opener(database), inbox.streams[0][:2])
    async with database.write() as writer:
        await writer.execute("UPDATE position SET generation = 2")
    async with running(settings, database) as service:
        await service.stopped("another generation", "rebuild")
