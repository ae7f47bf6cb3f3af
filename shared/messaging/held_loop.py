"""The loop of a build that is being made: it stays behind a limit in each partition, and tells nobody anything."""

import asyncio
from collections.abc import Mapping, Sequence

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from shared.messaging.dead_letters import DeadLetters
from shared.messaging.loop import Loop
from shared.messaging.reading import number_of

_PAUSE = 0.02
"""Seconds before what may not be applied yet is fetched again."""


class UnsentDeadLetters(DeadLetters):
    """What cannot be read is passed over: the build before has kept it, and it must be kept once."""

    async def write(self, records: Sequence[tuple[ConsumerRecord, str]]) -> None:
        """Nothing: they are kept already."""


class HeldLoop(Loop):
    """Applies each partition up to a number, exactly, and goes on when that is raised."""

    _held_at: Mapping[int, int] | None = None

    def hold_at(self, limits: Mapping[int, int] | None) -> None:
        """From now on apply nothing beyond these numbers; a partition that is not named may not begin. None: go on."""
        self._held_at = limits

    async def _take(self, consumer: AIOKafkaConsumer, place: TopicPartition, fetched: list[ConsumerRecord]) -> None:
        limit = None if self._held_at is None else self._held_at.get(place.partition, 0)
        allowed = fetched if limit is None else _up_to(limit, fetched)
        if allowed:
            await super()._take(consumer, place, allowed)
        if len(allowed) < len(fetched) and place in consumer.assignment():
            consumer.seek(place, fetched[len(allowed)].offset)
            await asyncio.sleep(0 if allowed else _PAUSE)


def _up_to(limit: int, fetched: list[ConsumerRecord]) -> list[ConsumerRecord]:
    for index, raw in enumerate(fetched):
        if (number_of(raw.headers) or 0) > limit:
            return fetched[:index]
    return fetched
