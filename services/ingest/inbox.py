"""The inbox: one INSERT is deduplication, audit and queue. Numbers are drawn in commit order, and never have a hole.

Concurrent requests share one commit (group commit): while one is under way the others gather for the next.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from services.ingest import sourcebook, waiting_reads
from services.ingest.domain.candidates import Candidate, Outcome, Status
from services.ingest.domain.partitions import partition_of
from services.ingest.sources.adapter import ToRead
from services.ingest.store import Raw, save_raws
from shared.contracts.entities import ENTITIES
from shared.kernel.clock import Clock
from shared.kernel.errors import ConflictError, UnavailableError
from shared.kernel.period import Calendar
from shared.storage.database import Database, Writer
from shared.telemetry import metric_names
from shared.telemetry.metrics import Metrics

LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('quintant inbox ' || current_schema(), 0))"
CHANNEL = "quintant_inbox"
_IDLE = "SET LOCAL idle_in_transaction_session_timeout = '3s'"
"""A dead writer must not keep the numbers for longer than this."""
_LARGEST = 2000


@dataclass(frozen=True, slots=True)
class Submission:
    """The candidates of one request, and the bytes that they were read from."""

    candidates: Sequence[Candidate]
    raw: Raw | None = None
    """Kept if any of the candidates is new, or if there is something to read."""
    revision: int = 0
    """Above 0 when a mended adapter reads old bytes anew."""
    reads: Sequence[ToRead] = ()
    """Objects of the raw's source that have to be read from its API."""

    delivered: bool = False
    """A configured source delivered it: deliveries are counted, also those that say nothing new."""


@dataclass(slots=True)
class _Waiting:
    submission: Submission
    done: asyncio.Future[list[Outcome]]


@dataclass(frozen=True, slots=True)
class _Row:
    candidate: Candidate
    submission: Submission

    @property
    def key(self) -> tuple[str, str, int]:
        return (*self.candidate.identity, self.submission.revision)

    @property
    def raw_id(self) -> str | None:
        return self.submission.raw.id if self.submission.raw else self.candidate.raw_id


