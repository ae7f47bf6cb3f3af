"""The calendar: every day lies in exactly one period of each grain, whatever the fiscal year and the time zone."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import cast
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kernel.errors import InvalidInputError
from shared.kernel.period import Calendar, Grain, Period

ZONES = ("UTC", "Asia/Shanghai", "America/New_York", "Pacific/Kiritimati", "Pacific/Pago_Pago")
days = st.dates(date(1900, 1, 1), date(2199, 12, 31))
grains = st.sampled_from(Grain)
calendars = st.builds(lambda name, month: Calendar(ZoneInfo(name), month), st.sampled_from(ZONES), st.integers(1, 12))


@st.composite
def spans(draw: st.DrawFn, longest: int = 900) -> Period:
    start = draw(days)
    return Period(start, start + timedelta(days=draw(st.integers(0, longest))))


@given(calendars, grains, spans())
def test_every_day_is_in_exactly_one_period(calendar: Calendar, grain: Grain, span: Period) -> None:
    periods = list(calendar.periods(span, grain))
    covered = [one.start + timedelta(days=n) for one in periods for n in range(one.days)]
    assert covered == [span.start + timedelta(days=n) for n in range(span.days)]
    for one in periods:
        assert {calendar.start_of(day, grain) for day in (one.start, one.end)} == {calendar.start_of(one.start, grain)}


@given(calendars, grains, days)
def test_a_period_starts_where_the_one_before_ends(calendar: Calendar, grain: Grain, day: date) -> None:
    start = calendar.start_of(day, grain)
    following = calendar.next_start(start, grain)
    assert start <= day < following
    assert calendar.start_of(start, grain) == start
    assert calendar.start_of(following - timedelta(days=1), grain) == start
    assert calendar.start_of(following, grain) == following


@given(calendars, grains, days)
def test_no_two_periods_have_one_name(calendar: Calendar, grain: Grain, day: date) -> None:
    start = calendar.start_of(day, grain)
    assert calendar.name_of(start, grain) != calendar.name_of(calendar.next_start(start, grain), grain)


@given(calendars, days)
def test_a_fiscal_year_has_four_quarters_and_twelve_months(calendar: Calendar, day: date) -> None:
    start = calendar.start_of(day, Grain.FISCAL_YEAR)
    year = Period(start, calendar.next_start(start, Grain.FISCAL_YEAR) - timedelta(days=1))
    assert (start.month, start.day) == (calendar.fiscal_year_start_month, 1)
    quarters = [calendar.name_of(one.start, Grain.QUARTER) for one in calendar.periods(year, Grain.QUARTER)]
    name = calendar.name_of(start, Grain.FISCAL_YEAR).removeprefix("FY")
    assert quarters == [f"{name}-Q{n}" for n in range(1, 5)]
    assert name == str(year.end.year)
    assert len(list(calendar.periods(year, Grain.MONTH))) == 12


@given(calendars, days)
def test_weeks_are_iso_weeks(calendar: Calendar, day: date) -> None:
    start = calendar.start_of(day, Grain.WEEK)
    year, week, _ = day.isocalendar()
    assert start.isoweekday() == 1
    assert calendar.name_of(start, Grain.WEEK) == f"{year}-W{week:02}"


@pytest.mark.parametrize(
    ("grain", "name"),
    [
        ("day", "2026-11-22"),
        ("week", "2026-W47"),
        ("month", "2026-11"),
        ("quarter", "2027-Q3"),
        ("fiscal-year", "FY2027"),
    ],
)
def test_people_know_the_names(grain: str, name: str) -> None:
    calendar = Calendar(ZoneInfo("UTC"), 4)
    assert calendar.name_of(calendar.start_of(date(2026, 11, 22), Grain(grain)), Grain(grain)) == name


@given(spans())
def test_the_period_before_is_as_long_and_touches(span: Period) -> None:
    before = span.before()
    assert (before.days, before.end) == (span.days, span.start - timedelta(days=1))


@given(days, st.integers(1, 1000))
def test_a_range_that_ends_before_it_starts_is_refused(start: date, back: int) -> None:
    with pytest.raises(InvalidInputError, match="swap the two"):
        Period(start, start - timedelta(days=back))


@given(calendars, st.datetimes(datetime(1950, 1, 1), datetime(2150, 1, 1)), st.integers(-23, 23))  # noqa: DTZ001
def test_an_instant_has_one_business_date_in_whatever_offset_it_is_written(
    calendar: Calendar, wall: datetime, hours: int
) -> None:
    instant = wall.replace(tzinfo=UTC)
    elsewhere = instant.astimezone(timezone(timedelta(hours=hours)))
    assert calendar.day(instant) == calendar.day(elsewhere) == instant.astimezone(calendar.zone).date()


def test_business_dates_are_cut_in_the_company_zone_also_when_clocks_change() -> None:
    new_york = Calendar(ZoneInfo("America/New_York"))
    assert new_york.day(datetime(2026, 3, 8, 4, 59, tzinfo=UTC)) == date(2026, 3, 7)
    assert new_york.day(datetime(2026, 3, 9, 3, 59, tzinfo=UTC)) == date(2026, 3, 8)
    assert new_york.day(datetime(2026, 3, 9, 4, 0, tzinfo=UTC)) == date(2026, 3, 9)


def test_a_grain_that_does_not_exist_is_a_mistake_in_code() -> None:
    calendar, decade = Calendar(ZoneInfo("UTC")), cast("Grain", "decade")
    for ask in (calendar.start_of, calendar.next_start, calendar.name_of):
        with pytest.raises(AssertionError):
            ask(date(2026, 3, 1), decade)
