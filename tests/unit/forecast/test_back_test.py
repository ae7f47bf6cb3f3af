"""The rolling-origin back-test, the choice it leads to, and that neither ever looks ahead."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.forecast.models.backtesting import LEAST_ORIGINS, Race, back_test, course, known_at
from services.forecast.models.candidates import COMBINATION, SEASONAL, Candidate, Values, naive
from services.forecast.models.selection import MARGIN, chosen
from tests.unit.forecast.series import seasonal

SIMPLE = SEASONAL[:3]
NO_FLOOR = -np.inf


def race(cutoffs: range, *, season: int = 4, horizon: int = 3) -> Race:
    return Race(SIMPLE, season, tuple(cutoffs), horizon)


@given(st.integers(6, 200), st.sampled_from([1, 4, 12, 52]), st.integers(3, 30), st.integers(1, 24))
def test_the_course_leaves_enough_to_train_on(length: int, season: int, origins: int, horizon: int) -> None:
    found = course(length, season=season, horizon=horizon, origins=origins)
    assert LEAST_ORIGINS <= len(found.cutoffs) <= origins
    assert found.cutoffs[-1] == length - 1
    assert found.cutoffs[0] >= max(3, length // 2)
    assert found.cutoffs == tuple(range(found.cutoffs[0], length))
    assert found.season in (1, season)
    assert all(one.can_predict(found.cutoffs[0], found.season) for one in found.candidates)


@pytest.mark.parametrize(("length", "baseline"), [(14, "naive"), (15, "seasonal-naive"), (36, "seasonal-naive")])
def test_a_season_is_used_from_the_third_month_of_the_second_year(length: int, baseline: str) -> None:
    assert course(length, season=12, horizon=6, origins=12).baseline == baseline


def test_errors_by_hand() -> None:
    history = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 7.0])
    found = back_test(Race((Candidate("naive", naive),), 1, (3, 4, 5), 2), history, NO_FLOOR)
    assert found.errors["naive"].tolist()[:2] == [[1, 2], [1, 3]]
    assert found.errors["naive"][2, 0] == 2
    assert np.isnan(found.errors["naive"][2, 1])
    assert found.now["naive"].tolist() == [7, 7]


def test_knowledge_of_errors_grows_with_the_origin() -> None:
    """From the third origin one knows two errors at lead 1 and one at lead 2, none at lead 3."""
    errors = np.arange(12.0).reshape(4, 3)
    known = known_at(errors, 2)
    assert np.isfinite(known).tolist() == [[True, True, False], [True, False, False]]
    assert np.isfinite(known_at(errors, 3)).sum() == 6


@given(st.integers(0, 2**32), st.integers(20, 27))
def test_the_back_test_never_looks_ahead(seed: int, cutoff: int) -> None:
    """Whatever happens after a cutoff, what was said at it stays, and so does every error known by then."""
    history = np.array(seasonal(28, seed=seed % 97, noise=9_000, season=4))
    other = history.copy()
    other[cutoff:] = np.random.default_rng(seed).normal(0, 1e6, 28 - cutoff)
    course_ = race(range(20, 28))
    before, after = back_test(course_, history, NO_FLOOR), back_test(course_, other, NO_FLOOR)
    origin = cutoff - 20
    for name, errors in before.errors.items():
        assert before.said[origin][name].tolist() == after.said[origin][name].tolist()
        np.testing.assert_array_equal(known_at(errors, origin), known_at(after.errors[name], origin))


def test_a_model_that_fails_at_one_moment_is_out() -> None:
    def moody(history: Values, season: int, horizon: int) -> Values:
        if len(history) == 6:
            raise ValueError
        return np.full(horizon, history[-season])

    racers = (Candidate("naive", naive), Candidate("moody", moody))
    found = back_test(Race(racers, 1, (5, 6, 7), 2), np.arange(8.0), 0.0)
    assert set(found.errors) == {"naive", COMBINATION}


def test_forecasts_are_cut_at_the_floor() -> None:
    def sinking(history: Values, season: int, horizon: int) -> Values:
        return np.full(horizon, -float(history[0] + season))

    found = back_test(Race((Candidate("sinking", sinking),), 1, (5, 6, 7), 2), np.arange(8.0), 0.0)
    assert found.now["sinking"].tolist() == [0, 0]


def losses(**means: float) -> dict[str, Values]:
    return {name.replace("_", "-"): np.array([[mean, np.nan], [-mean, mean]]) for name, mean in means.items()}


@pytest.mark.parametrize(
    ("means", "model"),
    [
        ({"combination": 2.0, "ets": 3.0, "theta": 1.0}, "seasonal-naive"),
        ({"combination": 0.9, "ets": 0.8}, "combination"),
        ({"combination": 0.9, "ets": 0.9 * MARGIN - 0.01}, "ets"),
        ({"combination": 1.1, "ets": 0.99}, "ets"),
        ({"combination": 1.0, "ets": 1.0}, "seasonal-naive"),
        ({"theta": 0.5, "ets": 0.5}, "ets"),
    ],
)
def test_the_baseline_must_be_beaten_and_the_combination_clearly(means: dict[str, float], model: str) -> None:
    assert chosen(losses(seasonal_naive=1.0, **means), "seasonal-naive") == model
