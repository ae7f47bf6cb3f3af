"""Kafka's record batch (format 2), put together from records that are bytes already.

aiokafka's own builder takes every header of every record one by one; the relay puts most of them together once for all.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from aiokafka.record.util import calc_crc32c

_HEAD = struct.Struct(">qiibIhiqqqhii")
"""Base offset, length, leader epoch, format, CRC, attributes, last offset, first and last time, producer, records."""
_AFTER_LENGTH, _CRC_AT, _AFTER_CRC = 12, 17, 21
_CRC = struct.Struct(">I")
_FORMAT = 2
_NONE = b"\x01"
"""The length of a key, value or header that is null: minus one."""
_SAME = b"\0\0"
"""A record's attributes, and that its time is the batch's."""
_MOST_AROUND = 10
"""Bytes around a framed record, at most."""


def _written(count: int) -> bytes:
    rest, written = 2 * count, bytearray()
    while rest > 127:
        written.append(rest & 127 | 128)
        rest >>= 7
    written.append(rest)
    return bytes(written)


LENGTHS = tuple(_written(count) for count in range(8192))
"""`length` of what is short."""
_PLACES = tuple(_SAME + written for written in LENGTHS)
"""What stands between a record's length and its key, by its place in the batch."""


def length(count: int) -> bytes:
    """A length as Kafka writes it: doubled, seven bits in a byte, the lowest first."""
    return LENGTHS[count] if count < len(LENGTHS) else _written(count)


def sized(value: bytes | None) -> bytes:
    """Bytes with their length before them. Poison also has headers that are null, and is kept as it was."""
    return _NONE if value is None else length(len(value)) + value


def frame(key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes | None]]) -> bytes:
    """A record without what depends on its place in a batch: length, attributes, time and offset."""
    listed = list(headers)
    parts = [sized(key), sized(value), length(len(listed))]
    for name, said in listed:
        parts += (_named(name), sized(said))
    return b"".join(parts)


@lru_cache
def _named(name: str) -> bytes:
    return sized(name.encode())


class Batch:
    """Framed records as one batch: what aiokafka's producer asks of its own builder, and no more."""

    def __init__(self, parts: Sequence[bytes], count: int, milliseconds: int) -> None:
        self._count = count
        self._bytes = bytearray().join((bytes(_HEAD.size), *parts))
        length = len(self._bytes) - _AFTER_LENGTH
        _HEAD.pack_into(
            self._bytes, 0, 0, length, -1, _FORMAT, 0, 0, count - 1, milliseconds, milliseconds, -1, -1, 0, count
        )
        _CRC.pack_into(self._bytes, _CRC_AT, calc_crc32c(memoryview(self._bytes)[_AFTER_CRC:]))

    def size(self) -> int:
        return len(self._bytes)

    def record_count(self) -> int:
        return self._count

    def close(self) -> None:
        """Nothing can be added anyway."""

    def closed(self) -> bool:
        return True

    def _build(self) -> bytearray:
        return self._bytes


def batches(records: Sequence[bytes], milliseconds: int, largest: int) -> Iterator[Batch]:
    """Framed records in order, in batches of at most so many bytes, of the present Unix time. A record that is larger
    than that goes alone."""
    parts: list[bytes] = []
    count, size = 0, _HEAD.size
    for record in records:
        if count and (size + len(record) + _MOST_AROUND > largest or count == len(LENGTHS)):
            yield Batch(parts, count, milliseconds)
            parts, count, size = [], 0, _HEAD.size
        place = _PLACES[count]
        inside = len(place) + len(record)
        written = LENGTHS[inside] if inside < len(LENGTHS) else length(inside)
        parts += (written, place, record)
        count += 1
        size += len(written) + inside
    if count:
        yield Batch(parts, count, milliseconds)
