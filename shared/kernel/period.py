"""Business dates, the company's calendar, and the periods that numbers are told for."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import assert_never
from zoneinfo import ZoneInfo

from shared.kernel.errors import InvalidInputError

ALWAYS = date.min
"""The business date from which a value holds that has no date of its own."""


class Grain(StrEnum):
    """The lengths that a period may have."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    FISCAL_YEAR = "fiscal-year"


@dataclass(frozen=True, slots=True)
class Period:
    """Business days from `start` to `end`, both inclusive."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise InvalidInputError(f"the range ends on {self.end}, before it starts on {self.start}: swap the two")

    @property
    def days(self) -> int:
        return (self.end - self.start).days + 1

    def before(self) -> "Period":
        """The period of equal length that ends the day before this one starts."""
        return Period(self.start - timedelta(days=self.days), self.start - timedelta(days=1))


@dataclass(frozen=True, slots=True)
class Calendar:
    """The company's time zone and fiscal year. Weeks are ISO weeks: they start on Monday."""

    zone: ZoneInfo
    fiscal_year_start_month: int = 1

    def day(self, instant: datetime) -> date:
        """The business date of an aware instant."""
        return instant.astimezone(self.zone).date()

    def start_of(self, day: date, grain: Grain) -> date:
        """The first day of the period of this grain that holds `day`."""
        match grain:
            case Grain.DAY:
                return day
            case Grain.WEEK:
                return day - timedelta(days=day.weekday())
            case Grain.MONTH:
                return day.replace(day=1)
            case Grain.QUARTER | Grain.FISCAL_YEAR:
                length = 3 if grain is Grain.QUARTER else 12
                return _month(day, -((day.month - self.fiscal_year_start_month) % length))
            case _:
                assert_never(grain)

    def next_start(self, start: date, grain: Grain) -> date:
        """The first day after the period of this grain that starts on `start`."""
        match grain:
            case Grain.DAY:
                return start + timedelta(days=1)
            case Grain.WEEK:
                return start + timedelta(days=7)
            case Grain.MONTH:
                return _month(start, 1)
            case Grain.QUARTER:
                return _month(start, 3)
            case Grain.FISCAL_YEAR:
                return _month(start, 12)
            case _:
                assert_never(grain)

    def periods(self, span: Period, grain: Grain) -> Iterator[Period]:
        """The periods of this grain that touch `span`, the first and the last cut to it."""
        start = self.start_of(span.start, grain)
        while start <= span.end:
            following = self.next_start(start, grain)
            yield Period(max(start, span.start), min(following - timedelta(days=1), span.end))
            start = following

    def name_of(self, start: date, grain: Grain) -> str:
        """How people call the period that starts on `start`: 2026-11-22, 2026-W47, 2026-11, 2026-Q4, FY2026.

        A fiscal year is named after the calendar year in which it ends; its quarters are counted from its start.
        """
        match grain:
            case Grain.DAY:
                return start.isoformat()
            case Grain.WEEK:
                year, week, _ = start.isocalendar()
                return f"{year}-W{week:02d}"
            case Grain.MONTH:
                return f"{start:%Y-%m}"
            case Grain.QUARTER:
                quarter = (start.month - self.fiscal_year_start_month) % 12 // 3 + 1
                return f"{self._fiscal_year(start)}-Q{quarter}"
            case Grain.FISCAL_YEAR:
                return f"FY{self._fiscal_year(start)}"
            case _:
                assert_never(grain)

    def _fiscal_year(self, day: date) -> int:
        return day.year + (self.fiscal_year_start_month > 1 and day.month >= self.fiscal_year_start_month)


def _month(day: date, offset: int) -> date:
    """The first day of the month `offset` months away."""
    months = day.year * 12 + day.month - 1 + offset
    return date(months // 12, months % 12 + 1, 1)
