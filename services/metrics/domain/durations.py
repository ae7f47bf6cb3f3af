"""ISO 8601 durations as callers write them: exact ones only, for a month has no length."""

import re
from datetime import timedelta

_DURATION = re.compile(
    r"P(?!$)(?:(?P<weeks>\d{1,4})W)?(?:(?P<days>\d{1,5})D)?"
    r"(?:T(?!$)(?:(?P<hours>\d{1,5})H)?(?:(?P<minutes>\d{1,6})M)?(?:(?P<seconds>\d{1,7})S)?)?",
    re.ASCII,
)
WORDS = "must be an ISO 8601 duration of weeks, days, hours, minutes and seconds, such as P30D or PT15M"


def read_duration(text: str) -> timedelta:
    """Raises ValueError for anything that is not exact."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(WORDS)
    return timedelta(**{unit: int(amount) for unit, amount in found.groupdict().items() if amount})


def read_days(text: str) -> int:
    """A duration of whole days."""
    span = read_duration(text)
    if span % timedelta(days=1):
        raise ValueError("must be whole days, such as P30D")
    return span.days
