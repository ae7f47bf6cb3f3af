"""Mean, median and p90 of whole days, exact, from how often each occurred."""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

from services.metrics.domain.figures import Figure, divided

P90 = Fraction(9, 10)

Histogram = Mapping[int, int]
"""Days → deals; never negative."""


def durations(histogram: Histogram, digits: int) -> Figure:
    """The mean is the value; no value where nothing was closed."""
    n = sum(histogram.values())
    days = sum(value * count for value, count in histogram.items())
    mean = divided(days, n, digits)
    told = {"mean": mean, "median": median(histogram), "p90": nearest_rank(histogram, P90), "n": n}
    return Figure(mean, {"days": days, "deals": n}, statistics=told)


def median(histogram: Histogram) -> Decimal | None:
    """The mean of the middle two, which are one and the same where n is odd."""
    n = sum(histogram.values())
    if n == 0:
        return None
    return divided(_at(histogram, (n + 1) // 2) + _at(histogram, n // 2 + 1), 2, 1)


def nearest_rank(histogram: Histogram, share: Fraction) -> int | None:
    """The smallest value that at least this share of all do not exceed."""
    n = sum(histogram.values())
    return _at(histogram, -(-n * share.numerator // share.denominator)) if n else None


def _at(histogram: Histogram, rank: int) -> int:
    """The value of this rank, counted from one."""
    seen = 0
    for value in sorted(histogram):
        seen += histogram[value]
        if seen >= rank:
            return value
    raise ValueError(f"a histogram of {seen} has no rank {rank}")
