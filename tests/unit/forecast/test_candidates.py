"""The forecasters one by one: what they say by hand, how they move with the data, and that nothing breaks them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.forecast.models import candidates
from services.forecast.models.candidates import PLAIN, SEASONAL, Candidate, Values, predicted
from tests.unit.forecast.series import seeded

SIMPLE = tuple(one for one in (*PLAIN, *SEASONAL) if one.name not in ("ets", "theta", "arima"))
FITTED = PLAIN[-3:]
histories = st.lists(st.integers(-1_000, 1_000).map(float), min_size=8, max_size=30).map(np.array)


def by_name(name: str) -> Candidate:
    return next(one for one in (*SEASONAL, *PLAIN) if one.name == name)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("naive", [9, 9, 9]),
        ("mean", [4, 4, 4]),
        ("drift", [10.6, 12.2, 13.8]),
        ("seasonal-naive", [4, 9, 4]),
        ("seasonal-drift", [4 + 1, 9 + 1, 4 + 1]),
        ("seasonal-average", [(4 + 0.6 * 3 + 0.36 * 1) / 1.96, (9 + 0.6 * 6 + 0.36 * 1) / 1.96] * 2),
    ],
)
def test_by_hand(name: str, said: list[float]) -> None:
    history = np.array([1.0, 1.0, 3.0, 6.0, 4.0, 9.0])
    assert candidates.predicted(by_name(name), history, 2, 3) == pytest.approx(np.array(said[:3]))


@given(histories, st.integers(-500, 500), st.sampled_from([0.25, 2.0, 64.0]), st.integers(1, 4))
def test_the_simple_ones_move_with_the_data(history: Values, shift: int, factor: float, season: int) -> None:
    for one in SIMPLE:
        plain = predicted(one, history, season, 5)
        moved = predicted(one, factor * history + shift, season, 5)
        assert plain is not None
        assert moved == pytest.approx(factor * plain + shift, abs=1e-6)


def test_says_nothing_without_enough_history() -> None:
    assert predicted(by_name("seasonal-drift"), np.arange(14.0), 12, 3) is None
    assert predicted(by_name("seasonal-drift"), np.arange(15.0), 12, 3) is not None
    assert predicted(by_name("ets"), np.arange(7.0), 1, 3) is None


def nasty() -> dict[str, Values]:
    draw = seeded(1)
    noise = np.array([draw.gauss(0, 1) for _ in range(20)])
    rising = np.arange(20.0)
    return {
        "constant": np.full(20, 5.0),
        "zero": np.zeros(20),
        "line": rising * 3,
        "pure season": np.tile([1.0, 2.0, 4.0, 3.0], 5),
        "season on a line": np.tile([1.0, 2.0, 4.0, 3.0], 5) + rising,
        "negative": noise,
        "rare": np.where(rising % 7 == 0, 9.0, 0.0),
        "begins late": np.where(rising < 12, 0.0, 5 + noise),
        "ends early": np.where(rising < 12, 5 + noise, 0.0),
        "outlier": np.where(rising == 9, 1e9, 1 + noise / 9),
        "steep": np.exp(rising),
        "one sale": np.where(rising == 13, 1.0, 0.0),
    }


@pytest.mark.parametrize("shape", nasty())
def test_the_fitted_ones_survive_any_history(shape: str) -> None:
    """Finite or nothing, and never an error: a worker must not fall over a strange series."""
    history = nasty()[shape]
    for one in FITTED:
        for season in (1, 4, 12):
            for length in (8, 13, 20):
                said = predicted(one, history[:length], season, 4)
                assert said is None or (said.shape == (4,) and np.isfinite(said).all())


def test_a_model_that_cannot_be_fitted_says_nothing() -> None:
    def refuse(history: Values, season: int, horizon: int) -> Values:
        raise ValueError(f"{len(history)} {season} {horizon}")

    def overflow(history: Values, season: int, horizon: int) -> Values:
        return np.full(horizon, math.inf) * len(history) * season

    for predict in (refuse, overflow):
        assert predicted(Candidate("x", predict), np.arange(9.0), 1, 2) is None


def test_a_bug_is_not_hidden() -> None:
    def bug(history: Values, season: int, horizon: int) -> Values:
        raise TypeError(f"{history} {season} {horizon}")

    with pytest.raises(TypeError):
        predicted(Candidate("x", bug), np.arange(9.0), 1, 2)