class Inbox:
    """Accepts candidates. `run` must be running for `accept` to return."""

    def __init__(self, database: Database, calendar: Calendar, partitions: int, metrics: Metrics, clock: Clock) -> None:
        self._database = database
        self._calendar = calendar
        self._partitions = partitions
        self._metrics = metrics
        self._clock = clock
        self._waiting: list[_Waiting] = []
        self._arrived = asyncio.Event()

    async def accept(self, submission: Submission) -> list[Outcome]:
        """What became of each candidate, after the commit. Raises UnavailableError: then nothing was accepted, or it
        cannot be known, and sending the same events again does no harm."""
        if not submission.candidates and not submission.reads and not submission.delivered:
            return []
        waiting = _Waiting(submission, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._arrived.set()
        return await waiting.done

    async def run(self) -> None:
        """Commit what gathers, batch after batch, until cancelled."""
        while True:
            await self._arrived.wait()
            group = self._take()
            began = self._clock.monotonic()
            try:
                outcomes = await self._commit([one.submission for one in group])
            except UnavailableError as error:
                for one in group:
                    _fail(one.done, error)
                continue
            except BaseException:
                for one in group:
                    _fail(one.done, UnavailableError("the inbox stopped before this was committed: send it again"))
                raise
            self._metrics.observe(metric_names.INBOX_COMMIT_SECONDS, self._clock.monotonic() - began)
            for one in group:
                own, outcomes = outcomes[: len(one.submission.candidates)], outcomes[len(one.submission.candidates) :]
                if not one.done.done():
                    one.done.set_result(own)

    def _take(self) -> list[_Waiting]:
        """The next group: whole submissions, up to the largest size, always at least one."""
        taken, size = 0, 0
        for one in self._waiting:
            size += len(one.submission.candidates)
            if taken and size > _LARGEST:
                break
            taken += 1
        group, self._waiting = self._waiting[:taken], self._waiting[taken:]
        if not self._waiting:
            self._arrived.clear()
        return group

    async def _commit(self, submissions: Sequence[Submission]) -> list[Outcome]:
        rows = [_Row(candidate, one) for one in submissions for candidate in one.candidates]
        first: dict[tuple[str, str, int], _Row] = {}
        for row in rows:
            first.setdefault(row.key, row)
        async with self._database.write() as writer:
            await writer.execute(_IDLE)
            await writer.execute(LOCK)
            heads = await _heads(writer)
            today = max(self._calendar.day(heads.now), heads.known_on)
            fresh = await self._insert(writer, list(first.values()), heads.now, today)
            new = {id(first[key].submission) for key in fresh}
            await save_raws(writer, [one.raw for one in submissions if one.raw and (one.reads or id(one) in new)])
            await waiting_reads.ask(writer, _reads(submissions), heads.now)
            places = await self._number(writer, [(seq, first[key]) for key, seq in fresh.items()], heads, today)
            known = await _known(writer, [key for key in first if key not in fresh])
            outcomes = [_outcome(row, first, fresh, places, known) for row in rows]
            await _count(writer, outcomes, first, heads.now)
            await _count_deliveries(writer, submissions, today, heads.now)
            await writer.execute(f"NOTIFY {CHANNEL}")
        return outcomes

    async def _insert(
        self, writer: Writer, rows: Sequence[_Row], now: datetime, today: date
    ) -> dict[tuple[str, str, int], int]:
        """Insert what is new; the sequence number of each, in the order of the candidates."""
        candidates = [row.candidate for row in rows]
        inserted = await writer.rows(
            """INSERT INTO event (source, event_id, revision, entity, subject, occurred_at, sequence, cause,
                                  traceparent, known_on, reconstructed, content, public, personal, raw_id, raw_part,
                                  accepted_at, recorded_on)
               SELECT source, event_id, revision, entity, subject, occurred_at, sequence, cause, traceparent,
                      known_on, reconstructed, content, public, personal, raw_id, raw_part, $17, $18
               FROM unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::text[], $6::timestamptz[], $7::bigint[],
                           $8::text[], $9::text[], $10::date[], $11::bool[], $12::bytea[], $13::bytea[], $14::bytea[],
                           $15::text[], $16::text[])
                 WITH ORDINALITY AS said (source, event_id, revision, entity, subject, occurred_at, sequence, cause,
                      traceparent, known_on, reconstructed, content, public, personal, raw_id, raw_part, place)
               ORDER BY place
               ON CONFLICT (source, event_id, revision) DO NOTHING
               RETURNING source, event_id, revision, seq""",
            [one.source for one in candidates],
            [one.id for one in candidates],
            [row.submission.revision for row in rows],
            [one.entity for one in candidates],
            [one.subject for one in candidates],
            [one.occurred_at for one in candidates],
            [one.sequence for one in candidates],
            [one.cause for one in candidates],
            [one.traceparent for one in candidates],
            [self._known_on(one, today) for one in candidates],
            [one.history for one in candidates],
            [one.content for one in candidates],
            [one.public for one in candidates],
            [one.personal for one in candidates],
            [row.raw_id for row in rows],
            [one.raw_part for one in candidates],
            now,
            today,
        )
        return {(row["source"], row["event_id"], row["revision"]): row["seq"] for row in inserted}

    def _known_on(self, candidate: Candidate, today: date) -> date:
        return min(self._calendar.day(candidate.occurred_at), today) if candidate.history else today

    async def _number(
        self, writer: Writer, fresh: Sequence[tuple[int, _Row]], heads: "_Heads", today: date
    ) -> dict[int, tuple[tuple[int, int], ...]]:
        """Draw the next number in each partition that an event is published to."""
        if not fresh:
            return {}
        drawn = {partition: heads.numbers.get(partition, 0) for partition in range(self._partitions)}
        places: dict[int, list[tuple[int, int]]] = {}
        for seq, row in sorted(fresh, key=lambda one: one[0]):
            for partition in self._partitions_of(row.candidate):
                drawn[partition] += 1
                places.setdefault(seq, []).append((partition, drawn[partition]))
        rows = [(partition, number, heads.epoch, seq) for seq, pairs in places.items() for partition, number in pairs]
        await writer.copy("stream", ("partition", "number", "epoch", "seq"), rows)
        await writer.execute(
            """INSERT INTO head (partition, epoch, number, last_valid, known_on)
               SELECT partition, $3, number, 0, $4 FROM unnest($1::int[], $2::bigint[]) AS drawn (partition, number)
               ON CONFLICT (partition) DO UPDATE
               SET number = excluded.number, known_on = GREATEST(head.known_on, excluded.known_on)""",
            list(drawn),
            list(drawn.values()),
            heads.epoch,
            today,
        )
        return {seq: tuple(pairs) for seq, pairs in places.items()}

    def _partitions_of(self, candidate: Candidate) -> Sequence[int]:
        if ENTITIES[candidate.entity].reference:
            return range(self._partitions)
        return (partition_of(candidate.entity, candidate.subject, self._partitions),)


@dataclass(frozen=True, slots=True)
class _Heads:
    """Where every partition stands, read under the lock."""

    now: datetime
    epoch: int
    known_on: date
    numbers: Mapping[int, int]


async def _heads(writer: Writer) -> _Heads:
    rows = await writer.rows(
        """SELECT clock_timestamp() AS now, partition, epoch, number, known_on
           FROM (SELECT 1) AS one LEFT JOIN head ON true"""
    )
    known = [row for row in rows if row["partition"] is not None]
    return _Heads(
        rows[0]["now"],
        max((row["epoch"] for row in known), default=1),
        max((row["known_on"] for row in known), default=date.min),
        {row["partition"]: row["number"] for row in known},
    )


def _reads(submissions: Sequence[Submission]) -> list[tuple[str, ToRead]]:
    return [(one.raw.source, read) for one in submissions if one.raw and one.raw.source for read in one.reads]


async def _count_deliveries(writer: Writer, submissions: Sequence[Submission], day: date, now: datetime) -> None:
    counts = Counter(one.raw.source for one in submissions if one.raw and one.raw.source and one.delivered)
    if counts:
        await sourcebook.count_deliveries(writer, counts, day, now)


def _fail(done: "asyncio.Future[list[Outcome]]", error: Exception) -> None:
    if not done.done():
        done.set_exception(error)


async def _known(
    writer: Writer, keys: Sequence[tuple[str, str, int]]
) -> Mapping[tuple[str, str, int], tuple[bytes, tuple[tuple[int, int], ...]]]:
    """Content and places of events that were accepted before."""
    if not keys:
        return {}
    rows = await writer.rows(
        """SELECT e.source, e.event_id, e.revision, e.content,
                  array_agg(s.partition ORDER BY s.partition) AS partitions,
                  array_agg(s.number ORDER BY s.partition) AS numbers
           FROM unnest($1::text[], $2::text[], $3::int[]) AS k (source, event_id, revision)
           JOIN event e USING (source, event_id, revision) JOIN stream s ON s.seq = e.seq
           GROUP BY e.seq""",
        [key[0] for key in keys],
        [key[1] for key in keys],
        [key[2] for key in keys],
    )
    return {
        (row["source"], row["event_id"], row["revision"]): (
            row["content"],
            tuple(zip(row["partitions"], row["numbers"], strict=True)),
        )
        for row in rows
    }


def _outcome(
    row: _Row,
    first: Mapping[tuple[str, str, int], _Row],
    fresh: Mapping[tuple[str, str, int], int],
    places: Mapping[int, tuple[tuple[int, int], ...]],
    known: Mapping[tuple[str, str, int], tuple[bytes, tuple[tuple[int, int], ...]]],
) -> Outcome:
    candidate, key = row.candidate, row.key
    accepted = Outcome(candidate.source, candidate.id, Status.ACCEPTED)
    if key in fresh:
        content, at = first[key].candidate.content, places[fresh[key]]
        if first[key] is row:
            return replace(accepted, places=at)
    else:
        content, at = known[key]
    if content == candidate.content:
        return replace(accepted, status=Status.DUPLICATE, places=at)
    return replace(
        accepted,
        status=Status.REJECTED,
        error=ConflictError(
            "An event with this source and id was accepted before with other content: give a correction its own id."
        ),
    )


async def _count(
    writer: Writer, outcomes: Sequence[Outcome], first: Mapping[tuple[str, str, int], _Row], now: datetime
) -> None:
    """Keep the figures of each source."""
    if not outcomes:
        return
    rows = {(row.candidate.identity): row.candidate for row in first.values()}
    sources = sorted({one.source for one in outcomes if one.source})
    counted = {name: [one for one in outcomes if one.source == name] for name in sources}

    def total(name: str, status: Status) -> int:
        return sum(one.status is status for one in counted[name])

    await writer.execute(
        """INSERT INTO source AS s (source, first_accepted_at, last_accepted_at, last_occurred_at, accepted, duplicate,
                                    rejected, live_since)
           SELECT source, $2::timestamptz, $2, occurred, accepted, duplicate, rejected, CASE WHEN live THEN $2 END
           FROM unnest($1::text[], $3::timestamptz[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bool[])
             AS c (source, occurred, accepted, duplicate, rejected, live)
           ON CONFLICT (source) DO UPDATE
           SET last_accepted_at = CASE WHEN excluded.accepted > 0 THEN excluded.last_accepted_at
                                       ELSE s.last_accepted_at END,
               last_occurred_at = GREATEST(s.last_occurred_at, excluded.last_occurred_at),
               accepted = s.accepted + excluded.accepted, duplicate = s.duplicate + excluded.duplicate,
               rejected = s.rejected + excluded.rejected, live_since = coalesce(s.live_since, excluded.live_since)""",
        sources,
        now,
        [max(one.occurred_at for one in rows.values() if one.source == name) for name in sources],
        [total(name, Status.ACCEPTED) for name in sources],
        [total(name, Status.DUPLICATE) for name in sources],
        [total(name, Status.REJECTED) for name in sources],
        [
            any(o.status is Status.ACCEPTED and not rows[name, o.id or ""].history for o in counted[name])
            for name in sources
        ],
    )
