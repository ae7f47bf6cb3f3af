"""Reads a raw record of the stream; what cannot be read still says which number it bears, if that much is legible."""

from collections.abc import Iterable
from dataclasses import dataclass

from aiokafka import ConsumerRecord

from shared.contracts.headers import whole
from shared.contracts.records import CONTRACT, EpochRecord, StreamRecord, UndecodableError, decode_record

Headers = Iterable[tuple[str, bytes | None]]
_LAST_EPOCH = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Poison: `number` is None if not even that can be read, and then the relay never wrote it."""

    number: int | None
    reason: str
    newer: int | None = None
    """The contract under which it was written, if this build is too old for that: then it is no poison."""


def number_of(headers: Headers) -> int | None:
    """The number that a record bears within its partition; of a header that comes twice the last one counts."""
    return _whole(headers, "q_number")


def epoch_of(headers: Headers) -> int | None:
    """The epoch in which a record bears its number."""
    return _whole(headers, "q_epoch")


def contract_of(headers: Headers) -> int | None:
    """The contract under which a record was written."""
    return _whole(headers, "q_contract")


def _whole(headers: Headers, wanted: str) -> int | None:
    values = [value for name, value in headers if name == wanted]
    try:
        return whole(values[-1].decode()) if values and values[-1] is not None else None
    except ValueError:
        return None


def read_record(raw: ConsumerRecord) -> StreamRecord | EpochRecord | Unreadable:
    """What a record of the stream says."""
    try:
        record = decode_record(raw.key, raw.value, raw.headers)
    except UndecodableError as error:
        written = contract_of(raw.headers) or 0
        return Unreadable(number_of(raw.headers) or None, error.detail, written if written > CONTRACT else None)
    return record if record.epoch <= _LAST_EPOCH else Unreadable(None, "There is no such epoch.")
