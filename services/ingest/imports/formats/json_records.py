"""Records of a file of JSON lines: one object a line, what is nested under names with dots between."""

import csv
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TextIO

from services.ingest.imports.formats.records import LONGEST_FIELD, NO_TROUBLES, Limits, Lines, UnreadableError
from shared.contracts.strict_json import Number, parse
from shared.kernel.errors import QuintantError

_FIELD_TOO_LONG = f"is longer than {LONGEST_FIELD:,} characters"
_LARGEST_EXPONENT = 64
_NO_NUMBER = "is a number that is too large or too fine to be written out"


class JsonRecords:
    """The header has every key that some line says, in the order in which they come first; a key that a line does not
    say, or says as null, is a blank cell. `number` counts lines."""

    def __init__(self, text: TextIO, limits: Limits) -> None:
        self._limits = limits
        self._header = _header(text, limits)
        text.seek(0)
        self._lines = Lines(text, limits.line_characters)
        self._said_header = False
        self.number = 0
        self.troubles: Mapping[int, str] = NO_TROUBLES
        self.notice: str | None = None

    def __iter__(self) -> "JsonRecords":
        return self

    def __next__(self) -> list[str] | str:
        if not self._said_header:
            self._said_header = True
            return list(self._header)
        self.troubles = NO_TROUBLES
        try:
            line = next(self._lines)
        except csv.Error as error:
            return str(error)
        finally:
            self.number = self._lines.read
        return self._record(line) if line.strip() else []

    def _record(self, line: str) -> list[str] | str:
        try:
            members = read_object(line)
        except ValueError as error:
            return str(error)
        if not members.keys() <= self._header.keys():
            return f"has a key beyond the first {self._limits.columns:,} different ones of this file"
        cells, troubles = [""] * len(self._header), {}
        for name, value in members.items():
            place = self._header[name]
            cells[place] = _text(value)
            if reason := _trouble(value, cells[place]):
                troubles[place] = reason
        self.troubles = troubles or NO_TROUBLES
        return cells


def _header(text: TextIO, limits: Limits) -> dict[str, int]:
    """Where each key stands. Raises UnreadableError if no line is an object."""
    found: dict[str, int] = {}
    lines = Lines(text, limits.line_characters)
    while True:
        try:
            line = next(lines)
            names = read_object(line) if line.strip() else {}
        except StopIteration:
            break
        except (csv.Error, ValueError):
            continue
        for name in names:
            if name not in found and len(found) < limits.columns:
                found[name] = len(found)
    if not found:
        raise UnreadableError("has no line that is a JSON object")
    return found


def read_object(line: str) -> dict[str, object]:
    """The members of an object, what is nested under `outer.inner`, the entries of a list under `outer.0`. Raises
    ValueError with the reason."""
    try:
        value = parse(line.strip().encode("utf-8", "surrogatepass"))
    except QuintantError as error:
        raise ValueError(f"is no JSON line: {error.detail[:1].lower()}{error.detail[1:]}") from None
    if not isinstance(value, dict):
        raise ValueError("is no JSON object")  # noqa: TRY004 - it is what is wrong with the text
    members: dict[str, object] = {}
    for name, leaf in _leaves("", value):
        if name in members:
            raise ValueError(f"says {name[:60]!r} twice: nested, and with a dot in its name")
        members[name] = leaf
    return members


def _leaves(name: str, value: object) -> Iterator[tuple[str, object]]:
    inside: Iterator[tuple[object, object]]
    if isinstance(value, dict):
        inside = iter(value.items())
    elif isinstance(value, list):
        inside = iter(enumerate(value))
    else:
        yield name, value
        return
    for key, item in inside:
        yield from _leaves(f"{name}.{key}".strip() if name else str(key).strip(), item)


def _text(value: object) -> str:
    if isinstance(value, Number):
        return _written_out(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _written_out(number: Number) -> str:
    """Exactly the number that was written, without an exponent; as it is where that would be too long."""
    mantissa, _, exponent = number.lower().partition("e")
    if not exponent or len(mantissa) > _LARGEST_EXPONENT or abs(int(exponent[:6])) > _LARGEST_EXPONENT:
        return str(number)
    return format(Decimal(number), "f")


def _trouble(value: object, text: str) -> str | None:
    if len(text) > LONGEST_FIELD:
        return _FIELD_TOO_LONG
    return _NO_NUMBER if isinstance(value, Number) and "e" in text.lower() else None
