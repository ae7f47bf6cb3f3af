"""Reads a raw record of the stream; what cannot be read still says which number it bears, if that much is legible."""

from collections.abc import Iterable
from dataclasses import dataclass

from aiokafka import ConsumerRecord

from shared.contracts.records import EpochRecord, StreamRecord, UndecodableError, decode_record

Headers = Iterable[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Poison: `number` is None if not even that can be read, and then the relay never wrote it."""

    number: int | None
    reason: str


def number_of(headers: Headers) -> int | None:
    """The number that a record bears within its partition."""
    for name, value in headers:
        if name == "q_number":
            return int(value) if value.isdigit() else None
    return None


def read_record(raw: ConsumerRecord) -> StreamRecord | EpochRecord | Unreadable:
    """What a record of the stream says."""
    try:
        return decode_record(raw.key, raw.value, raw.headers)
    except UndecodableError as error:
        return Unreadable(number_of(raw.headers), error.detail)
