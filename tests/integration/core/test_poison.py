"""Poison of every kind goes to the dead letters as it was, its neighbours are processed, and too much of it stops."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from aiokafka import ConsumerRecord

from shared.contracts.records import StreamRecord
from shared.contracts.topics import topic_name
from shared.messaging.dead_letters import Limits
from shared.messaging.producer import Outgoing
from shared.storage.database import Database
from tests.integration.core.company import Numbered, deal, told
from tests.integration.core.service import Settings, cells, counters, positions, running
from tests.integration.core.stream import Stream, Told, read_all
from tests.unit.sales import worker

EASY = Limits(consecutive=10_000, share=1.0)


@dataclass(frozen=True)
class Kind:
    """One way to spoil a record; `takes_a_number` if it still bears the number of the record that it replaces."""

    headers: Sequence[str] | None = None
    """Names of the headers that are left out; None for all of them."""
    said: tuple[tuple[str, bytes | None], ...] = ()
    value: bytes | None = b"as it was"
    key: bytes | None = b"as it was"
    takes_a_number: bool = True

    def spoil(self, record: StreamRecord) -> Outgoing:
        key, value, headers = record.encode()
        kept = [] if self.headers is None else [one for one in headers if one[0] not in self.headers]
        return Outgoing(
            key if self.key == b"as it was" else self.key,
            value if self.value == b"as it was" else self.value,
            [*kept, *self.said],  # type: ignore[list-item]
        )


KINDS = {
    "no headers": Kind(takes_a_number=False),
    "no number": Kind(["q_number"], takes_a_number=False),
    "number is no number": Kind(["q_number"], (("q_number", b"seven"),), takes_a_number=False),
    "number is nothing": Kind(["q_number"], (("q_number", None),), takes_a_number=False),
    "number is zero": Kind(["q_number"], (("q_number", b"0"),), takes_a_number=False),
    "number is endless": Kind(["q_number"], (("q_number", b"9" * 5000),), takes_a_number=False),
    "number is no text": Kind(["q_number"], (("q_number", b"\xff\xfe"),), takes_a_number=False),
    "no time": Kind(["ce_time"]),
    "time is naive": Kind(["ce_time"], (("ce_time", b"2026-03-01T00:00:00"),)),
    "unknown type": Kind(["ce_type"], (("ce_type", b"io.quintant.unicorn.changed.v1"),)),
    "another spec": Kind(["ce_specversion"], (("ce_specversion", b"2.0"),)),
    "epoch out of range": Kind(["q_epoch"], (("q_epoch", str(2**40).encode()),), takes_a_number=False),
    "header is no text": Kind([], (("ce_extra", b"\xff"),)),
    "bad JSON": Kind([], value=b'{"id": '),
    "no JSON at all": Kind([], value=b"\x00\xff"),
    "not an object": Kind([], value=b"[1,2]"),
    "wrong schema": Kind([], value=b'{"id":"d1","stage":7}'),
    "unknown field": Kind([], value=b'{"id":"d1","colour":"red"}'),
    "amount of nothing": Kind([], value=b'{"id":"d1","amount":{"amount":"NaN","currency":"EUR"}}'),
    "nested too deep": Kind([], value=b'{"id":"d1","stage":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "cannot be stored": Kind([], value=b'{"id":"d1","stage":"a\\u0000b"}'),
    "another subject": Kind([], value=b'{"id":"somebody-else"}'),
    "wrong key": Kind([], key=b"deal/somebody-else"),
    "no key": Kind([], key=None),
    "no value": Kind([], value=None),
    "empty": Kind([], value=b""),
    "an epoch that is none": Kind([], value=b'{"epoch":-1}', key=b"stream/epoch"),
}


def spoiled(records: Sequence[StreamRecord]) -> tuple[list[Told], list[Outgoing], list[StreamRecord]]:
    """A stream with poison of every kind in it, the poison, and what is left good and renumbered around it."""
    stream: list[Told] = []
    poison: list[Outgoing] = []
    good: list[StreamRecord] = []
    number, kinds = 0, list(KINDS.values())
    for index, record in enumerate(records):
        number += 1
        good.append(replace(record, number=number))
        stream.append(good[-1])
        if index < len(kinds):
            number += kinds[index].takes_a_number
            poison.append(kinds[index].spoil(replace(record, number=number)))
            stream.append(poison[-1])
    return stream, poison, good


async def letters(settings: Settings, stream: Stream) -> list[ConsumerRecord]:
    """What this test's partition sent to the dead letters."""
    topic = topic_name("dead-letters", prefix=settings.prefix)
    found = await read_all(stream.bootstrap_servers, topic)
    return [one for one in found if ("q_dead_topic", stream.topic.encode()) in one.headers]


