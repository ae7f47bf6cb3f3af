"""Numbers from outside the company: macro data, market size, awareness, prices of others."""

from msgspec import UNSET

from shared.contracts.events.data import EntityData, Part, Said
from shared.contracts.values import Amount, DayKey, Label


class Point(Part, kw_only=True, frozen=True):
    """The value of a series on a day."""

    value: Said[Amount] = UNSET


class ExternalSeries(EntityData, kw_only=True, frozen=True):
    """A dated series with its source."""

    name: Said[Label] = UNSET
    unit: Said[Label] = UNSET
    points: Said[dict[DayKey, Point | None]] = UNSET
    """By ISO date; null removes a point."""
    provider: Said[Label] = UNSET
    """Who published it."""
    country: Said[Label] = UNSET
