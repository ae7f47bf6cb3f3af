"""Whether intervals hold what they promise: counted coverage with its own uncertainty, and the PIT histogram."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from services.forecast.domain.quantiles import INTERVALS, LEVELS, Quantiles
from services.forecast.domain.special import beta_quantile
from shared.kernel.errors import InvalidInputError

_DIGITS = Decimal("1e-6")


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `n`, with the exact interval of Clopper and Pearson (1934) for the share behind it."""

    hits: int
    n: int
    low: Decimal
    high: Decimal

    @property
    def value(self) -> Decimal:
        return (Decimal(self.hits) / self.n).quantize(_DIGITS)


def clopper_pearson(hits: int, n: int, *, confidence: float = 0.95) -> Share:
    """The share with limits that hold it with at least this confidence, if the trials are independent."""
    if not 0 <= hits <= n or n == 0:
        raise InvalidInputError(f"{hits} of {n} is no share")
    tail = (1 - confidence) / 2
    low = beta_quantile(tail, hits, n - hits + 1) if hits > 0 else 0.0
    high = beta_quantile(1 - tail, hits + 1, n - hits) if hits < n else 1.0
    return Share(hits, n, Decimal(low).quantize(_DIGITS), Decimal(high).quantize(_DIGITS))


@dataclass(frozen=True, slots=True)
class Coverage:
    """How often the central interval of coverage `nominal` held what happened.

    Errors of one origin and of overlapping horizons go together, so the true uncertainty is wider than `measured` says.
    """

    nominal: Decimal
    measured: Share


def empirical_coverage(actual: Sequence[Decimal], quantiles: Sequence[Quantiles]) -> tuple[Coverage, ...]:
    """Coverage of each of `INTERVALS`; a value on the end of an interval is inside. Nothing to count gives nothing."""
    pairs = list(zip(actual, quantiles, strict=True))
    if not pairs:
        return ()
    counts = {
        nominal: sum(low <= value <= high for value, (low, high) in ((y, q.interval(nominal)) for y, q in pairs))
        for nominal in INTERVALS
    }
    return tuple(Coverage(nominal, clopper_pearson(hits, len(pairs))) for nominal, hits in counts.items())


def pit_histogram(actual: Sequence[Decimal], quantiles: Sequence[Quantiles]) -> tuple[int, ...]:
    """How many values fell below the first quantile, between each two, and above the last: eight counts.

    A calibrated forecast fills them in proportion to `PIT_SHARES`. A value that equals a quantile counts below it.
    """
    counts = [0] * (len(LEVELS) + 1)
    for value, forecast in zip(actual, quantiles, strict=True):
        counts[bisect_left(forecast.values, value)] += 1
    return tuple(counts)


PIT_SHARES: tuple[Decimal, ...] = tuple(
    high - low for low, high in zip((Decimal(0), *LEVELS), (*LEVELS, Decimal(1)), strict=True)
)
