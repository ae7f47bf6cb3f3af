"""Time-series models. Importing this package loads no numerical library: only calling `forecast_series` does.

An API process may import anything of this service and stays small; the worker pays once, at its first forecast.
"""

from collections.abc import Sequence

from services.forecast.domain.outlook import SeriesForecast
from services.forecast.domain.series import Point
from shared.kernel.period import Grain

__all__ = ["forecast_series"]


def forecast_series(
    history: Sequence[Point], *, horizon: int, season: int, origins: int, grain: Grain = Grain.MONTH
) -> SeriesForecast:
    """The next `horizon` periods after `history`, whose periods must be complete and without holes.

    `season` is the number of periods after which the pattern repeats (12 for months, 1 for none). The model is chosen
    in a back-test from up to `origins` past moments, one period apart, where it must beat the (seasonal) naive
    forecast. The same history gives the same answer. It computes for a second or so (30 months): keep it off the
    event loop.

    Raises `InvalidInputError` for an irregular history or a parameter out of range, `NotKnownError` for one too short.
    """
    from services.forecast.models.forecasting import forecast

    return forecast(history, horizon=horizon, season=season, origins=origins, grain=grain)
