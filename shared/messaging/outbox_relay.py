"""Publishes what a service said: at least once, under ids that stay the same, and forgets it when acknowledged."""

from dataclasses import dataclass

import structlog

from shared.contracts.topics import topic_name
from shared.kernel.errors import UnavailableError
from shared.messaging.cluster import Brokers
from shared.messaging.deadlines import USUAL, Backoff, Deadlines
from shared.messaging.failpoints import Failpoints
from shared.messaging.leader import leadership
from shared.messaging.producer import Outgoing, Producer, open_producer
from shared.storage.database import Database
from shared.storage.outbox import Message, count_messages, forget_messages, read_messages
from shared.telemetry import metric_names
from shared.telemetry.metrics import Metrics

_LOG = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OutboxRelay:
    """Relays the outbox of one service."""

    bootstrap_servers: Brokers
    service: str
    prefix: str
    generation: int
    database: Database
    metrics: Metrics
    failpoints: Failpoints
    deadlines: Deadlines = USUAL
    batch: int = 1000

    async def run(self) -> None:
        """Relay until cancelled; a lost broker or database delays."""
        backoff = Backoff()
        while True:
            try:
                async with (
                    leadership(self.database, f"quintant outbox {self.service}"),
                    open_producer(self.bootstrap_servers, self.deadlines) as producer,
                ):
                    while True:
                        sent = await self._relay(producer)
                        backoff.reset()
                        if sent < self.batch:
                            await backoff.pause()
            except UnavailableError as error:
                _LOG.warning("outbox_relay_interrupted", reason=error.detail)
                await backoff.pause()

    async def _relay(self, producer: Producer) -> int:
        async with self.database.read() as reader:
            messages = await read_messages(reader, self.batch)
            pending = await count_messages(reader) if messages else 0
        self.metrics.set(metric_names.OUTBOX_PENDING, pending)
        told: dict[str, list[Outgoing]] = {}
        for _, message in messages:
            told.setdefault(message.topic, []).append(_outgoing(message))
        for slug, records in told.items():
            # As one run into the one partition of such a topic: facts of one subject must not overtake each other.
            await producer.send(topic_name(slug, prefix=self.prefix, generation=self.generation), 0, records)
            self.metrics.add(metric_names.RELAY_SENT, len(records), topic=slug)
        if messages:
            self.failpoints.reach("outbox.sent")
            async with self.database.write() as writer:
                await forget_messages(writer, [number for number, _ in messages])
        return len(messages)


def _outgoing(message: Message) -> Outgoing:
    headers = [(name, value.encode()) for name, value in message.headers.items()]
    return Outgoing(message.key.encode(), message.value, headers)
