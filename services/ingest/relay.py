"""The inbox as the relay sees it: numbered records, exact heads, and a wake-up for each commit."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from services.ingest.domain.partitions import Generation
from services.ingest.framing import COLUMNS, records
from services.ingest.inbox import CHANNEL, LOCK
from shared.kernel.clock import Clock
from shared.kernel.errors import StoppedError
from shared.messaging.leader import leadership
from shared.messaging.relay import Heads, Run
from shared.storage.database import Database

# One statement, so one round trip: first which events come next in each partition, then each of these events once. All
# are looked up together, by numbers that are mostly neighbours; a join would go through the index for each alone. The
# inner SELECTs keep the arrays from the planner, who else plans anew each time: 130 µs, where one event is read in 30.
_READ = f"""
    WITH run AS MATERIALIZED (
      SELECT wanted.partition, found.*
      FROM unnest((SELECT $1::int[]), (SELECT $2::bigint[]), (SELECT $3::bigint[])) AS wanted (partition, after, last)
      CROSS JOIN LATERAL (
        SELECT s.epoch, max(s.number) AS last, array_agg(s.seq ORDER BY s.number) AS seqs FROM stream s
        WHERE s.partition = wanted.partition AND s.number > wanted.after AND s.number <= wanted.last
        GROUP BY s.epoch ORDER BY s.epoch LIMIT 1) AS found)
    SELECT partition, epoch, last, seqs, NULL::bigint AS seq, {", ".join(["NULL"] * 7)} FROM run
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, e.seq, {COLUMNS} FROM event e
    WHERE e.seq = ANY(ARRAY(SELECT unnest(seqs) FROM run))"""  # noqa: S608 - of constants only
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
        """The next records of each partition, up to the end of an epoch. Raises StoppedError if one is missing."""
        self._committed.clear()
        first = self._generation.first
        ends = [self._end(partition, number + limit) for partition, number in after.items()]
        async with self._database.statements() as reader:
            rows = await reader.rows(_READ, [first + p for p in after], list(after.values()), ends)
        events = {row[4]: row[5:] for row in rows}
        runs = {}
        for slot, epoch, last, seqs, *_ in (row for row in rows if row[0] is not None):
            begin = after[slot - first] + 1
            found = [events[seq] for seq in seqs if seq in events]
            if len(found) != last - begin + 1:
                raise StoppedError(f"the inbox has a hole in partition {slot - first} between {begin} and {last}")
            await asyncio.sleep(0)  # let what is sent meanwhile go on
            runs[slot - first] = Run(epoch, begin, records(found, epoch, begin))
        return runs

    def _end(self, partition: int, number: int) -> int:
        """Up to which number it is read: numbers have no hole, so this many are there or will be."""
        if self._clock.monotonic() > self._stands_until:
            return number
        return min(number, self._stands_at.get(partition, 0))

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
