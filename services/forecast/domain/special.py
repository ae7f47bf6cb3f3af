"""The one special function that intervals for shares and paired tests need; the domain may not import SciPy."""

import math
from functools import cache

_TINY = 1e-300
_ENOUGH = 1e-14


def beta_cdf(x: float, a: float, b: float) -> float:
    """Regularised incomplete beta function I_x(a, b), by Lentz's continued fraction (DLMF 8.17.22)."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    if x > (a + 1) / (a + b + 2):  # the fraction converges fast on the other side only
        return 1.0 - beta_cdf(1 - x, b, a)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(log_front) * _fraction(x, a, b) / a


def _fraction(x: float, a: float, b: float) -> float:
    c, d = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    value = d
    m = 0
    while m == 0 or abs(c * d - 1) > _ENOUGH:
        m += 1
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _away_from_zero(1 + term * d)
            c = _away_from_zero(1 + term / c)
            value *= c * d
    return value


def _away_from_zero(x: float) -> float:
    return x if abs(x) > _TINY else _TINY


def beta_quantile(share: float, a: float, b: float) -> float:
    """The x with I_x(a, b) = share, by bisection to the last bit."""
    low, high = 0.0, 1.0
    while low < (middle := (low + high) / 2) < high:
        if beta_cdf(middle, a, b) < share:
            low = middle
        else:
            high = middle
    return high


def student_two_sided(t: float, degrees: float) -> float:
    """P(|T| ≥ |t|) for Student's t with that many degrees of freedom."""
    square = t * t
    if square < degrees:  # from the near side: one minus something small keeps its digits
        return 1 - beta_cdf(square / (degrees + square), 0.5, degrees / 2)
    return beta_cdf(degrees / (degrees + square), degrees / 2, 0.5)


@cache
def student_quantile(level: float, degrees: float) -> float:
    """The value that Student's t does not exceed with probability `level`, strictly between 0 and 1."""
    x = beta_quantile(2 * min(level, 1 - level), degrees / 2, 0.5)
    return math.copysign(math.sqrt(degrees * (1 - x) / x), level - 0.5)
