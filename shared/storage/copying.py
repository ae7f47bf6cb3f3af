"""Postings in PostgreSQL's binary COPY format, put together from pieces: what many rows share is encoded once.

A cell has some thirty columns; its dimensions, amounts, days and fact each come again in the rows of a batch.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from operator import getitem
from typing import Any

from shared.kernel.ledger import Cell, Dimensions, Ledger, Measures
from shared.kernel.money import plain

HEAD = ("partition", "number", "entity", "known_on", "day", "fact")
"""The columns of a ledger before its dimensions and measures."""

_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
_TRAILER = struct.pack(">h", -1)
_NULL = struct.pack(">i", -1)
_ZERO_DAY = date(2000, 1, 1).toordinal()
_NEGATIVE = struct.pack(">H", 0x4000)
_BASE_DIGITS = 4
_MOST = 65_536

_whole = struct.Struct(">ii").pack
_long = struct.Struct(">iq").pack

Encode = Callable[[Any], bytes]


class PostingRows:
    """Rows of one ledger, appended by one transaction of a partition."""

    def __init__(self, ledger: Ledger, partition: int, number: int) -> None:
        self.columns = (*HEAD, *ledger.dimension_types, *ledger.measure_types)
        self.count = 0
        self._dimensions = [_DIMENSION[kind] for kind in ledger.dimension_types.values()]
        self._measures = [_MEASURE[kind] for kind in ledger.measure_kinds]
        self._begin = struct.pack(">h", len(self.columns)) + _whole(4, partition) + _long(8, number)
        self._pieces: list[bytes] = [_SIGNATURE]
        self._places: dict[Dimensions, bytes] = {}
        self._amounts: dict[Measures, bytes] = {}

    def add(self, entity: str, cells: Mapping[Cell, Measures]) -> None:
        """What an entity posts to this ledger."""
        begin = self._begin + _text(entity)
        pieces, places, all_amounts = self._pieces, self._places, self._amounts
        for (_, known_on, day, fact, dimensions), measures in cells.items():
            if (place := places.get(dimensions)) is None:
                place = places[dimensions] = _join(self._dimensions, dimensions)
            if (amounts := all_amounts.get(measures)) is None:
                amounts = all_amounts[measures] = _join(self._measures, measures)
            pieces += (begin, _DAYS[known_on], _DAYS[day], _TEXTS[fact], place, amounts)
        self.count += len(cells)

    def packed(self) -> bytes:
        """All of them, as COPY reads them."""
        return b"".join((*self._pieces, _TRAILER))


class _Encoded(dict[Any, bytes]):
    """What was encoded before is found without a call of Python: stages, members, products and amounts come again and
    again. It is all forgotten when it grows too large."""

    def __init__(self, encode: Encode) -> None:
        super().__init__()
        self._encode = encode

    def __missing__(self, value: Any) -> bytes:
        if len(self) >= _MOST:
            self.clear()
        encoded = _NULL if value is None else self._encode(value)
        self[value] = encoded
        return encoded


def _join(encoded: Sequence[_Encoded], values: Sequence[object]) -> bytes:
    if len(encoded) != len(values):
        raise ValueError("values of two ledgers cannot be written as one")
    return b"".join(map(getitem, encoded, values))


def _text(value: str) -> bytes:
    encoded = value.encode()
    return len(encoded).to_bytes(4, "big") + encoded


def _date(day: date) -> bytes:
    return _whole(4, day.toordinal() - _ZERO_DAY)


def _numeric(value: Decimal) -> bytes:
    """Digits in base 10,000, with as many after the point as the number needs."""
    if value < 0:  # what is taken back was mostly posted just before; unary minus would round
        packed = _NUMERICS[value.copy_negate()]
        return packed[:8] + _NEGATIVE + packed[10:]
    whole, _, fraction = plain(value).partition(".")
    whole = whole.zfill(-(-len(whole) // _BASE_DIGITS) * _BASE_DIGITS)
    digits = whole + fraction.ljust(-(-len(fraction) // _BASE_DIGITS) * _BASE_DIGITS, "0")
    groups = [int(digits[at : at + _BASE_DIGITS]) for at in range(0, len(digits), _BASE_DIGITS)]
    weight = len(whole) // _BASE_DIGITS - 1
    while groups and not groups[-1]:
        groups.pop()
    leading = next((place for place, group in enumerate(groups) if group), 0)
    groups, weight = groups[leading:], weight - leading if groups else 0
    body = struct.pack(f">hhHh{len(groups)}h", len(groups), weight, 0, len(fraction), *groups)
    return len(body).to_bytes(4, "big") + body


_TEXTS, _DAYS, _NUMERICS = _Encoded(_text), _Encoded(_date), _Encoded(_numeric)
_DIMENSION: Mapping[type, _Encoded] = {
    str: _TEXTS,
    int: _Encoded(lambda value: _whole(4, value)),
    bool: _Encoded(lambda value: b"\0\0\0\1\1" if value else b"\0\0\0\1\0"),
}
_MEASURE: Mapping[type, _Encoded] = {int: _Encoded(lambda value: _long(8, value)), Decimal: _NUMERICS}
