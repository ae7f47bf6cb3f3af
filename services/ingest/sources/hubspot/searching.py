"""The search for what changed, beyond its 10,000 results a query: a new query goes on from the last time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.ingest.sources.calling import ApiAnswerError
from services.ingest.sources.hubspot.properties import moment
from services.ingest.sources.payload import micros_since_1970, text

PAGE = 100
MOST = 10_000
"""Results of one query."""
_CHANGED = "hs_lastmodifieddate"
_NUMBER = "hs_object_id"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the search stands: from a millisecond on, so many results into it; or, within one millisecond that fills a
    whole query, behind an object."""

    millis: int
    offset: str = ""
    behind: str = ""

    @staticmethod
    def of(page: str | None, since: datetime) -> "Place":
        """The place that a page names; the beginning without one."""
        if page is None:
            return Place(micros_since_1970(since) // 1000)
        millis, offset, behind = page.split(":")
        return Place(int(millis), offset, behind)

    @property
    def text(self) -> str:
        """As a page."""
        return f"{self.millis}:{self.offset}:{self.behind}"


def search(place: Place, until: datetime) -> Mapping[str, object]:
    """The body of the query."""
    if place.behind:
        filters = [_filter(_CHANGED, "EQ", str(place.millis)), _filter(_NUMBER, "GT", place.behind)]
    else:
        end = micros_since_1970(until) // 1000 + 1
        filters = [_filter(_CHANGED, "GTE", str(place.millis)), _filter(_CHANGED, "LT", str(end))]
    body: dict[str, object] = {
        "filterGroups": [{"filters": filters}],
        "sorts": [{"propertyName": _NUMBER if place.behind else _CHANGED, "direction": "ASCENDING"}],
        "properties": [_CHANGED, _NUMBER],
        "limit": PAGE,
    }
    return body | ({"after": place.offset} if place.offset else {})


def _filter(name: str, operator: str, value: str) -> dict[str, str]:
    return {"propertyName": name, "operator": operator, "value": value}


def after_page(place: Place, hits: Sequence[Mapping[str, Any]], offset: str, most: int = MOST) -> Place | None:
    """The place after a page of results; None after the last."""
    if place.behind:
        return Place(place.millis, behind=_of(hits[-1], _NUMBER)) if hits else Place(place.millis + 1)
    if not offset or not hits:
        return None
    if offset.isdecimal() and int(offset) + PAGE <= most:
        return Place(place.millis, offset)
    last = micros_since_1970(moment(_of(hits[-1], _CHANGED))) // 1000
    # All of a query within one millisecond: from the smallest number on, whatever came already comes again.
    return Place(last) if last > place.millis else Place(place.millis, behind="0")


def _of(hit: Mapping[str, Any], name: str) -> str:
    properties = hit.get("properties")
    found = text(properties.get(name)) if isinstance(properties, dict) else None
    if found is None:
        raise ApiAnswerError(f"HubSpot answered an object without {name}.")
    return found
