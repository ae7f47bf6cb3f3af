"""What a cell means: dates, times and numbers as spreadsheets write them. A reason never repeats the cell."""

import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from functools import cache


class CellError(ValueError):
    """This cell cannot be read so; the message is the reason."""


_NOON = 12
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_PARTS = re.compile(r"YYYY|MM|M|DD|D|hh|h|mm|ss|AM")
_DIGITS = {
    "YYYY": r"(?P<year>[0-9]{4})",
    "MM": r"(?P<month>[0-9]{2})",
    "M": r"(?P<month>[0-9]{1,2})",
    "DD": r"(?P<day>[0-9]{2})",
    "D": r"(?P<day>[0-9]{1,2})",
    "hh": r"(?P<hour>[0-9]{2})",
    "h": r"(?P<hour>[0-9]{1,2})",
    "mm": r"(?P<minute>[0-9]{2})",
    "ss": r"(?P<second>[0-9]{2})",
    "AM": r"(?P<half>[AaPp][Mm])",
}


def read_day(text: str) -> date:
    """ISO 8601: 2026-03-31."""
    if not _DAY.fullmatch(text):
        raise CellError("must be a date such as 2026-03-31")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CellError("is no day of the calendar") from None


def read_instant(text: str) -> datetime:
    """ISO 8601; aware if it names an offset, else in the company's zone. A date is the start of that day."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or (len(text) <= len("2026-03-31") and not _DAY.fullmatch(text)):
        raise CellError("must be a time such as 2026-03-31T09:00:00 or 2026-03-31 09:00:00+08:00")
    return found


@cache
def day_reader(layout: str) -> Callable[[str], date]:
    """Reads dates of a layout such as DD.MM.YYYY. Raises ValueError if the layout does not name a whole date."""
    read = instant_reader(layout)
    if _PARTS.findall(layout)[3:]:
        raise ValueError("the layout of a date has no time of day")
    return lambda text: read(text).date()


@cache
def instant_reader(layout: str) -> Callable[[str], datetime]:
    """Reads times of a layout such as DD/MM/YYYY hh:mm. Raises ValueError if it does not name a whole date."""
    parts = _PARTS.findall(layout)
    signs = [part[0] for part in parts]
    is_whole = sorted(sign for sign in signs if sign in "YMD") == ["D", "M", "Y"]
    if not is_whole or len(set(signs)) < len(signs) or ("A" in signs and "h" not in signs):
        raise ValueError("a layout names YYYY, MM (or M) and DD (or D) once, and hh (or h), mm, ss, AM at most once")
    pattern = "".join(_DIGITS.get(piece, re.escape(piece)) for piece in re.split(f"({_PARTS.pattern})", layout))
    match = re.compile(pattern).fullmatch

    def read(text: str) -> datetime:
        found = match(text)
        if found is None:
            raise CellError(f"must be written {layout}")
        try:
            return _moment(found.groupdict())
        except ValueError:
            raise CellError("is no day of the calendar") from None

    return read


def _moment(parts: dict[str, str]) -> datetime:
    """Raises ValueError if there is no such day or hour."""
    half = parts.pop("half", None)
    numbers = {name: int(digits) for name, digits in parts.items()}
    if half is not None:
        if not 1 <= numbers["hour"] <= _NOON:
            raise ValueError("no hour of half a day")
        numbers["hour"] = numbers["hour"] % _NOON + (_NOON if half in ("PM", "pm", "Pm", "pM") else 0)
    return datetime(**numbers)  # type: ignore[arg-type] # noqa: DTZ001 - the zone comes later


_LONGEST_NUMBER = 64
_PLAIN = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_POINT = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|" + _PLAIN.pattern)
_COMMA = re.compile(r"[+-]?(?:[0-9]{1,3}(?:[. \u00a0\u202f][0-9]{3})+|[0-9]+)(?:,[0-9]+)?")
_NOT_COMMA = str.maketrans({".": None, " ": None, "\u00a0": None, "\u202f": None, ",": "."})
_NOT_POINT = str.maketrans({",": None})


def read_decimal(text: str) -> Decimal:
    """1234.50: digits and at most one point; no blanks, no exponent, no currency sign."""
    if len(text) > _LONGEST_NUMBER or not _PLAIN.fullmatch(text):
        raise CellError("must be a number such as 1234.50")
    return Decimal(text)


def read_decimal_point(text: str) -> Decimal:
    """1,234.50: commas may part the thousands."""
    if len(text) > _LONGEST_NUMBER or not _POINT.fullmatch(text):
        raise CellError("must be a number such as 1,234.50")
    return Decimal(text.translate(_NOT_POINT))


def read_decimal_comma(text: str) -> Decimal:
    """1.234,50 or 1 234,50: points or blanks may part the thousands."""
    if len(text) > _LONGEST_NUMBER or not _COMMA.fullmatch(text):
        raise CellError("must be a number such as 1.234,50")
    return Decimal(text.translate(_NOT_COMMA))


DECIMAL_STYLES: dict[str, Callable[[str], Decimal]] = {
    "plain": read_decimal,
    "point": read_decimal_point,
    "comma": read_decimal_comma,
}
