"""Shares with exact limits, counted coverage, the PIT histogram, and the special functions under them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]

from services.forecast.domain.coverage import PIT_SHARES, clopper_pearson, empirical_coverage, pit_histogram
from services.forecast.domain.quantiles import INTERVALS, LEVELS, Quantiles
from services.forecast.domain.special import beta_cdf, beta_quantile, student_quantile, student_two_sided
from shared.kernel.errors import InvalidInputError

sizes = st.floats(0.2, 3_000)
shares = st.floats(1e-6, 1 - 1e-6)


@given(shares, sizes, sizes)
def test_beta_against_scipy(x: float, a: float, b: float) -> None:
    assert beta_cdf(x, a, b) == pytest.approx(stats.beta.cdf(x, a, b), rel=1e-8, abs=1e-10)


@given(st.floats(0.01, 0.99), st.floats(1, 2_000), st.floats(1, 2_000))
def test_beta_quantile_against_scipy(share: float, a: float, b: float) -> None:
    assert beta_quantile(share, a, b) == pytest.approx(stats.beta.ppf(share, a, b), rel=1e-8)


@given(st.floats(-30, 30), st.floats(1, 500))
def test_student_tail_against_scipy(t: float, degrees: float) -> None:
    assert student_two_sided(t, degrees) == pytest.approx(2 * stats.t.sf(abs(t), degrees), rel=1e-7, abs=1e-12)


@given(st.sampled_from([0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95]), st.floats(1, 500))
def test_student_quantile_against_scipy(level: float, degrees: float) -> None:
    assert student_quantile(level, degrees) == pytest.approx(stats.t.ppf(level, degrees), rel=1e-8, abs=1e-12)


def test_edges_of_the_beta() -> None:
    assert beta_cdf(0, 2, 3) == 0
    assert beta_cdf(1, 2, 3) == 1


@pytest.mark.parametrize(("hits", "n"), [(0, 1), (1, 1), (0, 20), (20, 20), (240, 300), (1, 1_000)])
def test_clopper_pearson_against_scipy(hits: int, n: int) -> None:
    share = clopper_pearson(hits, n)
    exact = stats.binomtest(hits, n).proportion_ci(confidence_level=0.95, method="exact")
    assert float(share.low) == pytest.approx(exact.low, abs=1e-6)
    assert float(share.high) == pytest.approx(exact.high, abs=1e-6)
    assert share.low <= share.value <= share.high


@pytest.mark.parametrize(("hits", "n"), [(0, 0), (-1, 3), (4, 3)])
def test_no_share_of_nothing(hits: int, n: int) -> None:
    with pytest.raises(InvalidInputError):
        clopper_pearson(hits, n)


SAID = Quantiles(tuple(Decimal(value) for value in (5, 10, 25, 50, 75, 90, 95)))


def test_coverage_counts_the_ends_as_inside() -> None:
    values = [Decimal(value) for value in (4, 5, 10, 25, 50, 75, 90, 95, 96)]
    found = {one.nominal: one.measured.hits for one in empirical_coverage(values, [SAID] * 9)}
    assert found == {Decimal("0.50"): 3, Decimal("0.80"): 5, Decimal("0.90"): 7}
    assert empirical_coverage([], []) == ()


def test_pit_has_a_bin_per_gap() -> None:
    values = [Decimal(value) for value in (0, 5, 6, 20, 30, 60, 80, 92, 99)]
    assert pit_histogram(values, [SAID] * 9) == (2, 1, 1, 1, 1, 1, 1, 1)
    assert sum(PIT_SHARES) == 1
    assert len(PIT_SHARES) == 8


@given(st.lists(st.integers(-100, 200), min_size=1))
def test_coverage_and_pit_tell_the_same_story(numbers: list[int]) -> None:
    values = [Decimal(number) + Decimal("0.5") for number in numbers]
    pit = pit_histogram(values, [SAID] * len(values))
    for one in empirical_coverage(values, [SAID] * len(values)):
        low, high = INTERVALS[one.nominal]
        assert one.measured.hits == sum(pit[low + 1 : high + 1])


def test_quantiles_must_be_seven_and_never_cross() -> None:
    with pytest.raises(InvalidInputError, match="cross"):
        Quantiles((Decimal(2), *[Decimal(1)] * 6))
    with pytest.raises(InvalidInputError, match="7"):
        Quantiles((Decimal(1),))


def test_quantiles_answer_by_level_and_interval() -> None:
    assert [SAID.at(level) for level in LEVELS] == list(SAID.values)
    assert SAID.interval(Decimal("0.8")) == (Decimal(10), Decimal(90))
    assert SAID.median == 50
    with pytest.raises(InvalidInputError, match="kept"):
        SAID.at(Decimal("0.99"))
    with pytest.raises(InvalidInputError, match="interval"):
        SAID.interval(Decimal("0.99"))
