from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.domain.attainment import Band, attain, elapsed_share
from services.metrics.domain.kpis.declaration import Better
from shared.kernel.period import Period

DAYS = st.dates(date(2020, 1, 1), date(2030, 12, 31))
POSITIVE = st.decimals("0.01", 10**9, places=2)


@given(DAYS, st.integers(0, 400), st.integers(-10, 420))
def test_working_days_are_counted_one_by_one(start: date, length: int, passed: int) -> None:
    period = Period(start, start + timedelta(days=length))
    today = start + timedelta(days=passed)
    days = [start + timedelta(days=place) for place in range(period.days)]
    working = [day for day in days if day.weekday() < 5] or days
    assert elapsed_share(period, today) == Fraction(sum(day <= today for day in working), len(working))


@pytest.mark.parametrize(
    ("actual", "band"),
    [
        ("100", Band.EXCELLENT),
        ("130", Band.EXCELLENT),
        ("99.99", Band.WATCH),
        ("70", Band.WATCH),
        ("69.99", Band.CORRECT),
    ],
)
def test_bands_of_what_should_grow(actual: str, band: Band) -> None:
    assert attain(Decimal(100), Decimal(actual), Better.UP, Fraction(1), flow=True).band is band


@pytest.mark.parametrize(
    ("actual", "attainment", "band"),
    [("50", "1.000000", Band.EXCELLENT), ("40", "1.250000", Band.EXCELLENT), ("60", "0.833333", Band.WATCH),
     ("80", "0.625000", Band.CORRECT)],
)  # fmt: skip
def test_bands_of_what_should_be_small(actual: str, attainment: str, band: Band) -> None:
    found = attain(Decimal(50), Decimal(actual), Better.DOWN, Fraction(1), flow=False)
    assert (found.attainment, found.band) == (Decimal(attainment), band)


def test_pace_sets_the_actual_against_what_is_due_by_now() -> None:
    found = attain(Decimal(1000), Decimal(300), Better.UP, Fraction(1, 4), flow=True)
    assert (found.attainment, found.band) == (Decimal("0.300000"), Band.CORRECT)
    assert (found.pace, found.pace_band) == (Decimal("1.200000"), Band.EXCELLENT)
    assert found.landing == Decimal("1200.000000")
    assert found.share == Decimal("0.250000")


def test_a_ratio_is_due_in_full_at_any_time() -> None:
    found = attain(Decimal("0.5"), Decimal("0.4"), Better.UP, Fraction(1, 4), flow=False)
    assert found.pace == found.attainment == Decimal("0.800000")
    assert found.landing == Decimal("0.400000")


def test_before_the_period_nothing_is_due() -> None:
    found = attain(Decimal(10), Decimal(0), Better.UP, Fraction(0), flow=True)
    assert (found.pace, found.pace_band, found.landing) == (None, None, None)


def test_a_target_that_is_not_above_zero_gives_no_ratio() -> None:
    for target in (Decimal(0), Decimal(-5)):
        found = attain(target, Decimal(3), Better.UP, Fraction(1), flow=True)
        assert (found.attainment, found.band, found.pace) == (None, None, None)


def test_no_actual_is_no_attainment() -> None:
    found = attain(Decimal(10), None, Better.UP, Fraction(1), flow=True)
    assert (found.attainment, found.band, found.landing) == (None, None, None)


def test_none_at_all_of_what_should_be_little_is_excellent() -> None:
    found = attain(Decimal(10), Decimal(0), Better.DOWN, Fraction(1), flow=True)
    assert (found.attainment, found.band) == (None, Band.EXCELLENT)


@given(POSITIVE, POSITIVE, st.fractions(Fraction(1, 100), 1))
def test_who_lands_on_the_target_is_on_pace(target: Decimal, actual: Decimal, share: Fraction) -> None:
    found = attain(target, actual, Better.UP, share, flow=True)
    on_pace = Fraction(actual) / share >= Fraction(target)
    assert (found.pace_band is Band.EXCELLENT) == on_pace
