"""How a column writes its dates, told by its values; where they do not tell, it says so."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.ingest.imports.cell_values import CellError, instant_reader, read_day, read_instant
from services.ingest.imports.guess.samples import is_tolerable

DAY_FIRST, MONTH_FIRST = "day-first", "month-first"
_DATE = re.compile(
    r"(?P<a>[0-9]{1,4})(?P<s>[-/.年])(?P<b>[0-9]{1,2})(?P<t>[-/.月])(?P<c>[0-9]{1,4})(?P<u>日?)"
    r"(?:(?P<v>[T ]+)(?P<hour>[0-9]{1,2}):[0-9]{2}(?P<second>:[0-9]{2})?(?P<half> ?[AaPp][Mm])?)?"
)
_COMPACT = re.compile(r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])")
_MONTHS = 12
_YEAR_DIGITS = 4


@dataclass(frozen=True, slots=True)
class DateStyle:
    """How dates are written. `layout` is None for ISO 8601."""

    layout: str | None
    has_time: bool
    is_ambiguous: bool = False
    """Whether the layout stands for day first, and month first would be as good."""

    @property
    def filters(self) -> str:
        """As they stand in an expression."""
        return f"{'instant' if self.has_time else 'date'}{f':{self.layout}' if self.layout else ''}"

    def as_order(self, order: str) -> "DateStyle":
        """The same with the order that somebody said."""
        layout = self.layout or ""
        if order == MONTH_FIRST:
            layout = layout.replace("D", "\0").replace("M", "D", 2 if "MM" in layout else 1)
            layout = layout.replace("\0", "M")
        return replace(self, layout=layout, is_ambiguous=False)


def date_style(values: Sequence[str]) -> DateStyle | None:
    """How a column writes dates; None if it holds none. `values` are not blank."""
    wrong = {style: sum(not _reads(style, value) for value in values) for style in _candidates(values)}
    best = min(wrong, key=wrong.__getitem__, default=None)
    return best if best is not None and is_tolerable(wrong[best], len(values)) else None


def _candidates(values: Sequence[str]) -> list[DateStyle]:
    iso = [DateStyle(None, has_time=False), DateStyle(None, has_time=True)]
    compact = [DateStyle("YYYYMMDD", has_time=False)] if all(map(_COMPACT.fullmatch, values)) else []
    found = [match for value in values if (match := _DATE.fullmatch(value))]
    return [*iso, *compact, *_layouts(found)] if values else []


def _layouts(found: Sequence[re.Match[str]]) -> list[DateStyle]:
    """The layout of the first value, in the order of the parts that all values allow."""
    if not found:
        return []
    first = found[0]
    padded = any(one[part][0] == "0" for one in found for part in "abc" if len(one[part]) < _YEAR_DIGITS)
    day, month = ("DD", "MM") if padded else ("D", "M")
    clock = _clock(found)
    time = f"{first['v']}{clock}" if clock else ""
    if len(first["a"]) == _YEAR_DIGITS:
        return [DateStyle(f"YYYY{first['s']}{month}{first['t']}{day}{first['u']}{time}", has_time=bool(time))]
    if len(first["c"]) != _YEAR_DIGITS:
        return []
    is_day_first = any(int(one["a"]) > _MONTHS for one in found) or first["s"] == "."
    is_month_first = any(int(one["b"]) > _MONTHS for one in found)
    style = DateStyle(f"{day}{first['s']}{month}{first['t']}YYYY{time}", has_time=bool(time))
    if is_day_first or is_month_first:
        return [style if is_day_first else style.as_order(MONTH_FIRST)]
    is_ambiguous = any(one["a"] != one["b"] for one in found)
    return [replace(style, is_ambiguous=is_ambiguous)]


def _clock(found: Sequence[re.Match[str]]) -> str:
    timed = next((one for one in found if one["hour"]), None)
    if timed is None:
        return ""
    hour = "hh" if all(len(one["hour"] or "00") == len("hh") for one in found) else "h"
    half = (" AM" if timed["half"].startswith(" ") else "AM") if timed["half"] else ""
    return f"{hour}:mm{':ss' if timed['second'] else ''}{half}"


def _reads(style: DateStyle, value: str) -> bool:
    try:
        if style.layout:
            instant_reader(style.layout)(value)
        elif style.has_time:
            read_instant(value)
        else:
            read_day(value)
    except CellError:
        return False
    return True
