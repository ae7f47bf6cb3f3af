"""The forecasters that compete for each series. Each turns a history into point forecasts and knows no intervals."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Predict = Callable[[Values, int, int], Values]

LEAST_EXTRA = 3
"""Periods beyond the first season before last season's change can be told."""

_LEAST_FITTED = 8
_YEARLY_WEIGHT = 0.6
_SMALL_ORDERS = {"max_p": 1, "max_q": 1, "max_P": 1, "max_Q": 1, "start_p": 1, "start_q": 1, "start_P": 0, "nmodels": 8}
_UNFIT = (ArithmeticError, LookupError, NotImplementedError, ValueError)


@dataclass(frozen=True, slots=True)
class Candidate:
    """`predict(history, season, horizon)` needs a history of `least` periods beyond `seasons` whole seasons."""

    name: str
    predict: Predict
    least: int = 1
    seasons: int = 0

    def can_predict(self, length: int, season: int) -> bool:
        return length >= self.seasons * season + self.least


def naive(history: Values, _season: int, horizon: int) -> Values:
    """The last value again."""
    return np.full(horizon, history[-1])


def mean(history: Values, _season: int, horizon: int) -> Values:
    """The mean of all history."""
    return np.full(horizon, history.mean())


def drift(history: Values, _season: int, horizon: int) -> Values:
    """The straight line from the first value through the last."""
    slope = float(history[-1] - history[0]) / (len(history) - 1)
    return float(history[-1]) + slope * np.arange(1, horizon + 1, dtype=np.float64)


def seasonal_naive(history: Values, season: int, horizon: int) -> Values:
    """The last season again."""
    return history[-season:][np.arange(horizon) % season]


def seasonal_drift(history: Values, season: int, horizon: int) -> Values:
    """The last season, moved by half of its mean change on the season before: growth goes on, but less surely."""
    seen = min(season, len(history) - season)
    change = float(history[-seen:].mean() - history[-seen - season : -season].mean())
    return seasonal_naive(history, season, horizon) + np.float64(change / 2)


def seasonal_average(history: Values, season: int, horizon: int) -> Values:
    """The mean of the same period of all seasons, each weighing 0.6 of the one after it."""
    positions = []
    for phase in range(season):
        same = history[::-1][season - 1 - phase :: season]
        weights = _YEARLY_WEIGHT ** np.arange(len(same))
        positions.append(float(same @ weights / weights.sum()))
    return np.asarray(positions)[np.arange(horizon) % season]


@cache
def _fitted(name: str) -> Predict:
    """A model of statsforecast. Its package loads pandas and SciPy, so it is imported when first asked for."""
    models = import_module("statsforecast.models")

    def predict(history: Values, season: int, horizon: int) -> Values:
        model = {
            "ets": lambda: models.AutoETS(season_length=season),
            "theta": lambda: models.AutoTheta(season_length=season),
            # small orders: on the tourism series larger ones cost three times the time and forecast no better
            "arima": lambda: models.AutoARIMA(season_length=season, **_SMALL_ORDERS),
        }[name]()
        return np.asarray(model.forecast(y=history.copy(), h=horizon)["mean"], dtype=np.float64)

    return predict


def _by_statsforecast(name: str) -> Predict:
    def predict(history: Values, season: int, horizon: int) -> Values:
        return _fitted(name)(history, season, horizon)

    return predict


_MODELS = tuple(Candidate(name, _by_statsforecast(name), least=_LEAST_FITTED) for name in ("ets", "theta", "arima"))

SEASONAL: tuple[Candidate, ...] = (
    Candidate("seasonal-naive", seasonal_naive, least=0, seasons=1),
    Candidate("seasonal-drift", seasonal_drift, least=LEAST_EXTRA, seasons=1),
    Candidate("seasonal-average", seasonal_average, least=0, seasons=1),
    *_MODELS,
)
"""For a history of more than one season; the first is the baseline."""

PLAIN: tuple[Candidate, ...] = (
    Candidate("naive", naive),
    Candidate("mean", mean),
    Candidate("drift", drift, least=2),
    *_MODELS,
)
"""For a history without a season, or shorter than one; the first is the baseline."""

COMBINATION = "combination"
"""The median, period by period, of all candidates: errors that go opposite ways cancel (Makridakis et al. 2020)."""


def predicted(candidate: Candidate, history: Values, season: int, horizon: int) -> Values | None:
    """The forecast, or `None` where the candidate needs more history or cannot be fitted to this one."""
    if not candidate.can_predict(len(history), season):
        return None
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # a poor fit shows in the back-test, not in a warning
        try:
            values = candidate.predict(history, season, horizon)
        except Exception as error:  # statsforecast raises bare Exception when it can fit nothing
            if type(error) is not Exception and not isinstance(error, _UNFIT):
                raise
            return None
    return values if bool(np.isfinite(values).all()) else None
