"""The records that PostgreSQL writes say, header by header, what the contract's own encoding says."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from aiokafka.record.memory_records import MemoryRecords

from services.ingest.domain.candidates import Candidate
from services.ingest.domain.partitions import Generation
from services.ingest.inbox import Submission
from services.ingest.relay import InboxStream
from shared.contracts.entities import ENTITIES
from shared.contracts.records import StreamRecord, decode_record
from shared.kernel.clock import SystemClock
from shared.messaging.framing import batches
from shared.storage.database import Database
from tests.integration.ingest.test_inbox import PARTITIONS, deal, inbox, product

WHEN = datetime(2026, 3, 1, 9, 30, 5, 120_000, tzinfo=UTC)
CAUSE, TRACE = "urn:cause:" + "ü" * 90, "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


def unframed(records: Sequence[bytes]) -> list[StreamRecord]:
    """What a consumer reads of framed records."""
    found = []
    for batch in batches(records, 0, 10**9):
        for raw in MemoryRecords(bytes(batch._build())).next_batch():
            record = decode_record(raw.key, raw.value, raw.headers)
            assert isinstance(record, StreamRecord)
            assert [name for name, _ in raw.headers] == [name for name, _ in record.encode()[2]]
            found.append(record)
    return found


def told() -> list[Candidate]:
    """Lengths on both sides of where Kafka needs one more byte, what may be absent, and letters of several bytes."""
    first = deal(1)
    ids = ["x" * length for length in (1, 58, 59, 62, 63, 64, 65, 200)] + ["商机-42", "'\\\"%"]
    named = [_named(replace(first, source=f"/{one}", id=one), one) for one in ids]
    large = [_titled(replace(first, id=f"large-{size}"), size) for size in (10, 8_100, 8_191, 8_192, 90_000)]
    return [
        *named,
        *large,
        replace(first, id="a", occurred_at=WHEN, sequence=2**63 - 1, cause=CAUSE),
        replace(first, id="b", occurred_at=WHEN + timedelta(microseconds=7), traceparent=TRACE),
        replace(first, id="c", history=True, cause="x", traceparent=TRACE),
        replace(first, id="d", occurred_at=datetime(1900, 1, 1, tzinfo=UTC), history=True),
        product(1),
    ]


def _named(candidate: Candidate, subject: str) -> Candidate:
    said = subject.replace("\\", "\\\\").replace('"', '\\"')
    return replace(candidate, subject=subject, public=f'{{"id":"{said}"}}'.encode())


def _titled(candidate: Candidate, size: int) -> Candidate:
    lines = ",".join(f'"{n}":{{"product_id":"p"}}' for n in range(size // 24))
    return replace(candidate, entity="order", public=f'{{"id":"d1","lines":{{{lines}}}}}'.encode())


async def test_a_record_says_what_the_contract_says(database: Database) -> None:
    box = inbox(database)
    running = asyncio.create_task(box.run())
    await box.accept(Submission(told()))
    await box.accept(Submission([replace(deal(1), id="a", cause="again")], revision=1))
    running.cancel()
    await asyncio.wait([running])
    found = await InboxStream(database, Generation(1, 0, PARTITIONS), SystemClock()).read(
        dict.fromkeys(range(PARTITIONS), 0), 1_000
    )
    count = 0
    for partition, run in found.items():
        expected = await _expected(database, partition)
        assert (run.epoch, run.first, run.last) == (1, 1, len(expected))
        assert unframed(run.records) == expected
        count += len(expected)
    assert count == len(told()) + PARTITIONS


async def _expected(database: Database, partition: int) -> list[StreamRecord]:
    async with database.read() as reader:
        rows = await reader.rows(
            """SELECT s.number, s.epoch, e.entity, e.source, e.event_id, e.subject, e.occurred_at, e.sequence, e.public,
                      e.revision, e.known_on, e.accepted_at, e.recorded_on, e.reconstructed, e.cause, e.traceparent
               FROM stream s JOIN event e ON e.seq = s.seq WHERE s.partition = $1 ORDER BY s.number""",
            partition,
        )
    renamed = {"event_id": "id", "occurred_at": "time", "public": "data"}
    records = [StreamRecord(**{renamed.get(name, name): value for name, value in row.items()}) for row in rows]
    assert all(record.entity in ENTITIES for record in records)
    return records
