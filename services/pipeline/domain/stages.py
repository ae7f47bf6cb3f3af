"""A deal's way through its stages: runs of one stage, how each was entered, and the transitions between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import NamedTuple

from shared.kernel.journal import Assertion
from shared.kernel.money import Money
from shared.kernel.period import Calendar
from shared.sales.deal import DealState, deal_value
from shared.sales.references import View


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


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of stage. `came_from` is None for a deal's first stage and for one that is back after its end."""

    entry: Entry
    came_from: str | None
    pipeline: str
    stage: str
    outcome: Outcome
    amount: Money | None
    """What the deal was worth then."""
    estimated: bool


def outcome_of(state: DealState) -> Outcome:
    """The outcome of one state."""
    if not state.alive:
        return Outcome.ENDED
    if state.is_won:
        return Outcome.WON
    return Outcome.LOST if state.is_lost else Outcome.OPEN


def entries(assertions: Sequence[Assertion], life: Sequence[DealState]) -> list[Entry]:
    """For each state the entry into the run of one stage to which it belongs; states and assertions pair up."""
    entered: list[Entry] = []
    before: tuple[object, ...] | None = None
    for one, state in zip(assertions, life, strict=True):
        run = _run(state)
        if run == before:
            entered.append(entered[-1])
        else:
            entered.append(Entry(*one.stamp, one.known_on))
        before = run
    return entered


def _run(state: DealState) -> tuple[object, ...]:
    """States in a row that agree on this are one run: a win stays one win when its pipeline is renamed."""
    outcome = outcome_of(state)
    return (outcome, state.pipeline, state.stage) if outcome is Outcome.OPEN else (outcome,)


def transitions(assertions: Sequence[Assertion], life: Sequence[DealState], view: View) -> list[Transition]:
    """Every change of stage, oldest first, those included that lasted no time."""
    found: list[Transition] = []
    last: Entry | None = None
    came_from: str | None = None
    for entry, state in zip(entries(assertions, life), life, strict=True):
        if entry != last:
            value = deal_value(state, view)
            outcome = outcome_of(state)
            found.append(
                Transition(entry, came_from, state.pipeline, state.stage, outcome, value.amount, value.estimated)
            )
            came_from = None if outcome is Outcome.ENDED else state.stage
        last = entry
    return found


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
