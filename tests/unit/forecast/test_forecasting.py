"""The entry point: what a caller may rely on, for any series, and what it costs."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.forecast.domain.coverage import clopper_pearson
from services.forecast.domain.outlook import Remark, SeriesForecast
from services.forecast.domain.quantiles import INTERVALS
from services.forecast.domain.series import Point, following, regular
from services.forecast.models import forecast_series
from shared.kernel.errors import InvalidInputError, NotKnownError
from shared.kernel.period import Grain
from tests.unit.forecast.series import START, months, seasonal, seeded, starts

ROOT = Path(__file__).parents[3]
short = st.lists(st.decimals(-10_000, 10_000, places=2), min_size=6, max_size=15)


def forecast(
    values: Sequence[float | Decimal], *, horizon: int = 3, season: int = 1, origins: int = 12
) -> SeriesForecast:
    return forecast_series(months(values), horizon=horizon, season=season, origins=origins)


@settings(max_examples=40)
@given(short, st.integers(1, 6), st.sampled_from([1, 4, 12]))
def test_promises_for_any_short_series(values: list[Decimal], horizon: int, season: int) -> None:
    found = forecast(values, horizon=horizon, season=season)
    assert [one.start for one in found.predictions] == list(following(starts(len(values))[-1], Grain.MONTH, horizon))
    assert [one.lead for one in found.predictions] == list(range(1, horizon + 1))
    assert (found.trained_from, found.trained_through) == (START, starts(len(values))[-1])
    assert found.model in {score.model for score in found.scores}
    losses = {score.model: score.mase for score in found.scores}
    if found.model != found.baseline:
        ours, naive = losses[found.model], losses[found.baseline]
        assert ours is not None
        assert naive is not None
        assert ours <= naive
    if min(values) >= 0:
        assert all(one.quantiles.values[0] >= 0 for one in found.predictions)
    assert found == forecast(values, horizon=horizon, season=season)


@settings(max_examples=30)
@given(short, st.sampled_from([4, 1024]))
def test_the_unit_of_the_series_does_not_matter(values: list[Decimal], factor: int) -> None:
    small, large = forecast(values), forecast([value * factor for value in values])
    assert small.model == large.model
    for one, other in zip(small.predictions, large.predictions, strict=True):
        for low, high in zip(one.quantiles.values, other.quantiles.values, strict=True):
            assert float(high) == pytest.approx(factor * float(low), abs=0.006 * factor)


def test_30_months_with_all_models_do_not_depend_on_the_unit() -> None:
    values = [Decimal(str(round(value, 2))) for value in seasonal(30, seed=3, noise=4_000, trend=900)]
    found = forecast(values, horizon=6, season=12, origins=4)
    doubled = forecast([2 * value for value in values], horizon=6, season=12, origins=4)
    assert doubled.model == found.model
    assert [score.mase for score in doubled.scores] == [score.mase for score in found.scores]
    for one, other in zip(found.predictions, doubled.predictions, strict=True):
        assert float(other.point) == pytest.approx(2 * float(one.point), abs=0.02)
    assert {score.model for score in found.scores} >= {"ets", "theta", "arima", "combination", "seasonal-naive"}


def test_a_season_and_a_trend_are_found() -> None:
    """Four known series; the seasonal naive misses the trend, so what is chosen must do clearly better."""
    own, naive = 0.0, 0.0
    for seed in range(4):
        values = seasonal(28, seed=seed, noise=3_000, trend=1_500, season=4)
        found = forecast(values[:24], horizon=4, season=4, origins=5)
        own += sum(abs(float(one.point) - y) for one, y in zip(found.predictions, values[24:], strict=True))
        naive += sum(abs(float(one.baseline) - y) for one, y in zip(found.predictions, values[24:], strict=True))
    assert own < 0.7 * naive


def test_nothing_beats_the_last_season_when_it_repeats_exactly() -> None:
    found = forecast([100 + 10 * (i % 4) for i in range(20)], horizon=4, season=4)
    assert found.model == found.baseline == "seasonal-naive"
    assert [int(one.point) for one in found.predictions] == [100, 110, 120, 130]
    assert found.remarks == (Remark.BASELINE_KEPT,)


def test_a_constant_history_says_so() -> None:
    found = forecast([Decimal(5)] * 9)
    assert {value for one in found.predictions for value in one.quantiles.values} == {Decimal("5.00")}
    assert found.remarks == (Remark.CONSTANT,)
    assert found.scores[0].mase is None


def test_a_short_history_is_named_as_one() -> None:
    draw = seeded(2)
    noise = [100 + draw.gauss(0, 20) for _ in range(40)]
    assert {Remark.SHORT_HISTORY, Remark.NO_SEASON} <= set(forecast(noise[:10], season=12).remarks)
    year_and_half = forecast(noise[:18], season=12, origins=3)
    assert Remark.SHORT_HISTORY in year_and_half.remarks
    assert Remark.NO_SEASON not in year_and_half.remarks
    assert Remark.SHORT_HISTORY not in forecast(noise[:24], season=12, origins=3).remarks
    assert Remark.COVERAGE_UNMEASURED in forecast(noise[:6]).remarks


def test_cut_at_zero_only_where_history_never_went_below() -> None:
    sinking = [900.0, 20.0, 600.0, 10.0, 300.0, 30.0, 200.0, 0.0, 90.0]
    cut = forecast(sinking)
    assert Remark.CUT_AT_ZERO in cut.remarks
    assert min(one.quantiles.values[0] for one in cut.predictions) == 0
    free = forecast([*sinking[:-1], -1.0])
    assert Remark.CUT_AT_ZERO not in free.remarks
    assert min(one.quantiles.values[0] for one in free.predictions) < 0


def test_far_periods_are_less_sure() -> None:
    walk = np.cumsum(np.random.default_rng(8).normal(0, 100, 40)) + 5_000
    spans = [
        one.quantiles.interval(Decimal("0.80")) for one in forecast(walk.tolist(), horizon=6, origins=8).predictions
    ]
    widths = [high - low for low, high in spans]
    assert widths == sorted(widths)


def test_measured_coverage_is_counted_over_rolling_origins() -> None:
    values = seasonal(16, seed=5, noise=9_000, season=4)
    found = forecast(values, horizon=4, season=4)
    assert found == forecast(values, horizon=4, season=4)
    assert found.back_test.origins == 8
    assert found.back_test.pairs == 8 * 4 - (1 + 2 + 3)
    assert {one.nominal for one in found.coverage} == set(INTERVALS)
    assert {one.measured.n for one in found.coverage} == {5 * 4 - (1 + 2 + 3)}
    assert sum(found.pit) == 5 * 4 - (1 + 2 + 3)


def test_coverage_in_simulation() -> None:
    """The period after each of 300 independent seasonal series: every interval holds within 99.9 % binomial bounds.

    The series are too short for the fitted models, which keeps the simulation fast.
    """
    held = dict.fromkeys(INTERVALS, 0)
    draws = 300
    for seed in range(draws):
        values = seasonal(15, seed=seed, noise=10_000, season=4)
        found = forecast(values[:14], horizon=1, season=4)
        for nominal in INTERVALS:
            low, high = found.predictions[0].quantiles.interval(nominal)
            held[nominal] += low <= Decimal(values[14]) <= high
    for nominal, hits in held.items():
        share = clopper_pearson(hits, draws, confidence=0.999)
        assert share.low <= nominal <= share.high


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"horizon": 0}, "horizon"),
        ({"season": 0}, "season"),
        ({"origins": 2}, "origins"),
        ({"horizon": 11}, "carry"),
    ],
)
def test_refuses_questions_without_an_answer(change: dict[str, int], reason: str) -> None:
    ask = {"horizon": 3, "season": 1, "origins": 5, **change}
    with pytest.raises(InvalidInputError, match=reason):
        forecast_series(months(range(10)), horizon=ask["horizon"], season=ask["season"], origins=ask["origins"])


def test_refuses_a_history_that_is_too_short_or_broken() -> None:
    with pytest.raises(NotKnownError, match="too little"):
        forecast([1.0] * 5)
    whole = months(range(10))
    with pytest.raises(InvalidInputError, match="comes 2021-05-01"):
        forecast_series((*whole[:4], *whole[5:]), horizon=1, season=1, origins=5)
    with pytest.raises(InvalidInputError, match="finite"):
        forecast_series((*whole[:9], replace(whole[9], value=Decimal("NaN"))), horizon=1, season=1, origins=5)
    with pytest.raises(InvalidInputError, match="beyond"):
        forecast_series((*whole[:9], replace(whole[9], value=Decimal("1e31"))), horizon=1, season=1, origins=5)


def test_a_flow_is_filled_with_zero() -> None:
    found = regular({date(2021, 3, 1): Decimal(7)}, date(2021, 2, 1), date(2021, 4, 1), Grain.MONTH)
    assert found == (
        Point(date(2021, 2, 1), Decimal(0)),
        Point(date(2021, 3, 1), Decimal(7)),
        Point(date(2021, 4, 1), Decimal(0)),
    )


def test_importing_the_service_loads_no_numerical_library() -> None:
    found = _python("import sys, services.forecast.models; print({'numpy', 'scipy', 'pandas'} & set(sys.modules))")
    assert found == "set()"


COST = """
import json, pathlib, time
from services.forecast.models import forecast_series
from tests.unit.forecast.series import months, seasonal

def run(seed):
    history = months(seasonal(30, seed=seed, noise=8000, trend=500))
    return forecast_series(history, horizon=6, season=12, origins=12)

run(1)
began = time.process_time()
run(2)
spent = time.process_time() - began
status = dict(line.split(":", 1) for line in pathlib.Path("/proc/self/status").read_text().splitlines())
print(json.dumps([spent, int(status["VmHWM"].split()[0]) / 1024]))  # ru_maxrss would hold the parent's peak
"""


def test_a_worker_stays_small_and_quick() -> None:
    """30 months with every model: under 2 s of processor time once loaded, under 450 MB in all."""
    seconds, megabytes = json.loads(_python(COST))
    assert seconds < 2
    assert megabytes < 450


def _python(code: str) -> str:
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()
