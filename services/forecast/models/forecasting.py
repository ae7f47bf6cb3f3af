"""From the history of one series to its forecast: race the candidates, choose one, widen it by its past errors."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal

import numpy as np

from services.forecast.domain.coverage import empirical_coverage, pit_histogram
from services.forecast.domain.outlook import BackTest, Prediction, Remark, SeriesForecast
from services.forecast.domain.quantiles import Quantiles
from services.forecast.domain.series import Point, following, require_regular
from services.forecast.models.backtesting import LEAST_ORIGINS, BackTested, back_test, course
from services.forecast.models.intervals import offsets
from services.forecast.models.replay import Replayed, replay, scores
from services.forecast.models.scaling import scale_of
from services.forecast.models.selection import chosen
from shared.kernel.errors import InvalidInputError, NotKnownError
from shared.kernel.period import Grain

LEAST_POINTS = 6


def forecast(history: Sequence[Point], *, horizon: int, season: int, origins: int, grain: Grain) -> SeriesForecast:
    """See `services.forecast.models.forecast_series`."""
    _require(history, horizon=horizon, season=season, origins=origins, grain=grain)
    values = [point.value for point in history]
    scale = scale_of(values)
    race = course(len(history), season=season, horizon=horizon, origins=origins)
    tested = back_test(race, scale.measured(values), scale.floor)
    model = chosen(tested.errors, race.baseline)
    before = replay(tested, scale)
    points, baseline = tested.now[model], tested.now[race.baseline]
    rows = points[:, None] + offsets(tested.errors[model])
    return SeriesForecast(
        model=model,
        baseline=race.baseline,
        grain=grain,
        season=season,
        trained_from=history[0].start,
        trained_through=history[-1].start,
        predictions=_predictions(
            following(history[-1].start, grain, horizon),
            scale.told(points),
            scale.told(baseline),
            map(scale.told, rows),
        ),
        back_test=BackTest(len(race.cutoffs), *_reached(tested)),
        scores=scores(tested, scale),
        coverage=empirical_coverage(before.actual, before.quantiles),
        pit=pit_histogram(before.actual, before.quantiles),
        remarks=tuple(_remarks(tested, season, model, before, cut=bool((rows < scale.floor).any()))),
    )


def _require(history: Sequence[Point], *, horizon: int, season: int, origins: int, grain: Grain) -> None:
    if horizon < 1 or season < 1 or origins < LEAST_ORIGINS:
        raise InvalidInputError(f"ask for a horizon and season of at least 1 and at least {LEAST_ORIGINS} origins")
    if len(history) < LEAST_POINTS:
        raise NotKnownError(f"{len(history)} complete periods say too little: a forecast needs {LEAST_POINTS}")
    if horizon > len(history):
        raise InvalidInputError(f"{len(history)} periods of history cannot carry a forecast over {horizon}")
    require_regular(history, grain)


def _predictions(
    starts: Iterable[date],
    points: Iterable[Decimal],
    baseline: Iterable[Decimal],
    rows: Iterable[tuple[Decimal, ...]],
) -> tuple[Prediction, ...]:
    said = zip(starts, points, baseline, rows, strict=True)
    return tuple(
        Prediction(start, lead, point, naive, Quantiles(row)) for lead, (start, point, naive, row) in enumerate(said, 1)
    )


def _reached(tested: BackTested) -> tuple[int, int]:
    """The longest lead that was compared with what happened, and how many comparisons there were."""
    seen = np.isfinite(tested.errors[tested.race.baseline])
    return int(seen.any(axis=0).sum()), int(seen.sum())


def _remarks(tested: BackTested, season: int, model: str, before: Replayed, *, cut: bool) -> Iterator[Remark]:
    race = tested.race
    if season > 1 and len(tested.history) < 2 * season:
        yield Remark.SHORT_HISTORY
    if season > race.season:
        yield Remark.NO_SEASON
    if np.ptp(tested.history) == 0:
        yield Remark.CONSTANT
    elif model == race.baseline:
        yield Remark.BASELINE_KEPT
    if cut:
        yield Remark.CUT_AT_ZERO
    if not before.actual:
        yield Remark.COVERAGE_UNMEASURED
