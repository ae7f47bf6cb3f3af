from bisect import bisect_right
from datetime import date, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.domain.spans import Compare, Edges, Span, compared, count, cut, whole
from shared.kernel.errors import InvalidInputError
from shared.kernel.period import Calendar, Grain, Period

UTC = Calendar(ZoneInfo("UTC"))
DAYS = st.dates(date(1990, 1, 1), date(2100, 12, 31))
GRAINS = st.sampled_from(Grain)
CALENDARS = st.integers(1, 12).map(lambda month: Calendar(ZoneInfo("UTC"), month))


@st.composite
def periods(draw: st.DrawFn) -> Period:
    start = draw(DAYS)
    return Period(start, start + timedelta(days=draw(st.integers(0, 900))))


def test_a_range_is_called_by_its_days() -> None:
    assert whole(None, None).name == "all"
    assert whole(date(2026, 1, 1), None).name == "2026-01-01/.."
    assert whole(None, date(2026, 1, 1)).name == "../2026-01-01"


def test_a_cut_month_keeps_its_name() -> None:
    spans = cut(UTC, Period(date(2026, 1, 20), date(2026, 3, 5)), Grain.MONTH)
    assert spans == [
        Span(date(2026, 1, 20), date(2026, 1, 31), "2026-01"),
        Span(date(2026, 2, 1), date(2026, 2, 28), "2026-02"),
        Span(date(2026, 3, 1), date(2026, 3, 5), "2026-03"),
    ]


@given(CALENDARS, periods(), GRAINS)
def test_there_are_never_more_spans_than_were_counted(calendar: Calendar, period: Period, grain: Grain) -> None:
    assert len(cut(calendar, period, grain)) <= count(calendar, period, grain)


@given(CALENDARS, periods(), GRAINS)
def test_every_day_is_in_the_bucket_of_its_span(calendar: Calendar, period: Period, grain: Grain) -> None:
    spans = cut(calendar, period, grain)
    edges = Edges.of(spans)
    assert list(edges.thresholds) == sorted(edges.thresholds)
    for place, span in enumerate(spans):
        assert span.start is not None
        for day in (span.start, span.last):
            assert edges.place_of[bisect_right(edges.thresholds, day)] == place
    assert bisect_right(edges.thresholds, spans[-1].last + timedelta(days=1)) not in edges.place_of


@pytest.mark.parametrize(
    ("grain", "span", "with_", "other"),
    [
        (Grain.MONTH, ("2026-03-01", "2026-03-31"), "previous", ("2026-02-01", "2026-02-28")),
        (Grain.MONTH, ("2026-02-01", "2026-02-28"), "previous", ("2026-01-01", "2026-01-31")),
        (Grain.MONTH, ("2026-11-01", "2026-11-22"), "previous", ("2026-10-01", "2026-10-22")),
        (Grain.MONTH, ("2026-03-01", "2026-03-30"), "previous", ("2026-02-01", "2026-02-28")),
        (Grain.MONTH, ("2024-02-01", "2024-02-29"), "previous-year", ("2023-02-01", "2023-02-28")),
        (Grain.WEEK, ("2026-11-16", "2026-11-22"), "previous", ("2026-11-09", "2026-11-15")),
        (Grain.WEEK, ("2026-11-16", "2026-11-22"), "previous-year", ("2025-11-17", "2025-11-23")),
        (Grain.QUARTER, ("2026-04-01", "2026-06-30"), "previous", ("2026-01-01", "2026-03-31")),
        (Grain.FISCAL_YEAR, ("2026-01-01", "2026-12-31"), "previous-year", ("2025-01-01", "2025-12-31")),
        (Grain.DAY, ("2024-02-29", "2024-02-29"), "previous-year", ("2023-02-28", "2023-02-28")),
        (None, ("2026-11-11", "2026-11-20"), "previous", ("2026-11-01", "2026-11-10")),
        (None, ("2026-11-11", "2026-11-20"), "previous-year", ("2025-11-11", "2025-11-20")),
    ],
)
def test_like_is_compared_with_like(
    grain: Grain | None, span: tuple[str, str], with_: str, other: tuple[str, str]
) -> None:
    start, end = map(date.fromisoformat, span)
    (found,) = compared(UTC, [Span(start, end, "")], grain, Compare(with_))
    assert (found.start, found.end) == tuple(map(date.fromisoformat, other))


@given(CALENDARS, periods(), GRAINS, st.sampled_from(Compare))
def test_what_is_compared_lies_before_and_follows_one_another(
    calendar: Calendar, period: Period, grain: Grain, with_: Compare
) -> None:
    spans = cut(calendar, period, grain)
    others = compared(calendar, spans, grain, with_)
    for span, other in zip(spans, others, strict=True):
        assert span.start is not None
        assert other.start is not None
        assert other.start <= other.last < span.last
        assert calendar.start_of(other.start, grain) == calendar.start_of(other.last, grain)
    keys = sorted({other.key for other in others})
    assert all(before[1] < after[0] for before, after in pairwise(keys))


def test_all_history_has_nothing_before_it() -> None:
    with pytest.raises(InvalidInputError):
        compared(UTC, [whole(None, date(2026, 1, 1))], None, Compare.PREVIOUS)
