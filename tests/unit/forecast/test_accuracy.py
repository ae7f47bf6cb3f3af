"""The measures against numbers worked out by hand, closed forms, and the tourism competition's own rows."""

import gzip
import json
import math
import random
from decimal import Decimal
from pathlib import Path
from statistics import NormalDist, fmean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.forecast.domain import accuracy
from services.forecast.domain.quantiles import LEVELS, Quantiles
from services.forecast.models.candidates import seasonal_naive
from shared.kernel.errors import InvalidInputError

ACTUAL = [10, 20, 30]
FORECAST = [12, 18, 33]
DATA = Path(__file__).parents[4] / "shared" / "data"
figures = st.floats(-1e6, 1e6, allow_subnormal=False)


def test_against_hand_calculation() -> None:
    assert accuracy.mae(ACTUAL, FORECAST) == pytest.approx(7 / 3)
    assert accuracy.rmse(ACTUAL, FORECAST) == pytest.approx(math.sqrt(17 / 3))
    assert accuracy.mape(ACTUAL, FORECAST) == pytest.approx((20 + 10 + 10) / 3)
    assert accuracy.smape(ACTUAL, FORECAST) == pytest.approx(200 * (2 / 22 + 2 / 38 + 3 / 63) / 3)
    assert accuracy.mase(ACTUAL, FORECAST, [1, 3, 2, 6], 1) == pytest.approx(1)
    assert accuracy.mase(ACTUAL, FORECAST, [1, 3, 2, 6], 2) == pytest.approx(7 / 3 / 2)
    assert accuracy.pinball([10, 10], [8, 14], Decimal("0.9")) == pytest.approx((0.9 * 2 + 0.1 * 4) / 2)


def test_zeros_and_flat_histories_have_no_ratio() -> None:
    assert accuracy.mape([0, 1], [1, 1]) is None
    assert accuracy.smape([0, 0], [0, 5]) == pytest.approx(100)
    assert accuracy.mase(ACTUAL, FORECAST, [4, 4, 4], 1) is None
    assert accuracy.mase(ACTUAL, FORECAST, [4, 5], 2) is None


@pytest.mark.parametrize(("actual", "forecast"), [([], []), ([1.0], []), ([1.0], [1.0, 2.0])])
def test_refuses_what_cannot_be_paired(actual: list[float], forecast: list[float]) -> None:
    with pytest.raises(InvalidInputError):
        accuracy.mae(actual, forecast)


@given(st.lists(st.tuples(figures, figures), min_size=1), st.randoms(use_true_random=False))
def test_order_changes_no_digit(pairs: list[tuple[float, float]], draw: random.Random) -> None:
    shuffled = draw.sample(pairs, len(pairs))
    for measure in (accuracy.mae, accuracy.rmse, accuracy.smape):
        assert measure(*zip(*pairs, strict=True)) == measure(*zip(*shuffled, strict=True))


@given(st.lists(st.tuples(figures, figures), min_size=1), st.sampled_from([-2.0, 0.5, 4.0]))
def test_ratios_do_not_depend_on_the_unit(pairs: list[tuple[float, float]], factor: float) -> None:
    actual, forecast = zip(*pairs, strict=True)
    told = [factor * y for y in actual], [factor * f for f in forecast]
    assert accuracy.smape(*told) == pytest.approx(accuracy.smape(actual, forecast))
    assert accuracy.mae(*told) == pytest.approx(abs(factor) * accuracy.mae(actual, forecast))


def test_crps_of_a_normal_forecast_is_near_its_closed_form() -> None:
    """Gneiting and Raftery (2007), eq. 21. Seven quantiles see it within 12 %."""
    normal = NormalDist(100, 15)
    quantiles = Quantiles(tuple(Decimal(normal.inv_cdf(float(level))) for level in LEVELS))
    for value in (70.0, 95.0, 100.0, 130.0):
        z = (value - 100) / 15
        exact = 15 * (z * (2 * NormalDist().cdf(z) - 1) + 2 * NormalDist().pdf(z) - 1 / math.sqrt(math.pi))
        assert accuracy.crps([value], [quantiles]) == pytest.approx(exact, rel=0.12)


def test_crps_of_a_certain_forecast_is_the_absolute_error() -> None:
    assert accuracy.crps([7.0], [Quantiles((Decimal(4),) * 7)]) == pytest.approx(3)


@pytest.mark.skipif(not (DATA / "reference_values.json").exists(), reason="no tourism series beside the project")
@pytest.mark.parametrize(("period", "season"), [("MONTHLY", 12), ("QUARTERLY", 4), ("YEARLY", 1)])
def test_seasonal_naive_on_tourism(period: str, season: int) -> None:
    with gzip.open(DATA / "tourism" / "tcomp_data.json.gz") as packed:
        series = [record for record in json.load(packed).values() if record["period"][0] == period]
    wanted = json.loads((DATA / "reference_values.json").read_text())["tourism"][period]
    rows = []
    for record in series:
        known, actual = record["x"], record["xx"]
        said = seasonal_naive(np.array(known, dtype=np.float64), season, len(actual)).tolist()
        mape, mase = accuracy.mape(actual, said), accuracy.mase(actual, said, known, season)
        assert mape is not None
        assert mase is not None
        rows.append((mape, accuracy.smape(actual, said), mase))
    found = [round(fmean(column), 3) for column in zip(*rows, strict=True)]
    assert (len(series), *found) == tuple(wanted[name] for name in ("series", "mape", "smape", "mase"))
