"""The loop broken off, cancelled or rebalanced in the middle of a batch, at every point: afterwards all is right."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaConnectionError

from shared.contracts.records import StreamRecord
from shared.messaging.failpoints import NAMES, Failpoints
from shared.messaging.folding import FoldingLane, FoldingOpener
from shared.messaging.loop import Loop
from shared.storage.database import Database
from shared.storage.position import Position
from tests.integration.core.company import Numbered, told
from tests.integration.core.conftest import PARTITIONS
from tests.integration.core.lanes import Interrupting, opener
from tests.integration.core.service import Running, Settings, cells, counters, loop, running
from tests.integration.core.stream import Stream
from tests.unit.sales import worker

STORY = told(41, events=60, deals=12, references=8)
POINTS = [name for name in NAMES if name.startswith(("loop.", "fold.", "refold."))]


@dataclass(slots=True)
class Cancelling(Failpoints):
    """Cancels the loop at a point, the second time that it is reached, as a shutdown may at any moment."""

    at: str = ""
    task: "asyncio.Task[None] | None" = None
    passed: int = 0

    def reach(self, name: str) -> None:
        if name == self.at and self.task is not None:
            self.passed += 1
            if self.passed == 2:
                self.task.cancel()


async def is_right(database: Database, inbox: Numbered) -> None:
    assert await cells(database) == worker.told(STORY)
    assert (await counters(database))["applied"] == sum(inbox.heads.values())


@pytest.mark.parametrize("point", POINTS)
async def test_broken_off_at_a_point_it_tries_again(
    settings: Settings, database: Database, stream: Stream, point: str
) -> None:
    inbox = Numbered(PARTITIONS)
    await stream.send_all(inbox.accept(STORY))
    failpoints = Interrupting(at=point, time=2)
    made = loop(
        settings.but(config={"batch": 9, "between_hints": 0.0}),
        opener(database, failpoints, chunk=2),
        failpoints=failpoints,
    )
    task = asyncio.create_task(made.run())
    try:
        await Running(made, task, database).applied(inbox.heads)
        assert failpoints.reached[point] >= 2
    finally:
        task.cancel()
        await asyncio.wait([task])
    await is_right(database, inbox)


@pytest.mark.parametrize("point", POINTS)
async def test_cancelled_at_a_point_it_ends_and_goes_on_later(
    settings: Settings, database: Database, stream: Stream, point: str
) -> None:
    inbox = Numbered(PARTITIONS)
    await stream.send_all(inbox.accept(STORY))
    small = settings.but(config={"batch": 9, "between_hints": 0.0}, chunk=2)
    failpoints = Cancelling(at=point)
    made = loop(small, opener(database, failpoints, chunk=2), failpoints=failpoints)
    failpoints.task = asyncio.create_task(made.run())
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(asyncio.shield(failpoints.task), 20)
    async with running(small, database) as service:
        await service.applied(inbox.heads)
    await is_right(database, inbox)


@dataclass
class Gate:
    """Lets nobody apply anything while it is closed."""

    open: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class GatedLane:
    lane: FoldingLane
    gate: Gate

    @property
    def position(self) -> Position:
        return self.lane.position

    async def apply(self, records: Sequence[StreamRecord], *, duplicates: int, dead: Sequence[int]) -> None:
        self.gate.waiting.set()
        await self.gate.open.wait()
        await self.lane.apply(records, duplicates=duplicates, dead=dead)

    async def begin_epoch(self, epoch: int, last_valid: int) -> None:
        await self.lane.begin_epoch(epoch, last_valid)


@dataclass
class GatedOpener:
    lanes: FoldingOpener
    gate: Gate

    async def open(self, partition: int) -> GatedLane:
        return GatedLane(await self.lanes.open(partition), self.gate)


async def test_partitions_that_go_to_another_worker_while_a_batch_is_in_hand(
    settings: Settings, database: Database, stream: Stream
) -> None:
    """The first comes too late for what it has, for its offsets too, and goes on with what is left to it."""
    inbox, gate = Numbered(PARTITIONS), Gate()
    await stream.send_all(inbox.accept(STORY))
    async with running(settings, database, GatedOpener(opener(database), gate)) as slow:
        await asyncio.wait_for(gate.waiting.wait(), 20)
        async with running(settings.but(instance="core-1"), database) as fast:

            async def shared_out() -> bool:
                return not fast.loop.trouble() and not slow.loop.trouble()

            await fast.until(shared_out)
            gate.open.set()
            await slow.applied(inbox.heads)
            assert fast.loop.trouble() == slow.loop.trouble() == []
    await is_right(database, inbox)


async def test_a_lone_worker_is_rebalanced_while_a_batch_is_in_hand(
    settings: Settings, database: Database, stream: Stream
) -> None:
    """Somebody joins and leaves: every partition is taken away and given back with the batch still under way."""
    inbox, gate = Numbered(PARTITIONS), Gate()
    await stream.send_all(inbox.accept(STORY))
    async with running(settings, database, GatedOpener(opener(database), gate)) as slow:
        await asyncio.wait_for(gate.waiting.wait(), 20)
        async with running(settings.but(instance="core-1"), database) as guest:

            async def member() -> bool:
                return not guest.loop.trouble()

            await guest.until(member)
        gate.open.set()
        await slow.applied(inbox.heads)
        assert slow.loop.trouble() == []
    await is_right(database, inbox)


class HinderedLoop(Loop):
    """Something is wrong with its first consumer."""

    consumers = 0

    def _consumer(self) -> AIOKafkaConsumer:
        consumer = super()._consumer()
        self.consumers += 1
        if self.consumers == 1:
            self.hinder(consumer)
        return consumer

    def hinder(self, consumer: AIOKafkaConsumer) -> None:
        """Do it."""


class SilentLoop(HinderedLoop):
    """Its first consumer falls silent after its first records, as aiokafka's did when all brokers had restarted."""

    def hinder(self, consumer: AIOKafkaConsumer) -> None:
        consumer.getmany = silent_after_one(consumer.getmany)


