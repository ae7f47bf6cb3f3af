"""`python -m services.ingest repartition N`: the whole inbox cut anew into N partitions, while it goes on accepting."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from services.ingest.commit import CHANNEL, LOCK
from services.ingest.domain.partitions import Generation, homes_of
from services.ingest.numbering import open_generations
from shared.contracts.entities import ENTITIES
from shared.kernel.clock import Clock
from shared.kernel.errors import ConflictError
from shared.messaging.cluster import Brokers
from shared.messaging.topics import create_topics, delete_topics
from shared.runtime.entry import Tell
from shared.storage.database import Database, Reader, Writer

_PIECE = 20_000
"""Events numbered in one transaction, beside the running inbox."""
_REST = 500
"""So few are numbered under the inbox's lock."""
_SETTLE_SECONDS = 2.0
"""Until every relay has heard that a generation is closed."""


@dataclass(frozen=True, slots=True)
class Repartitioning:
    """Opens and closes generations of the stream."""

    database: Database
    kafka: Brokers
    topic_prefix: str
    clock: Clock
    tell: Tell

    async def open(self, partitions: int) -> None:
        """Open a generation of so many partitions; one that was begun is gone on with. Raises ConflictError."""
        generation = await self._begin(partitions)
        if generation is None:
            return
        await create_topics(self.kafka, prefix=self.topic_prefix, partitions=partitions, generation=generation.number)
        began = self.clock.monotonic()
        while await self._number_a_piece(generation) == _PIECE:
            await self._tell_progress(generation, began)
        await self._open(generation)
        self._tell_open(generation)

    async def close(self) -> None:
        """Close every generation but the newest open one, and delete its numbers and topics."""
        async with self.database.read() as reader:
            closed = (await open_generations(reader))[:-1]
        for generation in closed:
            async with self.database.write() as writer:
                await writer.execute(LOCK)
                await writer.execute("UPDATE generation SET opened_at = NULL WHERE number = $1", generation.number)
            await asyncio.sleep(_SETTLE_SECONDS)
            await delete_topics(self.kafka, prefix=self.topic_prefix, generation=generation.number)
            await self._forget(generation)
            self.tell({"phase": "closed", "generation": generation.number, "partitions": generation.partitions})

    async def _begin(self, partitions: int) -> Generation | None:
        """The generation to be filled; None if the newest open one has as many partitions."""
        async with self.database.write() as writer:
            await writer.execute(LOCK)
            rows = await writer.rows("SELECT number, first, partitions, opened_at FROM generation ORDER BY number")
            newest = Generation(*rows[-1][:3])
            if rows[-1]["opened_at"] is not None:
                if newest.partitions == partitions:
                    self._tell_open(newest)
                    return None
                if len(rows) > 1:
                    raise ConflictError(
                        f"generations {rows[0]['number']} and {newest.number} are open: when every service has moved, "
                        "close the first with `--clean`, then begin anew"
                    )
            elif newest.partitions == partitions and newest.number > 1:
                return newest
            else:  # one of another number of partitions was begun and never opened
                await self._drop(writer, newest)
            last = newest if rows[-1]["opened_at"] is not None else Generation(*rows[-2][:3])
            made = Generation(newest.number + 1, last.first + last.partitions, partitions)
            await writer.execute(
                "INSERT INTO generation (number, first, partitions, filled) VALUES ($1, $2, $3, 0)",
                made.number,
                made.first,
                made.partitions,
            )
            return made

    async def _number_a_piece(self, generation: Generation) -> int:
        async with self.database.write() as writer:
            return await _number(writer, generation, _PIECE)

    async def _open(self, generation: Generation) -> None:
        """Number the rest under the lock, so that the next commit goes on without a hole."""
        while True:
            async with self.database.write() as writer:
                await writer.execute("SET LOCAL idle_in_transaction_session_timeout = '3s'")
                await writer.execute(LOCK)
                if await _number(writer, generation, _REST) < _REST:
                    heads = await _numbered(writer, generation)
                    await writer.execute(
                        """INSERT INTO head (partition, epoch, number, last_valid, known_on)
                           SELECT slot, 1, number, 0, (SELECT max(known_on) FROM head)
                           FROM unnest($1::int[], $2::bigint[]) AS numbered (slot, number)
                           WHERE EXISTS (SELECT FROM head)""",
                        list(generation.slots),
                        [heads.get(slot, 0) for slot in generation.slots],
                    )
                    await writer.execute(
                        "UPDATE generation SET opened_at = clock_timestamp() WHERE number = $1", generation.number
                    )
                    await writer.execute(f"NOTIFY {CHANNEL}")
                    return
            await self._number_a_piece(generation)

    async def _forget(self, generation: Generation) -> None:
        while True:
            async with self.database.write() as writer:
                gone = await writer.execute(
                    """DELETE FROM stream WHERE (partition, number) IN (
                         SELECT partition, number FROM stream WHERE partition >= $1 AND partition < $2 LIMIT $3)""",
                    generation.first,
                    generation.first + generation.partitions,
                    _PIECE,
                )
                if gone < _PIECE:
                    await self._drop(writer, generation)
                    return

    async def _drop(self, writer: Writer, generation: Generation) -> None:
        slots = list(generation.slots)
        for table in ("stream", "head"):
            await writer.execute(f"DELETE FROM {table} WHERE partition = ANY($1::int[])", slots)  # noqa: S608
        await writer.execute("DELETE FROM generation WHERE number = $1", generation.number)

    async def _tell_progress(self, generation: Generation, began: float) -> None:
        async with self.database.read() as reader:
            done, of = await _progress(reader, generation)
        rate = done / max(0.001, self.clock.monotonic() - began)
        left = round(max(0, of - done) / rate, 1)
        self.tell({"phase": "numbering", "applied": done, "of": of, "rate": round(rate), "seconds_left": left})

    def _tell_open(self, generation: Generation) -> None:
        self.tell({"phase": "opened", "generation": generation.number, "partitions": generation.partitions})


