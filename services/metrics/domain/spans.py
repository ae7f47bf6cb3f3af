"""The stretches of business days that a question's rows stand for, and those that they are compared with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Self

from shared.kernel.errors import Fault, InvalidInputError
from shared.kernel.period import Calendar, Grain, Period

FIRST_DAY = date(1900, 1, 1)
LAST_DAY = date(2199, 12, 31)
"""No accepted event has a date outside these days."""

_DAY = timedelta(days=1)


class Compare(StrEnum):
    """What each row is set beside."""

    PREVIOUS = "previous"
    PREVIOUS_YEAR = "previous-year"


@dataclass(frozen=True, slots=True)
class Span:
    """Business days from `start` to `end`, both inclusive; None is open: all history on that side."""

    start: date | None
    end: date | None
    name: str

    @property
    def last(self) -> date:
        """The last day, as a date in any case."""
        return LAST_DAY if self.end is None else self.end

    @property
    def key(self) -> tuple[date, date]:
        """Two spans with the same days are the same."""
        return self.start or FIRST_DAY, self.last


@dataclass(frozen=True, slots=True)
class Edges:
    """Where spans that follow one another begin and end, so that days can be counted into them."""

    thresholds: tuple[date, ...]
    """Sorted; a day's bucket is the number of thresholds at or before it."""
    place_of: Mapping[int, int]
    """Bucket → index of the span. Days between two spans are in a bucket of no span."""

    @classmethod
    def of(cls, spans: Sequence[Span]) -> Self:
        """The spans are in order and do not overlap."""
        starts = [span.start or date.min for span in spans]
        stops = [span.end + _DAY for span in spans if span.end is not None]
        thresholds = sorted({*starts, *stops})
        bucket_of = {edge: place + 1 for place, edge in enumerate(thresholds)}
        return cls(tuple(thresholds), {bucket_of[start]: place for place, start in enumerate(starts)})


def whole(start: date | None, end: date | None) -> Span:
    """One span for the whole range, named as an ISO 8601-2 interval: `..` is an open end."""
    name = f"{start.isoformat() if start else '..'}/{end.isoformat() if end else '..'}"
    return Span(start, end, "all" if start is None and end is None else name)


def cut(calendar: Calendar, period: Period, grain: Grain) -> list[Span]:
    """The periods of this grain, the first and the last cut to the range but called by their whole name."""
    return [
        Span(one.start, one.end, calendar.name_of(calendar.start_of(one.start, grain), grain))
        for one in calendar.periods(period, grain)
    ]


def count(calendar: Calendar, period: Period, grain: Grain) -> int:
    """At most how many rows `cut` makes, without making them."""
    shortest = {Grain.DAY: 1, Grain.WEEK: 7, Grain.MONTH: 28, Grain.QUARTER: 90, Grain.FISCAL_YEAR: 365}
    return (period.end - calendar.start_of(period.start, grain)).days // shortest[grain] + 1


def compared(calendar: Calendar, spans: Sequence[Span], grain: Grain | None, with_: Compare) -> list[Span]:
    """For each span the one that it is set beside.

    A whole month is compared with a whole month; a month so far with the same days of the other one.
    """
    return [_beside(calendar, span, grain, with_) for span in spans]


def _beside(calendar: Calendar, span: Span, grain: Grain | None, with_: Compare) -> Span:
    if span.start is None or span.end is None:
        raise InvalidInputError(
            "All of history has nothing before it to be compared with.",
            faults=[Fault("compare", "needs `from` and `to`, or a grain")],
        )
    if grain is None:
        before = Period(span.start, span.end).before()
        if with_ is Compare.PREVIOUS_YEAR:
            return whole(_year_before(span.start), _year_before(span.end))
        return whole(before.start, before.end)
    start = calendar.start_of(span.start, grain)
    end = calendar.next_start(start, grain) - _DAY
    other = _other(calendar, start, grain, with_)
    other_end = calendar.next_start(other, grain) - _DAY
    first = min(other + (span.start - start), other_end)
    last = other_end if span.end == end else min(other + (span.end - start), other_end)
    return Span(first, max(first, last), calendar.name_of(other, grain))


def _other(calendar: Calendar, start: date, grain: Grain, with_: Compare) -> date:
    """The first day of the period to compare with one that starts on `start`."""
    if with_ is Compare.PREVIOUS:
        return calendar.start_of(start - _DAY, grain)
    if grain is Grain.WEEK:
        return start - timedelta(weeks=52)
    return _year_before(start)


def _year_before(day: date) -> date:
    leap_day = (day.month, day.day) == (2, 29)
    return day.replace(year=day.year - 1, day=28 if leap_day else day.day)
