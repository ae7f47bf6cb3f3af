"""The inbox as the relay sees it: numbered records, exact heads, and a wake-up for each commit."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import groupby
from operator import itemgetter

from services.ingest.domain.partitions import Generation
from services.ingest.framing import record
from services.ingest.inbox import CHANNEL, LOCK
from shared.kernel.clock import Clock
from shared.messaging.leader import leadership
from shared.messaging.relay import Heads, Run
from shared.storage.database import Database

# The LIMIT stands outside the join: inside, PostgreSQL would sort what the index gives in order.
_READ = f"""SELECT next.partition, next.number, next.epoch, next.record
    FROM unnest($1::int[], $2::bigint[], $4::bigint[]) AS wanted (partition, number, cap)
    CROSS JOIN LATERAL (
      SELECT s.partition, s.number, s.epoch, {record("e", "s")} AS record FROM stream s JOIN event e ON e.seq = s.seq
      WHERE s.partition = wanted.partition AND s.number > wanted.number AND s.number <= wanted.cap
      ORDER BY s.number LIMIT $3) AS next"""  # noqa: S608 - of constants only
_PARTITION = itemgetter("partition")
_NO_END = 2**63 - 1
_BETWEEN_CUTS = 3.0
"""Seconds that the oldest generation goes on, when several are open, before it stands still again."""
_STANDS = 1.0
"""Seconds that it stands still."""
_OTHERS = """
    SELECT min(number) OVER () > $1 AS oldest FROM generation WHERE opened_at IS NOT NULL AND number <> $1 LIMIT 1"""
_CUT = """
    UPDATE generation g SET cut_at = $1, cut = coalesce(
      (SELECT jsonb_object_agg(h.partition - g.first, h.number) FROM head h
       WHERE h.partition >= g.first AND h.partition < g.first + g.partitions), '{}')
    WHERE opened_at IS NOT NULL"""


class InboxStream:
    """Reads the stream from the tables of this service."""

    def __init__(self, database: Database, generation: Generation, clock: Clock) -> None:
        self._database = database
        self._generation = generation
        self._clock = clock
        self._committed = asyncio.Event()
        self._stands_until = float("-inf")
        self._stands_at: Mapping[int, int] = {}

    @asynccontextmanager
    async def leadership(self) -> AsyncIterator[None]:
        """Be the only active relay, and hear of commits while it lasts."""
        name = f"quintant relay {self._generation.number}"
        async with leadership(self._database, name), self._database.session() as connection:
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

    async def read(self, after: Mapping[int, int], limit: int) -> Mapping[int, Run]:
        """The next records of each partition, up to the end of an epoch."""
        self._committed.clear()
        async with self._database.statements() as reader:
            first = self._generation.first
            rows = await reader.rows(_READ, [first + p for p in after], list(after.values()), limit, self._cap(after))
        runs = {}
        for partition, group in groupby(rows, _PARTITION):
            found = list(group)
            epoch = found[0]["epoch"]
            if found[-1]["epoch"] != epoch:
                found = [row for row in found if row["epoch"] == epoch]
            runs[partition - first] = Run(epoch, found[0]["number"], [row["record"] for row in found])
        return runs

    def _cap(self, after: Mapping[int, int]) -> list[int]:
        if self._clock.monotonic() > self._stands_until:
            return [_NO_END] * len(after)
        return [self._stands_at.get(partition, 0) for partition in after]

    async def heads(self) -> Heads:
        """Under the lock, so that nothing accepted before `through` can still be on its way to a commit.

        While several generations are open, the oldest one's relay cuts them all at one instant from time to time, and
        then stands still there for a moment: services that fold different generations can compare themselves.
        """
        async with self._database.write() as writer:
            await writer.execute(LOCK)
            now = await writer.value("SELECT clock_timestamp()")
            others = await writer.rows(_OTHERS, self._generation.number)
            rows = await writer.rows("SELECT partition, epoch, number, last_valid FROM head")
            known = {row["partition"] - self._generation.first: row for row in rows}
            known = {partition: row for partition, row in known.items() if 0 <= partition < self._generation.partitions}
            numbers = {partition: row["number"] for partition, row in known.items()}
            if others and others[0]["oldest"] and self._clock.monotonic() > self._stands_until + _BETWEEN_CUTS:
                await writer.execute(_CUT, now)
                self._stands_at, self._stands_until = numbers, self._clock.monotonic() + _STANDS
        return Heads(
            max((row["epoch"] for row in known.values()), default=1),
            {partition: row["last_valid"] for partition, row in known.items()},
            now,
            numbers,
        )
