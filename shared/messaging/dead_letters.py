"""Records that cannot be read, kept with their bytes, their origin and the reason; too many of them stop the worker.

A failed write blocks: nothing is ever dropped.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog
from aiokafka import ConsumerRecord

from shared.contracts.topics import topic_name
from shared.kernel.errors import StoppedError, UnavailableError
from shared.messaging.cluster import Brokers
from shared.messaging.deadlines import USUAL, Backoff, Deadlines
from shared.messaging.producer import Outgoing, open_producer
from shared.telemetry import metric_names
from shared.telemetry.metrics import Metrics

_LOG = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """Beyond these a partition stops: such a stream is broken, not dirty."""

    consecutive: int = 50
    share: float = 0.1
    window: int = 1000
    least: int = 100
    """The share counts only once so many records were seen."""


@dataclass(slots=True)
class Tally:
    """How many of a partition's last records were dead letters."""

    limits: Limits
    _recent: deque[bool] = field(default_factory=deque)
    _run: int = 0

    def good(self, count: int) -> None:
        """So many records could be read."""
        if count == 0:
            return
        self._run = 0
        self._recent.extend([False] * min(count, self.limits.window))
        self._trim()

    def bad(self, place: str, reason: str) -> None:
        """One could not. Raises StoppedError beyond the limits."""
        self._run += 1
        self._recent.append(True)
        self._trim()
        dead = sum(self._recent)
        beyond = len(self._recent) >= self.limits.least and dead > self.limits.share * len(self._recent)
        if self._run > self.limits.consecutive or beyond:
            raise StoppedError(
                f"{place}: {self._run} records in a row and {dead} of the last {len(self._recent)} cannot be read "
                f"({reason}): look into the dead-letters topic, mend the producer, then restart this worker"
            )

    def _trim(self) -> None:
        while len(self._recent) > self.limits.window:
            self._recent.popleft()


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Where one service's unreadable records go."""

    bootstrap_servers: Brokers
    service: str
    prefix: str
    generation: int
    metrics: Metrics
    deadlines: Deadlines = USUAL

    async def write(self, records: Sequence[tuple[ConsumerRecord, str]]) -> None:
        """Keep these records with their reasons; returns only when the broker has acknowledged them all."""
        topic = topic_name("dead-letters", prefix=self.prefix, generation=self.generation)
        backoff = Backoff()
        left = list(records)
        while left:
            try:
                async with open_producer(self.bootstrap_servers, self.deadlines) as producer:
                    while left:
                        await producer.send(topic, 0, [self._letter(*left[0])])
                        record, reason = left.pop(0)
                        self.metrics.add(metric_names.DEAD_LETTERS, reason="undecodable")
                        _LOG.error(
                            "dead_letter",
                            topic=record.topic, partition=record.partition, offset=record.offset, reason=reason,
                        )  # fmt: skip
            except UnavailableError as error:
                _LOG.warning("dead_letters_blocked", reason=error.detail, waiting=len(left))
                await backoff.pause()

    def _letter(self, record: ConsumerRecord, reason: str) -> Outgoing:
        origin = {
            "q_dead_service": self.service,
            "q_dead_topic": record.topic,
            "q_dead_partition": str(record.partition),
            "q_dead_offset": str(record.offset),
            "q_dead_reason": reason,
        }
        headers = [*record.headers, *((name, value.encode()) for name, value in origin.items())]
        return Outgoing(record.key, record.value, headers)
