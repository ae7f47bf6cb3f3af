"""Records as a consumer brings them."""

from datetime import UTC, date, datetime

from aiokafka import ConsumerRecord

from shared.contracts.records import EpochRecord, StreamRecord
from shared.storage.position import Position

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def event(number: int, *, epoch: int = 1) -> StreamRecord:
    return StreamRecord(
        entity="deal",
        source="/crm",
        id=f"e{epoch}-{number}",
        subject="d1",
        time=NOON,
        sequence=0,
        data=b'{"id":"d1"}',
        epoch=epoch,
        number=number,
        known_on=date(2026, 3, 1),
        accepted_at=NOON,
        recorded_on=date(2026, 3, 1),
    )


def raw(offset: int, told: StreamRecord | EpochRecord | None, *, number: bytes | None = None) -> ConsumerRecord:
    """A record at an offset; None is poison, which may bear a number."""
    if told is None:
        key, value, headers = b"k", b"{", [("q_number", number)] if number is not None else []
    else:
        key, value, headers = told.encode()
    return ConsumerRecord("t", 0, offset, 0, 0, key, value, None, len(key), len(value), tuple(headers))


def at(number: int, *, epoch: int = 1) -> Position:
    return Position(0, 1, "", epoch, number)
