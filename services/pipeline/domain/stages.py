"""A deal's way through its stages: runs of one stage, and how each was entered."""

from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import NamedTuple

from shared.kernel.period import Calendar
from shared.sales.deal import DealState

Run = tuple[str, ...]


class Outcome(StrEnum):
    """Where a deal stands. An unmapped stage is open: nobody said that the deal is closed."""

    OPEN = "open"
    WON = "won"
    LOST = "lost"
    ENDED = "ended"
    """Deleted or void in its source: in no list, no funnel and no total unless asked for."""


class Entry(NamedTuple):
    """How a deal came into the stage where it is: the event that began the run, and when that was learned."""

    at: datetime
    sequence: int
    source: str
    event_id: str
    known_on: date


def outcome_of(state: DealState) -> Outcome:
    """The outcome of one state."""
    if not state.alive:
        return Outcome.ENDED
    if state.is_won:
        return Outcome.WON
    return Outcome.LOST if state.is_lost else Outcome.OPEN


def run_of(state: DealState) -> Run:
    """States in a row that agree on this are one run: a win stays one win when its pipeline is renamed."""
    outcome = outcome_of(state)
    return (outcome, state.pipeline, state.stage) if outcome is Outcome.OPEN else (outcome,)


def midnight(calendar: Calendar, day: date) -> datetime:
    """The instant at which a business date begins, UTC; also where a clock change leaves that day no midnight."""
    return datetime.combine(day, time.min, tzinfo=calendar.zone).astimezone(UTC)


def entered_before(calendar: Calendar, at: datetime, days: int) -> datetime | None:
    """Who entered a stage before this instant is in it, at `at`, for more than `days` whole business days.

    None if nobody can be: the calendar does not reach so far back.
    """
    try:
        return midnight(calendar, calendar.day(at) - timedelta(days=days))
    except OverflowError:
        return None


def days_between(calendar: Calendar, start: datetime, end: datetime) -> int:
    """Whole business days from one instant to another."""
    return (calendar.day(end) - calendar.day(start)).days
