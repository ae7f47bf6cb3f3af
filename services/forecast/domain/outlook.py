"""What the series models answer: predictions in quantiles, why this model, and how its intervals did before.

Kept apart from the models, so that a process that only reads forecasts need not load them.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from services.forecast.domain.coverage import Coverage
from services.forecast.domain.quantiles import Quantiles
from shared.kernel.period import Grain


@dataclass(frozen=True, slots=True)
class Prediction:
    """The period that starts on `start`, `lead` periods after the last one known.

    `point` is the model's own forecast; the median differs where its errors leaned to one side. `baseline` is what the
    (seasonal) naive forecast says, kept so that the value added can be measured later.
    """

    start: date
    lead: int
    point: Decimal
    baseline: Decimal
    quantiles: Quantiles


class Remark(StrEnum):
    """What a reader must know about a forecast to judge it."""

    SHORT_HISTORY = "fewer than two seasons of history: seasonality cannot be told from chance"
    NO_SEASON = "too little history for a seasonal forecast: the last value is the baseline"
    CONSTANT = "the history never changed: there was no error to learn an interval from"
    BASELINE_KEPT = "no model beat the baseline in the back-test"
    CUT_AT_ZERO = "no value of the history is negative, so neither is a forecast"
    COVERAGE_UNMEASURED = "too few back-tests to measure how often the intervals hold"


@dataclass(frozen=True, slots=True)
class BackTest:
    """Forecasts from `origins` past moments, `step` periods apart, the last one a period before the end of the history.

    Each reached up to `horizon` periods ahead as far as history goes; `pairs` predictions met what happened.
    """

    origins: int
    horizon: int
    pairs: int
    step: int = 1


@dataclass(frozen=True, slots=True)
class Score:
    """How a candidate did in the back-test, every lead alike.

    `mase` and `crps` are divided by the in-sample error of the (seasonal) naive over the whole history, so that series
    compare. `None`: the history never changed, or there were too few origins for intervals.
    """

    model: str
    mase: Decimal | None
    smape: Decimal
    crps: Decimal | None


@dataclass(frozen=True, slots=True)
class SeriesForecast:
    """The forecast of one series from history that ends with the period starting on `trained_through`."""

    model: str
    baseline: str
    grain: Grain
    season: int
    trained_from: date
    trained_through: date
    predictions: tuple[Prediction, ...]
    back_test: BackTest
    scores: tuple[Score, ...]
    coverage: tuple[Coverage, ...]
    pit: tuple[int, ...]
    remarks: tuple[Remark, ...]
