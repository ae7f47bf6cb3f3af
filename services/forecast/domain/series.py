"""A regular series of business figures: what stood in each complete period, without holes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

from shared.kernel.errors import InvalidInputError
from shared.kernel.period import Calendar, Grain

_STEPS = Calendar(ZoneInfo("UTC"))
"""From one period's start to the next: neither the zone nor the fiscal year plays a part."""


@dataclass(frozen=True, slots=True)
class Point:
    """What a complete period that starts on `start` came to."""

    start: date
    value: Decimal


def following(start: date, grain: Grain, count: int) -> tuple[date, ...]:
    """The starts of the next `count` periods after the one that starts on `start`."""
    starts = [start]
    for _ in range(count):
        starts.append(_STEPS.next_start(starts[-1], grain))
    return tuple(starts[1:])


def regular(values: Mapping[date, Decimal], first: date, last: date, grain: Grain) -> tuple[Point, ...]:
    """The flow from the period starting on `first` to the one starting on `last`, both inclusive.

    A period in which nothing was posted came to zero; the caller leaves out a period that is not complete yet.
    """
    points: list[Point] = []
    start = first
    while start <= last:
        points.append(Point(start, values.get(start, Decimal(0))))
        start = _STEPS.next_start(start, grain)
    return tuple(points)


def require_regular(history: Sequence[Point], grain: Grain) -> None:
    """Raises `InvalidInputError` for a hole, a repetition, a disorder or a value that is not finite."""
    for point in history:
        if not point.value.is_finite():
            raise InvalidInputError(f"the period {point.start} holds {point.value}: give finite numbers")
    for before, after in pairwise(history):
        expected = _STEPS.next_start(before.start, grain)
        if after.start != expected:
            raise InvalidInputError(
                f"after the {grain} of {before.start} comes {expected}, not {after.start}: fill in what is missing"
            )
