"""Days counted in the company's calendar."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pipeline.domain.stages import days_between, entered_before, midnight
from shared.kernel.period import Calendar
from tests.unit.pipeline.stories import company

CLOCK_CHANGES = ("UTC", "Asia/Shanghai", "America/Sao_Paulo", "America/Santiago", "Asia/Beirut", "Europe/Lisbon")
FIRST, LAST = datetime.fromisoformat("2000-01-01"), datetime.fromisoformat("2035-12-31")
calendars = st.sampled_from(CLOCK_CHANGES).map(lambda zone: Calendar(ZoneInfo(zone)))
days = st.dates(date(2000, 1, 1), date(2035, 12, 31))
moments = st.datetimes(FIRST, LAST, timezones=st.just(UTC))


@given(calendars, days)
def test_a_day_begins_at_its_midnight(calendar: Calendar, day: date) -> None:
    """Also where the clock jumps over midnight."""
    begins = midnight(calendar, day)
    assert calendar.day(begins) == day
    assert calendar.day(begins - timedelta(microseconds=1)) == day - timedelta(days=1)


@given(calendars, moments, moments, st.integers(0, 400))
def test_longer_than_counts_whole_business_days(calendar: Calendar, entered: datetime, at: datetime, days: int) -> None:
    before = entered_before(calendar, at, days)
    assert before is not None
    assert (entered < before) == (days_between(calendar, entered, at) > days)


def test_nobody_is_in_a_stage_for_longer_than_the_calendar_reaches() -> None:
    assert entered_before(company().calendar, datetime(2026, 1, 1, tzinfo=UTC), 999_999) is None


@pytest.mark.parametrize("zone", CLOCK_CHANGES)
def test_the_same_instant_is_no_day_away(zone: str) -> None:
    at = datetime(2026, 6, 1, 12, tzinfo=UTC)
    assert days_between(Calendar(ZoneInfo(zone)), at, at) == 0