async def begin_epoch(writer: Writer) -> int:
    """Go on with new numbers after the inbox was restored from a backup: what was published beyond it is void."""
    await writer.execute(LOCK)
    await writer.execute("UPDATE head SET epoch = epoch + 1, last_valid = number")
    return int(await writer.value("SELECT coalesce(max(epoch), 1) FROM head"))


async def _number(writer: Writer, generation: Generation, most: int) -> int:
    """Number the next events of the inbox in a generation that is not open yet; how many."""
    filled = await writer.value("SELECT filled FROM generation WHERE number = $1 FOR UPDATE", generation.number)
    rows = await writer.rows(
        "SELECT seq, entity, subject FROM event WHERE seq > $1 ORDER BY seq LIMIT $2", filled, most
    )
    if not rows:
        return 0
    heads = dict(await _numbered(writer, generation))
    records = []
    for seq, entity, subject in rows:
        for slot in generation.slots if ENTITIES[entity].reference else homes_of(entity, subject, (generation,)):
            heads[slot] = heads.get(slot, 0) + 1
            records.append((slot, heads[slot], 1, seq))
    await writer.copy("stream", ("partition", "number", "epoch", "seq"), records)
    await writer.execute("UPDATE generation SET filled = $2 WHERE number = $1", generation.number, rows[-1]["seq"])
    return len(rows)


async def _numbered(reader: Reader, generation: Generation) -> Mapping[int, int]:
    """The last number of each slot."""
    rows = await reader.rows(
        """SELECT slot, last.number FROM unnest($1::int[]) AS slot
           CROSS JOIN LATERAL (
             SELECT number FROM stream WHERE partition = slot ORDER BY number DESC LIMIT 1) AS last""",
        list(generation.slots),
    )
    return {row["slot"]: row["number"] for row in rows}


async def _progress(reader: Reader, generation: Generation) -> tuple[int, int]:
    filled = await reader.value("SELECT filled FROM generation WHERE number = $1", generation.number)
    return int(filled), int(await reader.value("SELECT coalesce(max(seq), 0) FROM event"))
