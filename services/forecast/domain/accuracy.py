"""How far a forecast was from what happened: the measures that Quintant publishes, one definition each.

They pair two sequences of equal length. They are statistics, not money: plain floats, summed with `fsum`, so no order
or grouping changes a digit.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import pairwise
from math import fsum, sqrt

from services.forecast.domain.quantiles import LEVELS, Quantiles
from shared.kernel.errors import InvalidInputError

Number = Decimal | float

_EDGES = (0.0, *((float(low) + float(high)) / 2 for low, high in pairwise(LEVELS)), 1.0)
_WEIGHTS = tuple(high - low for low, high in pairwise(_EDGES))


def mae(actual: Sequence[Number], forecast: Sequence[Number]) -> float:
    """Mean absolute error, in the unit of the series."""
    return _mean(actual, forecast, lambda y, f: abs(y - f))


def rmse(actual: Sequence[Number], forecast: Sequence[Number]) -> float:
    """Root of the mean squared error, in the unit of the series."""
    return sqrt(_mean(actual, forecast, lambda y, f: (y - f) ** 2))


def mape(actual: Sequence[Number], forecast: Sequence[Number]) -> float | None:
    """Mean of 100·|y−f| ÷ |y|; `None` when an actual value is zero, for then it has no meaning."""
    if any(y == 0 for y in actual):
        return None
    return _mean(actual, forecast, lambda y, f: 100 * abs(y - f) / abs(y))


def smape(actual: Sequence[Number], forecast: Sequence[Number]) -> float:
    """Mean of 200·|y−f| ÷ (|y|+|f|), from 0 to 200; a zero that was forecast as zero counts 0."""
    return _mean(actual, forecast, lambda y, f: 200 * abs(y - f) / (abs(y) + abs(f)) if y or f else 0.0)


def naive_scale(history: Sequence[Number], season: int) -> float | None:
    """Mean absolute change over one season within the history, the error of the seasonal naive in sample.

    `None` when the history is not longer than a season or never changed.
    """
    changes = [abs(float(later) - float(earlier)) for earlier, later in zip(history, history[season:], strict=False)]
    return fsum(changes) / len(changes) if any(changes) else None


def mase(actual: Sequence[Number], forecast: Sequence[Number], history: Sequence[Number], season: int) -> float | None:
    """Mean absolute error ÷ `naive_scale` of the history (Hyndman and Koehler 2006); `None` where that is."""
    scale = naive_scale(history, season)
    return None if scale is None else mae(actual, forecast) / scale


def pinball(actual: Sequence[Number], quantile: Sequence[Number], level: Number) -> float:
    """Mean of max(level·(y−q), (level−1)·(y−q)): what the quantile of this level loses, in the unit of the series."""
    share = float(level)
    return _mean(actual, quantile, lambda y, q: max(share * (y - q), (share - 1) * (y - q)))


def crps(actual: Sequence[Number], quantiles: Sequence[Quantiles]) -> float:
    """Continuous ranked probability score from the seven quantiles, in the unit of the series.

    It is twice the integral of the pinball loss over all levels; each kept level stands for the levels nearest to it,
    which comes out up to a tenth low. Compare only scores made in this way.
    """
    losses = (
        weight * pinball(actual, [forecast.values[place] for forecast in quantiles], level)
        for place, (level, weight) in enumerate(zip(LEVELS, _WEIGHTS, strict=True))
    )
    return 2 * fsum(losses)


def _mean(actual: Sequence[Number], forecast: Sequence[Number], loss: Callable[[float, float], float]) -> float:
    if not actual:
        raise InvalidInputError("an error of nothing is not defined: give at least one value")
    if len(actual) != len(forecast):
        raise InvalidInputError(f"{len(actual)} values cannot be compared with {len(forecast)} forecasts")
    return fsum(loss(float(y), float(f)) for y, f in zip(actual, forecast, strict=True)) / len(actual)
