"""Series for the forecast tests: synthetic and seeded, so that what is true of them is known."""

import math
import random
from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from services.forecast.domain.series import Point, following
from shared.kernel.period import Grain

START = date(2021, 1, 1)


def months(values: Iterable[float | Decimal | str]) -> tuple[Point, ...]:
    """The values, to the cent, month by month from January 2021."""
    cents = [Decimal(str(value)).quantize(Decimal("0.01")) for value in values]
    return tuple(Point(start, cent) for start, cent in zip(starts(len(cents)), cents, strict=True))


def starts(count: int) -> tuple[date, ...]:
    return (START, *following(START, Grain.MONTH, count - 1))


def seeded(seed: int) -> random.Random:
    """The same draws for the same seed."""
    return random.Random(seed)  # noqa: S311 - a simulation, no secret


def seasonal(
    count: int, *, seed: int, noise: float, trend: float = 0.0, level: float = 100_000.0, season: int = 12
) -> list[float]:
    """A sine of a fifth of the level over each season, a straight trend per period, and Gaussian noise."""
    draw = seeded(seed)
    wave = [level / 5 * math.sin(2 * math.pi * i / season) for i in range(season)]
    return [level + trend * i + wave[i % season] + draw.gauss(0, noise) for i in range(count)]
