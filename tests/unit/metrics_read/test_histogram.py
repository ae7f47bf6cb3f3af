import statistics
from collections import Counter
from decimal import Decimal
from fractions import Fraction
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from services.metrics.domain.histogram import durations, median, nearest_rank

DAYS = st.lists(st.integers(-5, 400), min_size=1, max_size=60)


@given(DAYS)
def test_it_tells_what_the_single_durations_tell(days: list[int]) -> None:
    figure = durations(Counter(days), 6)
    assert figure.statistics["n"] == len(days)
    assert figure.statistics["median"] == Decimal(str(statistics.median(days)))
    assert figure.statistics["p90"] == sorted(days)[ceil(Fraction(9, 10) * len(days)) - 1]
    assert figure.value is not None
    assert abs(Fraction(figure.value) - Fraction(sum(days), len(days))) <= Fraction(1, 2 * 10**6)


def test_the_median_is_the_mean_of_the_middle_two() -> None:
    assert median({1: 1, 2: 1, 5: 1, 9: 1}) == Decimal("3.5")
    assert median({7: 3}) == Decimal("7.0")


def test_nearest_rank_is_a_value_that_occurred() -> None:
    assert nearest_rank(dict.fromkeys(range(1, 11), 1), Fraction(9, 10)) == 9
    assert nearest_rank({1: 1}, Fraction(9, 10)) == 1


def test_nothing_closed_is_no_value() -> None:
    figure = durations({}, 6)
    assert figure.value is None
    assert figure.statistics == {"mean": None, "median": None, "p90": None, "n": 0}
