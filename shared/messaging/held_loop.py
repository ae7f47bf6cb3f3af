"""The loop of a build that is being made: it stays behind a limit in each partition, and tells nobody anything."""

from collections.abc import Mapping, Sequence

from aiokafka import ConsumerRecord, TopicPartition

from shared.messaging.dead_letters import DeadLetters
from shared.messaging.loop import Loop
from shared.messaging.reading import number_of


class UnsentDeadLetters(DeadLetters):
    """What cannot be read is passed over: the build before has kept it, and it must be kept once."""

    async def write(self, records: Sequence[tuple[ConsumerRecord, str]]) -> None:
        """Nothing: they are kept already."""


class HeldLoop(Loop):
    """Applies each partition up to a number, exactly, and goes on when that is raised."""

    _patience_ms = 20
    """What waits is looked at again so often: it may be allowed by now."""
    _held_at: Mapping[int, int] | None = None

    def hold_at(self, limits: Mapping[int, int] | None) -> None:
        """From now on apply nothing beyond these numbers; a partition that is not named may not begin. None: go on."""
        self._held_at = limits

    def _allowed(self, place: TopicPartition, gathered: Sequence[ConsumerRecord]) -> int:
        if self._held_at is None:
            return len(gathered)
        limit = self._held_at.get(place.partition, 0)
        lane = self._tracks[place].lane
        if lane is not None and lane.position.number + len(gathered) <= limit:  # not even if each is the next one
            return len(gathered)
        return next((i for i, raw in enumerate(gathered) if (number_of(raw.headers) or 0) > limit), len(gathered))
