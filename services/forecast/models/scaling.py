"""Between money and floats: the one place where a decimal becomes a float and a float a decimal again."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import frexp, ldexp

import numpy as np

from services.forecast.models.candidates import Values
from shared.kernel.errors import InvalidInputError
from shared.kernel.money import EXACT

LARGEST = Decimal("1e30")
_FEWEST_DIGITS, _MOST_DIGITS = 2, 12


@dataclass(frozen=True, slots=True)
class Scale:
    """Models see values divided by `unit`, a power of two near their mean size: exact, and optimisers work near 1.

    `floor` is 0 when no value of the history is negative: then no forecast or quantile is either. Else minus infinity.
    """

    unit: float
    floor: float
    digits: Decimal

    def measured(self, values: Sequence[Decimal]) -> Values:
        return np.array([float(value) for value in values]) / self.unit

    def told(self, values: Values) -> tuple[Decimal, ...]:
        """In the unit of the series, cut at the floor, rounded half-even to the digits of the history (cents at
        least)."""
        whole = np.maximum(values, self.floor) * self.unit
        return tuple(Decimal(float(value)).quantize(self.digits, context=EXACT) for value in whole)


def scale_of(values: Sequence[Decimal]) -> Scale:
    """Raises `InvalidInputError` beyond 1e30, where no business figure is."""
    largest = max(abs(value) for value in values)
    if largest > LARGEST:
        raise InvalidInputError(f"a value of {largest:.3e} is beyond {LARGEST:.0e}: no forecast is made of it")
    typical = float(sum(abs(value) for value in values) / len(values))
    places = max(-int(value.as_tuple().exponent) for value in values)
    return Scale(
        unit=ldexp(1.0, frexp(typical)[1]),
        floor=0.0 if min(values) >= 0 else -np.inf,
        digits=Decimal(1).scaleb(-min(max(places, _FEWEST_DIGITS), _MOST_DIGITS)),
    )
