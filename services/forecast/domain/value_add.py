"""Forecast value-add: whether a method, or a person's override, was worth having beside the naive forecast."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, sqrt

from services.forecast.domain.accuracy import Number
from services.forecast.domain.special import student_two_sided
from shared.kernel.errors import InvalidInputError

LEAST_PAIRS = 8
"""Below this many pairs the paired test is not attempted."""


def value_add(error: float, naive_error: float) -> float | None:
    """FVA = 1 − error(method) ÷ error(naive): 0.2 saves a fifth of the error, below 0 it made things worse.

    `None` when the naive forecast was perfect: there was nothing to add.
    """
    return None if naive_error == 0 else 1 - error / naive_error


@dataclass(frozen=True, slots=True)
class ValueAdd:
    """The FVA of `n` paired errors. `p_value` is two-sided; `None` where the test has no meaning."""

    fva: float | None
    n: int
    p_value: float | None


def paired_value_add(errors: Sequence[Number], naive_errors: Sequence[Number], *, lead: int) -> ValueAdd:
    """FVA of mean absolute errors at one lead, in order of the target period, with a Diebold-Mariano test.

    The test has the small-sample correction of Harvey, Leybourne and Newbold (1997) and Bartlett weights for the
    `lead` − 1 autocovariances that overlapping forecasts share.
    """
    if len(errors) != len(naive_errors) or not errors or lead < 1:
        raise InvalidInputError("pair each error with the naive error of the same period; the lead counts from 1")
    own, naive = ([abs(float(error)) for error in side] for side in (errors, naive_errors))
    gains = [theirs - ours for ours, theirs in zip(own, naive, strict=True)]
    return ValueAdd(value_add(fsum(own), fsum(naive)), len(gains), _p_value(gains, lead))


def _p_value(gains: Sequence[float], lead: int) -> float | None:
    n = len(gains)
    if n < LEAST_PAIRS or n <= lead:
        return None
    mean = fsum(gains) / n
    variance = _long_run_variance([gain - mean for gain in gains], lead) / n
    if variance <= 0:
        return None
    correction = (n - lead) * (n - lead + 1) / n**2
    return student_two_sided(mean / sqrt(variance) * sqrt(correction), n - 1)


def _long_run_variance(centred: Sequence[float], lead: int) -> float:
    n = len(centred)

    def autocovariance(lag: int) -> float:
        return fsum(a * b for a, b in zip(centred, centred[lag:], strict=False)) / n

    return autocovariance(0) + 2 * fsum((1 - lag / lead) * autocovariance(lag) for lag in range(1, lead))
