"""One inbox commit: a group of submissions packed for the database's function `take_in`, and its answer read."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any

import msgspec

from services.ingest.domain.candidates import Candidate, Outcome, Status
from services.ingest.domain.partitions import Generation, homes_of, place_of, slots_of
from services.ingest.numbering import Numbering
from services.ingest.sources.adapter import ToRead
from services.ingest.store import Raw
from shared.contracts.entities import ENTITIES
from shared.kernel.errors import ConflictError
from shared.kernel.period import Calendar
from shared.kernel.tokens import Place
from shared.storage.database import Statements

LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('quintant inbox ' || current_schema(), 0))"
"""What `take_in` holds through its commit: under it nothing is on its way into the inbox."""
CHANNEL = "quintant_inbox"
_TAKE_IN = """SELECT today, at, epochs, statuses, places, in_partition, numbers
    FROM take_in($1, $2, $3, $4, $5, $6, $7)"""
"""All that is read of the answer: a schema whose function cannot say that much refuses, instead of committing."""
_STATUSES = (Status.ACCEPTED, Status.DUPLICATE, Status.REJECTED)
_DAY = timedelta(days=1)


class Submission(msgspec.Struct, frozen=True):
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


async def commit(
    writer: Statements, submissions: Sequence[Submission], calendar: Calendar, numbering: Numbering, now: datetime
) -> list[Outcome]:
    """What became of each candidate of each submission, in order. `now` is our clock; the database's decides."""
    generations = numbering.generations
    events = _events(submissions, calendar, generations)
    raws = [_raw(one.raw, one.reads) for one in submissions if one.raw and (one.candidates or one.reads)]
    said = (raws, _asked(submissions), _delivered(submissions))
    answer = None
    while answer is None or answer["today"] is None:
        days, begins = _days_around(calendar, calendar.day(answer["at"] if answer else now))
        answer = await writer.row(_TAKE_IN, days, begins, slots_of(generations), events, *said)
        if answer is None or answer["today"] is None:
            seen, generations = generations, await numbering.look(writer)
            if generations != seen:
                events = _events(submissions, calendar, generations)
    return _outcomes([candidate for one in submissions for candidate in one.candidates], answer, generations)


@lru_cache(maxsize=8)
def _days_around(calendar: Calendar, day: date) -> tuple[list[date], list[datetime]]:
    """Business days from yesterday to tomorrow and the one after, which only ends the range; their first instants."""
    days = [day + offset * _DAY for offset in range(-1, 3)]
    return days, [datetime.combine(one, time(), calendar.zone).astimezone(UTC) for one in days]


def _events(
    submissions: Sequence[Submission], calendar: Calendar, generations: Sequence[Generation]
) -> list[tuple[object, ...]]:
    return [
        _event(one.revision, one.raw.id if one.raw else None, candidate, calendar, generations)
        for one in submissions
        for candidate in one.candidates
    ]


def _event(
    revision: int, raw_id: str | None, one: Candidate, calendar: Calendar, generations: Sequence[Generation]
) -> tuple[object, ...]:
    """A value of the database's type `event_said`."""
    return (
        one.source,
        one.id,
        revision,
        one.entity,
        one.subject,
        one.occurred_at,
        one.sequence,
        one.cause,
        one.traceparent,
        calendar.day(one.occurred_at) if one.history else None,
        one.content,
        one.public,
        one.personal,
        raw_id or one.raw_id,
        one.raw_part,
        None if ENTITIES[one.entity].reference else homes_of(one.entity, one.subject, generations),
    )


def _raw(raw: Raw, reads: Sequence[ToRead]) -> tuple[object, ...]:
    """A value of the database's type `raw_said`."""
    return raw.id, raw.received_at, raw.kind, raw.content_type, raw.headers, raw.body, raw.source, bool(reads)


def _asked(submissions: Sequence[Submission]) -> list[tuple[str | None, ...]]:
    """Of what is asked for twice, the last word; an INSERT takes each once."""
    asked = {
        (one.raw.source, read.kind, read.id): read.cause
        for one in submissions
        if one.reads and one.raw and one.raw.source
        for read in one.reads
    }
    return [(*key, cause) for key, cause in asked.items()]


def _delivered(submissions: Sequence[Submission]) -> list[tuple[str, int]]:
    sources = [one.raw.source for one in submissions if one.delivered and one.raw and one.raw.source]
    return list(Counter(sources).items())


def _outcomes(candidates: Sequence[Candidate], answer: Any, generations: Sequence[Generation]) -> list[Outcome]:
    places: list[tuple[Place, ...]] = [()] * len(candidates)
    slots = slots_of(generations)
    by_slot = {slot: (epoch, *place_of(generations, slot)) for slot, epoch in zip(slots, answer["epochs"], strict=True)}
    drawn = (answer[name] or () for name in ("places", "in_partition", "numbers"))
    for place, slot, number in zip(*drawn, strict=True):
        epoch, generation, partition = by_slot[slot]
        places[place - 1] += ((generation, epoch, partition, number),)
    if answer["statuses"] is None:
        return [Outcome(one.source, one.id, Status.ACCEPTED, at) for one, at in zip(candidates, places, strict=True)]
    return [
        _outcome(one, _STATUSES[status], at)
        for one, status, at in zip(candidates, answer["statuses"], places, strict=True)
    ]


def _outcome(candidate: Candidate, status: Status, at: tuple[Place, ...]) -> Outcome:
    error = None
    if status is Status.REJECTED:
        error = ConflictError(
            "An event with this source and id was accepted before with other content: give a correction its own id."
        )
    return Outcome(candidate.source, candidate.id, status, at, error)
