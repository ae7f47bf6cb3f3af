"""The inbox as the relay sees it: numbered records, exact heads, and a wake-up for each commit."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from services.ingest.inbox import CHANNEL, LOCK
from shared.contracts.records import StreamRecord
from shared.messaging.leader import leadership
from shared.messaging.relay import Heads
from shared.storage.database import Database


class InboxStream:
    """Reads the stream from the tables of this service."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._committed = asyncio.Event()

    @asynccontextmanager
    async def leadership(self) -> AsyncIterator[None]:
        """Be the only active relay, and hear of commits while it lasts."""
        async with leadership(self._database, "quintant relay"), self._database.session() as connection:
            await connection.add_listener(CHANNEL, self._hear)
            try:
                yield
            finally:
                if not connection.is_closed():
                    await connection.remove_listener(CHANNEL, self._hear)

    def _hear(self, *_: object) -> None:
        self._committed.set()

    async def wait(self, seconds: float) -> None:
        """Until something is committed, or for so long: a lost notification delays, it never loses."""
        try:
            async with asyncio.timeout(max(0.01, min(seconds, 1.0))):
                await self._committed.wait()
        except TimeoutError:
            return

    async def read(self, after: Mapping[int, int], limit: int) -> Mapping[int, Sequence[StreamRecord]]:
        """The next records of each partition, in number order."""
        self._committed.clear()
        async with self._database.read() as reader:
            rows = await reader.rows(
                """SELECT s.partition, s.number, s.epoch, e.entity, e.source, e.event_id, e.subject, e.occurred_at,
                          e.sequence, e.public, e.revision, e.known_on, e.accepted_at, e.recorded_on, e.reconstructed,
                          e.cause, e.traceparent
                   FROM unnest($1::int[], $2::bigint[]) AS wanted (partition, number)
                   CROSS JOIN LATERAL (
                     SELECT * FROM stream WHERE stream.partition = wanted.partition AND stream.number > wanted.number
                     ORDER BY stream.number LIMIT $3) AS s
                   JOIN event e ON e.seq = s.seq
                   ORDER BY s.partition, s.number""",
                list(after),
                list(after.values()),
                limit,
            )
        records: dict[int, list[StreamRecord]] = {}
        for row in rows:
            records.setdefault(row["partition"], []).append(_record(row))
        return records

    async def heads(self) -> Heads:
        """Under the lock, so that nothing accepted before `through` can still be on its way to a commit."""
        async with self._database.write() as writer:
            await writer.execute(LOCK)
            rows = await writer.rows(
                """SELECT clock_timestamp() AS now, partition, epoch, number, last_valid
                   FROM (SELECT 1) AS one LEFT JOIN head ON true"""
            )
        known = [row for row in rows if row["partition"] is not None]
        return Heads(
            max((row["epoch"] for row in known), default=1),
            {row["partition"]: row["last_valid"] for row in known},
            rows[0]["now"],
            {row["partition"]: row["number"] for row in known},
        )


def _record(row: Mapping[str, Any]) -> StreamRecord:
    fields = dict(row)
    del fields["partition"]
    return StreamRecord(id=fields.pop("event_id"), time=fields.pop("occurred_at"), data=fields.pop("public"), **fields)
