"""What a newer ingest wrote: applied where this build can read it, waited for where it cannot, never passed over."""

from collections.abc import Sequence

from shared.contracts.records import CONTRACT, StreamRecord
from shared.messaging.producer import Outgoing
from shared.storage.database import Database
from tests.integration.core.company import Numbered, deal
from tests.integration.core.service import Settings, counters, positions, running
from tests.integration.core.stream import Stream
from tests.integration.core.test_poison import letters

UNKNOWN = b'{"id":"d1","what_nobody_knows_yet":"red"}'


def written(record: StreamRecord, contract: int, value: bytes | None = None) -> Outgoing:
    key, data, headers = record.encode()
    kept = [(name, said) for name, said in headers if name != "q_contract"]
    return Outgoing(key, value or data, [*kept, ("q_contract", str(contract).encode())])


def stream_of(events: int) -> Sequence[StreamRecord]:
    [records] = Numbered(1).accept(deal(1, f"e{number}") for number in range(events)).values()
    return records


async def test_what_only_a_newer_build_can_read_is_waited_for(
    settings: Settings, database: Database, stream: Stream
) -> None:
    records = stream_of(10)
    newer = [written(one, CONTRACT + 1) for one in records]
    await stream.send(0, [*newer[:5], written(records[5], CONTRACT + 1, UNKNOWN), *newer[6:]])
    await stream.send(1, records)
    for _ in range(2):  # a restart of the same build changes nothing
        async with running(settings, database) as service:
            await service.stopped("number 6 was written under contract 2", "upgrade this service")
            await service.applied({1: 10})
            assert (await positions(database))[0] == 5
    assert (await counters(database))["dead_letters"] == 0
    assert await letters(settings, stream) == []


async def test_what_is_repeated_or_comes_too_soon_stops_nothing(
    settings: Settings, database: Database, stream: Stream
) -> None:
    records = stream_of(6)
    unreadable = [written(one, CONTRACT + 1, UNKNOWN) for one in records]
    await stream.send(0, [*records[:4], unreadable[1], unreadable[5], records[4], records[5]])
    async with running(settings, database) as service:
        await service.applied({0: 6})
        assert service.loop.trouble() == []


async def test_poison_under_a_known_contract_is_poison(settings: Settings, database: Database, stream: Stream) -> None:
    records = stream_of(3)
    await stream.send(0, [records[0], written(records[1], CONTRACT, UNKNOWN), records[2]])
    async with running(settings, database) as service:
        await service.applied({0: 3})
    assert [one.value for one in await letters(settings, stream)] == [UNKNOWN]
