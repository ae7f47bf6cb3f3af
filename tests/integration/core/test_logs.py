"""Epochs of a restored inbox, and topics that were recreated or truncated under a running consumer."""

from collections.abc import Sequence

from shared.contracts.records import EpochRecord, StreamRecord
from shared.storage.database import Database
from tests.integration.core.company import Numbered, deal, told
from tests.integration.core.service import Settings, cells, positions, running
from tests.integration.core.stream import Stream
from tests.unit.sales import worker
from tests.unit.sales.events import Event


def numbered(story: Sequence[Event], *, epoch: int = 1, after: int = 0) -> list[StreamRecord]:
    inbox = Numbered(1, epoch)
    inbox.accept([deal(0, "not counted")] * after)
    return inbox.accept(story)[0]


async def epochs(database: Database) -> dict[int, tuple[int, int]]:
    async with database.read() as reader:
        rows = await reader.rows("SELECT partition, epoch, number FROM position")
    return {row["partition"]: (row["epoch"], row["number"]) for row in rows}


async def test_a_service_goes_on_after_the_inbox_was_restored_to_where_it_stands(
    settings: Settings, database: Database, stream: Stream
) -> None:
    story = told(11, events=20, deals=5)
    await stream.send(0, numbered(story[:10]))
    async with running(settings, database) as service:
        await service.applied({0: 10})
        later = numbered(story[10:], epoch=2, after=10)
        await stream.send(0, [EpochRecord(epoch=2, last_valid=10), *later])
        await service.applied({0: 20})
        assert service.loop.trouble() == []
    assert await cells(database) == worker.told(story)
    assert (await epochs(database))[0] == (2, 20)


async def test_a_service_that_lags_behind_the_last_valid_number_catches_up_first(
    settings: Settings, database: Database, stream: Stream
) -> None:
    """The relay had not sent everything when the machine died: the rest of the old epoch comes before the new one."""
    story = told(12, events=20, deals=5)
    old, new = numbered(story[:10]), numbered(story[10:], epoch=2, after=10)
    await stream.send(0, old[:6])
    async with running(settings.but(config={"gap_timeout": 30.0}), database) as service:
        await service.applied({0: 6})
        await stream.send(0, [EpochRecord(epoch=2, last_valid=10)])
        await stream.send(0, [*old[6:], EpochRecord(epoch=2, last_valid=10), *new])
        await service.applied({0: 20})
    assert await cells(database) == worker.told(story)


async def test_a_service_that_applied_more_than_was_restored_stops_and_asks_for_a_rebuild(
    settings: Settings, database: Database, stream: Stream
) -> None:
    await stream.send(0, numbered(told(13, events=10, deals=5)))
    async with running(settings, database) as service:
        await service.applied({0: 10})
        await stream.send(0, [EpochRecord(epoch=2, last_valid=7)])
        await service.stopped("applied events up to 10", "only up to 7", "rebuild")
    assert (await epochs(database))[0] == (1, 10)


async def test_it_stops_also_when_the_stream_was_sent_again_without_a_word(
    settings: Settings, database: Database, stream: Stream
) -> None:
    """Kafka was lost together with the end of the inbox: the same numbers now belong to other events."""
    story = told(14, events=20, deals=5)
    await stream.send(0, numbered(story[:10]))
    async with running(settings, database) as service:
        await service.applied({0: 10})
        await stream.recreate()
        await stream.send(0, [*numbered(story[:7]), *numbered(story[10:], epoch=2, after=7)])
        await service.stopped("applied events up to 10", "only up to 7")


async def test_a_rebuilt_service_reads_both_epochs(settings: Settings, database: Database, stream: Stream) -> None:
    story = told(15, events=20, deals=5)
    new = numbered(story[10:], epoch=2, after=10)
    await stream.send(0, [*numbered(story[:10]), EpochRecord(epoch=2, last_valid=10), *new])
    async with running(settings, database) as service:
        await service.applied({0: 20})
    assert await cells(database) == worker.told(story)


async def test_a_late_write_of_the_old_epoch_is_ignored(settings: Settings, database: Database, stream: Stream) -> None:
    """A relay that did not know yet had a batch in flight."""
    story = told(16, events=20, deals=5)
    lost = numbered(told(17, events=3, deals=3), after=10)
    new = numbered(story[10:], epoch=2, after=10)
    await stream.send(0, [*numbered(story[:10]), EpochRecord(epoch=2, last_valid=10), *lost, *new])
    async with running(settings, database) as service:
        await service.applied({0: 20})
        assert service.loop.trouble() == []
    assert await cells(database) == worker.told(story)


async def test_a_recreated_topic_is_noticed_and_read_from_its_start(
    settings: Settings, database: Database, stream: Stream
) -> None:
    """Shorter than before at first: the relay sends everything again."""
    story = told(18, events=30, deals=5)
    records = numbered(story)
    await stream.send(0, records[:10])
    async with running(settings.but(config={"gap_timeout": 30.0}), database) as service:
        await service.applied({0: 10})
        await stream.recreate()
        await stream.send(0, records[:4])
        await stream.send(0, records[4:])
        await service.applied({0: 30})
        assert service.loop.trouble() == []
    assert await cells(database) == worker.told(story)


async def test_a_topic_recreated_while_nobody_looked(settings: Settings, database: Database, stream: Stream) -> None:
    records = numbered(told(19, events=30, deals=5))
    await stream.send(0, records[:20])
    async with running(settings, database) as service:
        await service.applied({0: 20})
    await stream.recreate()
    await stream.send(0, records[:15])
    async with running(settings, database) as service:
        await stream.send(0, records[15:])
        await service.applied({0: 30})


async def test_a_truncated_topic_stops_whoever_had_not_read_it_and_heals_when_it_is_sent_again(
    settings: Settings, database: Database, stream: Stream
) -> None:
    story = told(20, events=30, deals=5)
    records = numbered(story)
    await stream.send(0, records[:5])
    async with running(settings, database) as service:
        await service.applied({0: 5})
    await stream.send(0, records[5:20])
    await stream.truncate(0, before=9)
    async with running(settings, database) as service:
        await service.stopped("lacks number 6")
        assert await positions(database) == {0: 5, 1: 0}
    await stream.truncate(0, before=20)
    await stream.send(0, records)
    async with running(settings, database) as service:
        await service.applied({0: 30})
        assert service.loop.trouble() == []
    assert await cells(database) == worker.told(story)


async def test_a_truncated_topic_does_not_trouble_whoever_had_read_it(
    settings: Settings, database: Database, stream: Stream
) -> None:
    records = numbered(told(21, events=30, deals=5))
    await stream.send(0, records[:20])
    async with running(settings, database) as service:
        await service.applied({0: 20})
        await stream.truncate(0, before=20)
        await stream.send(0, records[20:25])
        await service.applied({0: 25})
    await stream.truncate(0, before=25)
    async with running(settings, database) as service:
        await stream.send(0, records[25:])
        await service.applied({0: 30})
        assert service.loop.trouble() == []
