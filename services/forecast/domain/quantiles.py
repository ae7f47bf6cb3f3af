"""The seven quantiles in which every forecast of Quintant answers, and the intervals between them."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from types import MappingProxyType

from shared.kernel.errors import InvalidInputError

LEVELS: tuple[Decimal, ...] = tuple(Decimal(text) for text in ("0.05", "0.10", "0.25", "0.50", "0.75", "0.90", "0.95"))

INTERVALS: Mapping[Decimal, tuple[int, int]] = MappingProxyType(
    {Decimal("0.50"): (2, 4), Decimal("0.80"): (1, 5), Decimal("0.90"): (0, 6)}
)
"""Nominal coverage of the central intervals, and the places of their ends in `LEVELS`."""


@dataclass(frozen=True, slots=True)
class Quantiles:
    """`values[i]` is not exceeded with probability `LEVELS[i]`. They never cross.

    Raises `InvalidInputError` when there is not one value per level or a value is below the one before it.
    """

    values: tuple[Decimal, ...]

    def __post_init__(self) -> None:
        if len(self.values) != len(LEVELS):
            raise InvalidInputError(f"give {len(LEVELS)} quantiles, one per level, not {len(self.values)}")
        if any(high < low for low, high in pairwise(self.values)):
            raise InvalidInputError("quantiles must not cross: each is at least the one of the level below")

    @property
    def median(self) -> Decimal:
        return self.values[3]

    def at(self, level: Decimal) -> Decimal:
        """The quantile of one of `LEVELS`."""
        if level not in LEVELS:
            raise InvalidInputError(f"no quantile is kept for {level}: choose one of {', '.join(map(str, LEVELS))}")
        return self.values[LEVELS.index(level)]

    def interval(self, nominal: Decimal) -> tuple[Decimal, Decimal]:
        """Both ends, inclusive, of the central interval with this nominal coverage: 0.5, 0.8 or 0.9."""
        if nominal not in INTERVALS:
            raise InvalidInputError(f"no interval of {nominal}: choose one of {', '.join(map(str, INTERVALS))}")
        low, high = INTERVALS[nominal]
        return self.values[low], self.values[high]
