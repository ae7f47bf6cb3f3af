"""Publishes what a service said: at least once, under ids that stay the same, and forgets it when acknowledged."""

from dataclasses import dataclass, field

import structlog

from shared.contracts.topics import topic_name
from shared.kernel.clock import Clock
from shared.kernel.errors import UnavailableError
from shared.messaging.cluster import Brokers
from shared.messaging.deadlines import USUAL, Backoff, Deadlines
from shared.messaging.failpoints import Failpoints
from shared.messaging.framing import frame
from shared.messaging.leader import leadership
from shared.messaging.producer import Producer, open_producer
from shared.storage.database import Database, Reader, Statements
from shared.storage.outbox import Message, count_messages, forget_messages, read_messages
from shared.telemetry import metric_names
from shared.telemetry.metrics import Metrics

_LOG = structlog.get_logger(__name__)


_BETWEEN_COUNTS = 5.0
"""Seconds between two counts of a long backlog: counting reads all of it."""


@dataclass(slots=True)
class OutboxRelay:
    """Relays the outbox of one service."""

    bootstrap_servers: Brokers
    service: str
    prefix: str
    generation: int
    database: Database
    metrics: Metrics
    clock: Clock
    failpoints: Failpoints
    deadlines: Deadlines = USUAL
    batch: int = 5000
    """At once. It waits its turn for each step between batches of events that are folded: a few large steps keep up
    with them, many small ones do not."""
    _counted: float = field(default=float("-inf"), init=False)

    async def run(self) -> None:
        """Relay until cancelled; a lost broker or database delays."""
        backoff = Backoff()
        while True:
            try:
                async with (
                    leadership(self.database, f"quintant outbox {self.service}"),
                    open_producer(self.bootstrap_servers, self.deadlines) as producer,
                    self.database.statements() as statements,
                ):
                    while True:
                        sent = await self._relay(producer, statements)
                        backoff.reset()
                        if sent < self.batch:
                            await backoff.pause()
            except UnavailableError as error:
                _LOG.warning("outbox_relay_interrupted", reason=error.detail)
                await backoff.pause()

    async def _relay(self, producer: Producer, statements: Statements) -> int:
        messages = await read_messages(statements, self.batch)
        await self._tell_pending(statements, len(messages))
        told: dict[str, list[bytes]] = {}
        for _, message in messages:
            told.setdefault(message.topic, []).append(_framed(message))
        for slug, records in told.items():
            # As one run into the one partition of such a topic: facts of one subject must not overtake each other.
            topic = topic_name(slug, prefix=self.prefix, generation=self.generation)
            await producer.send_batches(topic, 0, producer.batches(records))
            self.metrics.add(metric_names.RELAY_SENT, len(records), topic=slug)
        if messages:
            self.failpoints.reach("outbox.sent")
            await forget_messages(statements, [number for number, _ in messages])
        return len(messages)

    async def _tell_pending(self, reader: Reader, read: int) -> None:
        pending = read
        if read == self.batch:
            now = self.clock.monotonic()
            if now - self._counted < _BETWEEN_COUNTS:
                return
            self._counted = now
            pending = await count_messages(reader)
        self.metrics.set(metric_names.OUTBOX_PENDING, pending)


def _framed(message: Message) -> bytes:
    headers = ((name, value.encode()) for name, value in message.headers.items())
    return frame(message.key.encode(), message.value, headers)
