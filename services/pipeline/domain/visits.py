"""A deal's way told from its slices: each visit to a stage, and how long the deal was in each of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.pipeline.domain.facts import Facts, entry_of
from services.pipeline.domain.slices import Slice
from services.pipeline.domain.stages import Entry, Outcome, days_between
from shared.kernel.period import Calendar


@dataclass(slots=True)
class Visit:
    """One run of one stage. Never changed; not frozen, for that makes it slow to make."""

    entry: Entry
    came_from: str | None
    """The stage before; None for the first one and after an end."""
    facts: Facts
    """As they were when the stage was entered."""
    left_at: datetime | None
    """None while the deal is still there."""


@dataclass(frozen=True, slots=True)
class TimeInStage:
    """All visits to one open stage together."""

    pipeline: str
    stage: str
    time: timedelta
    days: int
    """Whole business days."""


def slice_at(slices: Iterable[Slice], at: datetime) -> Slice | None:
    """What was true at an instant; None before the deal was there."""
    return next((one for one in slices if one.start <= at and (one.end is None or at < one.end)), None)


def visits(slices: Iterable[Slice], until: datetime | None = None) -> list[Visit]:
    """Every visit, or those that had begun by an instant, oldest first; `slices` are those of one deal as known on one
    day."""
    first: dict[Entry, Slice] = {}
    for one in sorted(slices, key=lambda one: one.start):
        if until is None or one.start <= until:
            first.setdefault(entry_of(one.facts), one)
    entries = sorted(first)
    made: list[Visit] = []
    came_from: str | None = None
    for index, entry in enumerate(entries):
        facts = first[entry].facts
        left_at = entries[index + 1].at if index + 1 < len(entries) else None
        made.append(Visit(entry, came_from, facts, left_at))
        came_from = None if facts.outcome == Outcome.ENDED else facts.stage
    return made


def time_in_stages(made: Sequence[Visit], until: datetime, calendar: Calendar) -> list[TimeInStage]:
    """How long a deal was in each open stage up to an instant, in the order in which it first came there."""
    totals: dict[tuple[str, str], tuple[timedelta, int]] = {}
    for visit in made:
        if visit.facts.outcome != Outcome.OPEN:
            continue
        place = visit.facts.pipeline, visit.facts.stage
        time, days = totals.get(place, (timedelta(), 0))
        end = visit.left_at or until
        totals[place] = (
            time + (end - visit.entry.at),
            days + days_between(calendar, visit.entry.at, end),
        )
    return [TimeInStage(pipeline, stage, time, days) for (pipeline, stage), (time, days) in totals.items()]
