"""FVA and its paired test."""

import pytest
from scipy import stats  # type: ignore[import-untyped]

from services.forecast.domain.value_add import LEAST_PAIRS, paired_value_add, value_add
from shared.kernel.errors import InvalidInputError
from tests.unit.forecast.series import seeded


def test_fva() -> None:
    assert value_add(8, 10) == pytest.approx(0.2)
    assert value_add(12, 10) == pytest.approx(-0.2)
    assert value_add(1, 0) is None


def test_one_step_ahead_the_test_is_a_paired_t_test() -> None:
    """With lead 1 there is no autocovariance, and the correction turns the divisor n into n − 1."""
    draw = seeded(4)
    own = [draw.gauss(0, 1) for _ in range(40)]
    naive = [draw.gauss(0, 1.5) for _ in range(40)]
    found = paired_value_add(own, naive, lead=1)
    oracle = stats.ttest_rel([abs(e) for e in naive], [abs(e) for e in own])
    assert found.p_value == pytest.approx(oracle.pvalue)
    assert found.n == 40
    assert found.fva == pytest.approx(1 - sum(map(abs, own)) / sum(map(abs, naive)))


def test_overlapping_horizons_make_the_test_more_careful() -> None:
    draw = seeded(5)
    steps = [draw.gauss(0.3, 1) for _ in range(60)]
    gains = [sum(steps[i : i + 6]) for i in range(50)]
    own, naive = [10.0] * 50, [10 + gain for gain in gains]
    alone, overlapping = (paired_value_add(own, naive, lead=lead).p_value for lead in (1, 6))
    assert alone is not None
    assert overlapping is not None
    assert alone < overlapping


@pytest.mark.parametrize(
    ("own", "naive", "lead"),
    [
        ([1.0] * (LEAST_PAIRS - 1), [2.0] * (LEAST_PAIRS - 1), 1),
        ([1.0] * 20, [2.0] * 20, 1),
        ([1.0, 2.0] * 5, [2.0, 1.0] * 5, 10),
    ],
    ids=["too few", "no spread", "as many leads as pairs"],
)
def test_no_p_value_where_the_test_means_nothing(own: list[float], naive: list[float], lead: int) -> None:
    assert paired_value_add(own, naive, lead=lead).p_value is None


def test_refuses_unpaired_errors() -> None:
    with pytest.raises(InvalidInputError):
        paired_value_add([1.0], [], lead=1)
