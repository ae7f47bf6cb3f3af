"""Runs of a stage, transitions between stages, and days counted in the company's calendar."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pipeline.domain.stages import days_between, entered_before, entries, midnight, transitions
from shared.kernel.journal import known
from shared.kernel.period import Calendar
from shared.sales.deal import closing, deal_life
from shared.sales.references import View
from tests.unit.pipeline.stories import Story, company, law, references, stories

CLOCK_CHANGES = ("UTC", "Asia/Shanghai", "America/Sao_Paulo", "America/Santiago", "Asia/Beirut", "Europe/Lisbon")
FIRST, LAST = datetime.fromisoformat("2000-01-01"), datetime.fromisoformat("2035-12-31")
calendars = st.sampled_from(CLOCK_CHANGES).map(lambda zone: Calendar(ZoneInfo(zone)))
days = st.dates(date(2000, 1, 1), date(2035, 12, 31))
moments = st.datetimes(FIRST, LAST, timezones=st.just(UTC))


@law
@given(calendars, days)
def test_a_day_begins_at_its_midnight(calendar: Calendar, day: date) -> None:
    """Also where the clock jumps over midnight."""
    begins = midnight(calendar, day)
    assert calendar.day(begins) == day
    assert calendar.day(begins - timedelta(microseconds=1)) == day - timedelta(days=1)


@law
@given(calendars, moments, moments, st.integers(0, 400))
def test_longer_than_counts_whole_business_days(calendar: Calendar, entered: datetime, at: datetime, days: int) -> None:
    before = entered_before(calendar, at, days)
    assert before is not None
    assert (entered < before) == (days_between(calendar, entered, at) > days)


def test_nobody_is_in_a_stage_for_longer_than_the_calendar_reaches() -> None:
    assert entered_before(company().calendar, datetime(2026, 1, 1, tzinfo=UTC), 999_999) is None


@law
@given(stories())
def test_a_win_or_loss_was_entered_where_it_closed(story: Story) -> None:
    """The same day as everybody else counts it for."""
    view = View(references(story.references), date.max)
    assertions = known(story.journal, date.max)
    life = deal_life(assertions, view, company())
    closed = closing(life)
    if closed is not None:
        assert entries(assertions, life)[-1].at == closed.since


@law
@given(stories())
def test_transitions_lead_from_one_stage_to_another(story: Story) -> None:
    view = View(references(story.references), date.max)
    assertions = known(story.journal, date.max)
    life = deal_life(assertions, view, company())
    found = transitions(assertions, life, view)
    assert found[0].came_from is None
    assert [one.entry for one in found] == sorted({one.entry for one in found})
    assert (found[-1].pipeline, found[-1].stage) == (life[-1].pipeline, life[-1].stage) or found[-1].outcome != "open"
    for one, following in pairwise(found):
        assert following.came_from == (None if one.outcome == "ended" else one.stage)
        assert (one.outcome, one.pipeline, one.stage) != (following.outcome, following.pipeline, following.stage)


@pytest.mark.parametrize("zone", CLOCK_CHANGES)
def test_the_same_instant_is_no_day_away(zone: str) -> None:
    at = datetime(2026, 6, 1, 12, tzinfo=UTC)
    assert days_between(Calendar(ZoneInfo(zone)), at, at) == 0
