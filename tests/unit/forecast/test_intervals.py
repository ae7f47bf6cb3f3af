"""Intervals out of past errors: their shape, and in simulation how often they hold."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from services.forecast.domain.quantiles import INTERVALS, LEVELS
from services.forecast.models.candidates import Values
from services.forecast.models.intervals import CONFORMAL_FROM, offsets

MIDDLE = len(LEVELS) // 2
errors = st.integers(3, 60).flatmap(
    lambda origins: arrays(np.float64, (origins, 4), elements=st.floats(-1e6, 1e6, allow_subnormal=False))
)


def as_seen(full: Values) -> Values:
    """The last origins have not met their far leads yet."""
    rows, leads = np.indices(full.shape)
    return np.where(rows + leads < len(full), full, np.nan)


@given(errors)
def test_quantiles_never_cross(full: Values) -> None:
    assert (np.diff(offsets(as_seen(full)), axis=1) >= 0).all()


@given(errors, st.sampled_from([0.5, 2.0, 1024.0]))
def test_intervals_scale_with_the_errors(full: Values, factor: float) -> None:
    assert offsets(as_seen(factor * full)) == pytest.approx(factor * offsets(as_seen(full)), rel=1e-9)


@given(errors)
def test_while_errors_are_few_intervals_are_even_and_never_narrow_with_the_lead(full: Values) -> None:
    found = offsets(as_seen(full[: CONFORMAL_FROM - 1]))
    assert found == pytest.approx(-found[:, ::-1])
    assert (np.diff(found[:, -1]) >= -1e-9 * np.abs(found[1:, -1])).all()


def test_a_lead_never_seen_grows_with_the_root_of_the_lead() -> None:
    seen = np.full((3, 8), np.nan)
    seen[:, 0], seen[:2, 1] = (1, -1, 1), (2, -2)
    widths = offsets(seen)[:, -1]
    assert widths[7] == pytest.approx(2 * widths[1])


def test_many_errors_give_their_own_order_statistics() -> None:
    """Of 99 errors 1…99 the 5 % tails are the 5th and the 95th; a skewed model keeps its skew."""
    found = offsets(np.arange(1.0, 100.0)[::-1, None])
    assert found.tolist() == [[5, 10, 25, 50, 75, 90, 95]]


def hits(origins: int, *, draws: int) -> Iterator[tuple[Values, float]]:
    """Offsets out of that many independent skewed errors, and the next error."""
    draw = np.random.default_rng(20)
    for _ in range(draws):
        sample = draw.gumbel(0, 1, origins + 1) - np.euler_gamma
        yield offsets(sample[:-1, None])[0], sample[-1]


@pytest.mark.parametrize("origins", [6, 12, 38, CONFORMAL_FROM, 80])
def test_independent_errors_are_held_as_often_as_promised(origins: int) -> None:
    """Over 2,000 draws a share moves by at most 3.7 points (99.9 %). Few errors may be held too often, never too
    rarely."""
    draws = 2_000
    found = list(hits(origins, draws=draws))
    for nominal, (low, high) in INTERVALS.items():
        held = sum(offset[low] <= error <= offset[high] for offset, error in found) / draws
        assert held > float(nominal) - 0.037
        if origins >= CONFORMAL_FROM:
            assert held < float(nominal) + 2 / (origins + 1) + 0.037
