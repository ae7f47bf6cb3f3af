"""The loop applies a numbered stream exactly once, whatever the relay does to it."""

from collections.abc import Sequence

import pytest

from shared.contracts.records import StreamRecord
from shared.storage.database import Database
from tests.integration.core.company import EVENINGS, Numbered, deal, told
from tests.integration.core.conftest import PARTITIONS, NewStream
from tests.integration.core.service import Settings, cells, counters, empty, positions, running, totals
from tests.integration.core.stream import Stream
from tests.unit.sales import oracle, worker


async def test_a_stream_is_applied_once_and_the_numbers_are_right(
    settings: Settings, database: Database, stream: Stream
) -> None:
    story = told(1, events=120, deals=20, references=6)
    inbox = Numbered(PARTITIONS)
    await stream.send_all(inbox.accept(story))
    async with running(settings, database) as service:
        await service.applied(inbox.heads)
    for until, known_at in EVENINGS:
        assert await totals(database, until, known_at) == oracle.totals(story, until, known_at)
    assert await cells(database) == worker.told(story)
    assert await counters(database) == {"applied": sum(inbox.heads.values()), "duplicates": 0, "dead_letters": 0}


def at(records: Sequence[StreamRecord], *numbers: range) -> list[StreamRecord]:
    """The records of these numbers, in this order."""
    return [records[number - 1] for span in numbers for number in span]


RELAYS = {
    "repeats": (range(1, 41), range(1, 41)),
    "overlaps": (range(1, 21), range(11, 31), range(5, 41)),
    "goes back and forth": (range(1, 3), range(1, 2), range(2, 9), range(4, 6), range(9, 41)),
    "leaves a gap and fills it": (range(1, 11), range(15, 21), range(11, 41)),
    "leaves gaps within gaps": (range(1, 5), range(20, 25), range(10, 15), range(5, 11), range(6, 41)),
    "starts late": (range(30, 41), range(1, 41)),
}


@pytest.mark.parametrize("relay", RELAYS, ids=lambda name: name.replace(" ", "-"))
@pytest.mark.parametrize("batch", [7, 2000])
async def test_whatever_a_relay_repeats_overlaps_or_fills_later(
    settings: Settings, database: Database, stream: Stream, relay: str, batch: int
) -> None:
    story = told(2, events=40, deals=6)
    [records] = Numbered(1).accept(story).values()
    await stream.send(0, at(records, *RELAYS[relay]))
    async with running(settings.but(config={"batch": batch}), database) as service:
        await service.applied({0: 40})
        assert service.loop.trouble() == []
    assert await cells(database) == worker.told(story)
    assert (await counters(database))["applied"] == 40


async def test_a_gap_that_is_filled_while_it_is_awaited(settings: Settings, database: Database, stream: Stream) -> None:
    story = told(3, events=30, deals=6)
    [records] = Numbered(1).accept(story).values()
    await stream.send(0, at(records, range(1, 6), range(11, 21)))
    async with running(settings.but(config={"gap_timeout": 30.0}), database) as service:
        await service.applied({0: 5})
        await stream.send(0, at(records, range(21, 31)))
        await stream.send(0, at(records, range(6, 31)))
        await service.applied({0: 30})
    assert await cells(database) == worker.told(story)


async def test_a_gap_that_is_never_filled_stops_its_partition_only(
    settings: Settings, database: Database, stream: Stream
) -> None:
    """Nothing comes after the gap: it has to be told all the same."""
    story = [deal(number, f"e{number}") for number in range(20)]
    [records] = Numbered(1).accept(story).values()
    await stream.send(0, at(records, range(1, 6), range(8, 10)))
    async with running(settings, database) as service:
        reason = await service.stopped("lacks number 6", "relay")
        assert stream.topic in reason
        await stream.send(1, at(records, range(1, 4)))
        await service.applied({1: 3})
        assert await positions(database) == {0: 5, 1: 3}
    await stream.send(0, at(records, range(6, 21)))
    async with running(settings, database) as service:
        await service.applied({0: 20})
        assert service.loop.trouble() == []


async def test_another_gap_is_searched_for_again(settings: Settings, database: Database, stream: Stream) -> None:
    [records] = Numbered(1).accept(deal(number, f"e{number}") for number in range(20)).values()
    await stream.send(0, at(records, range(1, 3), range(5, 7), range(3, 8), range(12, 15)))
    async with running(settings.but(config={"gap_timeout": 30.0}), database) as service:
        await service.applied({0: 7})
        await stream.send(0, at(records, range(8, 21)))
        await service.applied({0: 20})


async def test_an_offset_hint_beyond_the_position_is_only_a_hint(
    settings: Settings, database: Database, stream: Stream, new_stream: NewStream
) -> None:
    """The service was restored from an older backup than the broker's memory of it."""
    story = told(4, events=30, deals=6)
    [records] = Numbered(1).accept(story).values()
    await stream.send(0, records)
    async with running(settings, database) as service:
        await service.applied({0: 30})
    await empty(database)
    async with running(settings, database) as service:
        await service.applied({0: 30})
    assert await cells(database) == worker.told(story)


@pytest.mark.parametrize("partitions", [1, 3, 5])
async def test_another_partition_count_gives_the_same_numbers_and_digest(
    settings: Settings, database: Database, new_stream: NewStream, partitions: int
) -> None:
    story = told(5, events=80, deals=15, references=8)
    stream, inbox = await new_stream(partitions), Numbered(partitions)
    await stream.send_all(inbox.accept(story))
    async with running(settings.but(topic=stream.topic, group=stream.topic), database) as service:
        await service.applied(inbox.heads)
    assert await cells(database) == worker.told(story)
    for until, known_at in EVENINGS:
        assert await totals(database, until, known_at) == oracle.totals(story, until, known_at)