def silent_after_one(getmany: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    heard = False

    async def limited(**limits: Any) -> Any:
        nonlocal heard
        if heard:
            await asyncio.sleep(0.02)
            return {}
        fetched = await getmany(**limits)
        heard = bool(fetched)
        return fetched

    return limited


async def test_a_consumer_that_falls_silent_is_replaced(settings: Settings, database: Database, stream: Stream) -> None:
    inbox = Numbered(PARTITIONS)
    await stream.send_all(inbox.accept(STORY[:30]))
    hasty = settings.but(config={"silence": 0.3})
    async with running(hasty, database, opener(database), SilentLoop) as service:
        await service.applied(inbox.heads)
        await stream.send_all(inbox.accept(STORY[30:]))
        await service.applied(inbox.heads)
        assert isinstance(service.loop, SilentLoop)
        assert service.loop.consumers == 2
    await is_right(database, inbox)


class UnansweredLoop(HinderedLoop):
    """Its first consumer is not told the log's end the first time that it asks, or ever."""

    asked = 0
    unanswered = 1

    def hinder(self, consumer: AIOKafkaConsumer) -> None:
        consumer.end_offsets = self._unanswered(consumer.end_offsets)

    def _unanswered(self, end_offsets: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def ask(*places: Any) -> Any:
            self.asked += 1
            if self.asked <= self.unanswered:
                raise KafkaConnectionError("nobody is there")
            return await end_offsets(*places)

        return ask


class NeverAnsweredLoop(UnansweredLoop):
    unanswered = 1_000_000


@pytest.mark.parametrize(("kind", "silence", "consumers"), [(UnansweredLoop, 3.0, 1), (NeverAnsweredLoop, 0.5, 2)])
async def test_a_moments_outage_makes_no_new_consumer_but_a_long_one_does(
    settings: Settings, database: Database, stream: Stream, kind: type[UnansweredLoop], silence: float, consumers: int
) -> None:
    """A new one would have to wait until the session of the old one has passed."""
    inbox = Numbered(PARTITIONS)
    await stream.send_all(inbox.accept(STORY[:30]))
    async with running(settings.but(config={"silence": silence}), database, opener(database), kind) as service:
        made = service.loop
        assert isinstance(made, kind)
        await service.applied(inbox.heads)

        async def settled() -> bool:
            return made.asked > 1 and made.consumers == consumers

        await service.until(settled)
        await stream.send_all(inbox.accept(STORY[30:]))
        await service.applied(inbox.heads)
        assert made.consumers == consumers
    await is_right(database, inbox)
