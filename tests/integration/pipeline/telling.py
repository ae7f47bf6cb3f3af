"""Tells a service what ingest would: numbered records, made by hand, applied by lanes or sent through Kafka."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from hashlib import blake2b
from typing import Any

import msgspec

from services.pipeline.handlers import handler
from services.pipeline.migrations import HEAD
from shared.contracts.entities import ENTITIES
from shared.contracts.records import StreamRecord
from shared.kernel.clock import SystemClock
from shared.kernel.journal import Assertion, Stamp
from shared.kernel.tokens import Token
from shared.messaging.failpoints import Failpoints
from shared.messaging.folding import CHUNK, FoldingLane, FoldingOpener
from shared.sales.company import Company
from shared.sales.references import Key
from shared.storage.database import Database
from shared.telemetry.metrics import Metrics

ACCEPTED = datetime(2026, 6, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Event:
    """One event before it is numbered."""

    key: Key
    assertion: Assertion
    reconstructed: bool = False


def event(
    entity: str, subject: str, at: str, known_on: str | None = None, *, id: str = "", reconstructed: bool = False,
    since: str | None = None, ended: bool | None = None, source: str = "/crm", **said: Any,
) -> Event:  # fmt: skip
    """`at` is an ISO instant; known on the same day unless said otherwise."""
    instant = datetime.fromisoformat(at)
    known = date.fromisoformat(known_on) if known_on else instant.date()
    identity = id or f"{subject}@{at}{sorted(said)}{since}"
    assertion = Assertion(
        Stamp(instant, 0, source, identity), known, said, ended, date.fromisoformat(since) if since else None
    )
    return Event(Key(entity, subject), assertion, reconstructed)


@dataclass
class Stream:
    """Numbers events densely within partitions; reference events go to every partition."""

    partitions: int = 1
    numbers: dict[int, int] = field(default_factory=dict)

    def number(self, events: Sequence[Event]) -> dict[int, list[StreamRecord]]:
        """The records of each partition, in order."""
        told: dict[int, list[StreamRecord]] = {partition: [] for partition in range(self.partitions)}
        for one in events:
            everywhere = ENTITIES[one.key.kind].reference
            for partition in range(self.partitions) if everywhere else [self.partition_of(one.key)]:
                self.numbers[partition] = self.numbers.get(partition, 0) + 1
                told[partition].append(_record(one, self.numbers[partition]))
        return told

    def partition_of(self, key: Key) -> int:
        return blake2b(f"{key.kind}/{key.id}".encode()).digest()[0] % self.partitions

    def token(self) -> str:
        """For `after=`: everything numbered so far."""
        return Token.of(1, self.numbers.items()).encode()


def _record(one: Event, number: int) -> StreamRecord:
    said = one.assertion
    extra: Mapping[str, object] = {
        name: value
        for name, value in (("ended", said.ended), ("since", said.since.isoformat() if said.since else None))
        if value is not None
    }
    return StreamRecord(
        entity=one.key.kind,
        source=said.stamp.source,
        id=said.stamp.event_id,
        subject=one.key.id,
        time=said.stamp.occurred_at,
        sequence=said.stamp.sequence,
        data=msgspec.json.encode({"id": one.key.id, **said.said, **extra}, order="sorted"),
        epoch=1,
        number=number,
        revision=said.revision,
        known_on=said.known_on,
        accepted_at=ACCEPTED,
        recorded_on=ACCEPTED.date(),
        reconstructed=one.reconstructed,
    )


def opener(
    database: Database,
    company: Company,
    *,
    chunk: int = CHUNK,
    failpoints: Failpoints | None = None,
    code: str = "",
) -> FoldingOpener:
    """What the loop would open lanes with."""
    return FoldingOpener(
        database,
        HEAD,
        1,
        handler(company, code),
        Metrics(),
        SystemClock(),
        failpoints or Failpoints(),
        chunk=chunk,
    )


async def tell(opening: FoldingOpener, *batches: Mapping[int, Sequence[StreamRecord]]) -> None:
    """Apply records without Kafka, batch after batch; each partition stays assigned to one worker."""
    lanes: dict[int, FoldingLane] = {}
    for told in batches:
        for partition, records in told.items():
            if partition not in lanes:
                lanes[partition] = await opening.open(partition)
            if records:
                await lanes[partition].apply(records, duplicates=0, dead=[])
