"""Bodies of answers. Decimals are plain strings, never floats or exponents; times are RFC 3339 UTC; a CSV is safe to
open in a spreadsheet.
"""

import csv
import dataclasses
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from urllib.parse import quote

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from shared.http.caching import conditional
from shared.http.freshness import Freshness
from shared.http.paging import Page, link_next

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def number_text(number: Decimal) -> str:
    """All digits, scale kept, no exponent. ValueError for NaN and infinities, which no answer may hold."""
    if not number.is_finite():
        raise ValueError("no answer may hold NaN or an infinity")
    text = format(number, "f")
    return text[1:] if text.startswith("-") and number.is_zero() else text


def time_text(at: datetime) -> str:
    """RFC 3339 in UTC with `Z`. ValueError for a naive time."""
    if at.tzinfo is None:
        raise ValueError("a time without an offset means nothing")
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def duration_text(span: timedelta) -> str:
    """ISO 8601 in seconds: `PT5400S`, `-PT0.5S`."""
    seconds = Decimal(span // timedelta(microseconds=1)).scaleb(-6).normalize()
    return f"{'-' if seconds < 0 else ''}PT{number_text(abs(seconds))}S"


def encode(content: Any) -> bytes:
    """Compact UTF-8 JSON of dicts, lists, scalars, Decimal, dates, dataclasses (Money is one), Structs, enums."""
    return json.dumps(content, default=_other, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _other(value: object) -> object:
    match value:
        case Decimal():
            return number_text(value)
        case datetime():
            return time_text(value)
        case date():
            return value.isoformat()
        case timedelta():
            return duration_text(value)
        case Enum():
            return value.value
        case msgspec.Struct():
            return msgspec.structs.asdict(value)
        case Mapping():
            return dict(value)
        case _ if dataclasses.is_dataclass(value):
            return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        case _:
            raise TypeError(f"no JSON form is defined for {type(value).__name__}")


class JsonResponse(Response):
    """JSON as `encode` writes it."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return encode(content)


class CsvResponse(Response):
    """RFC 4180, UTF-8, with a header line. `filename` is what a browser saves it as."""

    media_type = "text/csv"

    def __init__(self, columns: Sequence[str], rows: Iterable[Sequence[object]], *, filename: str = "") -> None:
        headers = {"content-disposition": f"attachment; filename*=UTF-8''{quote(filename)}"} if filename else {}
        super().__init__(csv_text(columns, rows), headers=headers, media_type="text/csv; charset=utf-8; header=present")


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The file as text. A text that a spreadsheet would run as a formula gets a leading apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(_cell(column) for column in columns)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue()


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return f"'{value}" if value.startswith(_FORMULA) and not _NUMBER.fullmatch(value) else value
        case int():
            return str(value)
        case Decimal() | datetime() | date() | timedelta() | Enum():
            return _cell(_other(value))
        case _:
            raise TypeError(f"no CSV form is defined for {type(value).__name__}")


def answer(request: Request, body: Mapping[str, Any], freshness: Freshness | None = None) -> Response:
    """A 200 with the freshness beside the data, a strong ETag, and 304 when the caller has it already."""
    members = {**body, **(freshness.members() if freshness else {})}
    return conditional(request, JsonResponse(members))


def list_answer(
    request: Request,
    items: Sequence[Any],
    page: Page,
    after: Sequence[object] | None,
    freshness: Freshness | None = None,
) -> Response:
    """A page of a list. `after` is the sort key of its last item when more follow, else `None`."""
    cursor = page.cursor_after(after) if after is not None else None
    response = answer(request, {"items": items, "next": cursor}, freshness)
    if cursor is not None:
        response.headers["link"] = link_next(request, cursor)
    return response


def csv_answer(
    request: Request,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    freshness: Freshness | None = None,
    *,
    filename: str = "",
) -> Response:
    """A table as CSV; freshness travels in headers, for a CSV has no room beside the data."""
    response = conditional(request, CsvResponse(columns, rows, filename=filename))
    for name, value in (freshness.members() if freshness else {}).items():
        text = "" if value is None else time_text(value) if isinstance(value, datetime) else str(value)
        response.headers[f"quintant-{name.replace('_', '-')}"] = text
    return response