@pytest.mark.parametrize("batch", [1, 5, 2000])
async def test_poison_of_every_kind_is_kept_as_it_was_and_its_neighbours_are_processed(
    settings: Settings, database: Database, stream: Stream, batch: int
) -> None:
    story = told(6, events=len(KINDS) + 5, deals=5)
    [records] = Numbered(1).accept(story).values()
    sent, poison, good = spoiled(records)
    await stream.send(0, sent)
    async with running(settings.but(limits=EASY, config={"batch": batch}), database) as service:
        await service.applied({0: good[-1].number})
        assert service.loop.trouble() == []
    assert await cells(database) == worker.told(story)
    assert (await counters(database))["dead_letters"] == sum(kind.takes_a_number for kind in KINDS.values())
    kept = await letters(settings, stream)
    assert [(one.key, one.value) for one in kept] == [(one.key, one.value) for one in poison]
    offsets = [offset for offset, one in enumerate(sent) if isinstance(one, Outgoing)]
    for one, was, offset in zip(kept, poison, offsets, strict=True):
        assert list(one.headers[: len(was.headers)]) == list(was.headers)
        origin = dict(one.headers[len(was.headers) :])
        assert origin.pop("q_dead_reason").decode()
        assert origin == {
            "q_dead_service": b"pipeline",
            "q_dead_topic": stream.topic.encode(),
            "q_dead_partition": b"0",
            "q_dead_offset": str(offset).encode(),
        }


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(consecutive=4, share=1.0), "5 records in a row"),
        (Limits(consecutive=100, share=0.3, least=12), "of the last"),
    ],
    ids=["in-a-row", "share"],
)
async def test_too_much_poison_stops_its_partition_and_no_other(
    settings: Settings, database: Database, stream: Stream, limits: Limits, words: str
) -> None:
    [records] = Numbered(1).accept(deal(number, f"e{number}") for number in range(20)).values()
    bad = [KINDS["bad JSON"].spoil(one) for one in records[10:]]
    await stream.send(0, [*records[:10]])
    await stream.send(1, [*records])
    async with running(settings.but(limits=limits), database) as service:
        await service.applied({0: 10})
        await stream.send(0, bad)
        await service.stopped(words, "dead-letters")
        await service.applied({1: 20})
        assert (await positions(database))[0] == 10
    async with running(settings.but(limits=EASY), database) as service:
        await service.applied({0: 20})
    kept = await letters(settings, stream)
    assert [one.value for one in kept] == [one.value for one in bad]


async def test_a_letter_too_large_for_the_topic_does_not_block(
    settings: Settings, database: Database, stream: Stream
) -> None:
    """With what is added to it, a record that the broker took may be too large to be taken again."""
    [records] = Numbered(1).accept(deal(number, f"e{number}") for number in range(3)).values()
    key, _, headers = records[1].encode()
    largest = Outgoing(key, b"x" * 1_048_000, headers)
    await stream.send(0, [records[0], largest, records[2]])
    async with running(settings, database) as service, asyncio.timeout(20):
        await service.applied({0: 3})
    [letter] = await letters(settings, stream)
    assert letter.value == largest.value
