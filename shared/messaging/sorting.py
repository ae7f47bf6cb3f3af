"""Puts a fetch in order against a position: what comes next, what is a duplicate, what is poison, where a gap is.

Pure, so that it can be tried again: a relay may repeat, overlap, and fill a gap later, even within one fetch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeGuard

import structlog
from aiokafka import ConsumerRecord

from shared.contracts.records import EpochRecord, StreamRecord
from shared.messaging.reading import Unreadable, read_record
from shared.storage.position import Position

_LOG = structlog.get_logger(__name__)
Read = StreamRecord | EpochRecord | Unreadable


@dataclass(frozen=True, slots=True)
class Poison:
    """A record that cannot be read."""

    raw: ConsumerRecord
    reason: str
    good_before: int
    """Readable records between it and the poison before it."""


@dataclass(slots=True)
class Sorted:
    """What can be applied in one go."""

    records: list[StreamRecord] = field(default_factory=list)
    dead: list[int] = field(default_factory=list)
    """Numbers among them that were unreadable."""
    poison: list[Poison] = field(default_factory=list)
    good_after: int = 0
    """Readable records after the last poison."""
    duplicates: int = 0
    gap: bool = False
    """Something was passed over because its predecessor is missing."""
    epoch: EpochRecord | None = None
    """Begins after these records; `rest` has to be sorted against the position after that."""
    rest: Sequence[ConsumerRecord] = ()
    end: int = -1
    """Offset of the last record that was sorted."""
    too_new: Unreadable | None = None
    """What comes after these records, and has to wait for a newer build."""


def sort(fetched: Sequence[ConsumerRecord], position: Position) -> Sorted:
    """Sort what was fetched from a partition against how far it is applied."""
    sorter = _Sorter(position)
    for index, raw in enumerate(fetched):
        record = read_record(raw)
        if (began := sorter.begins(record)) is not None:
            sorter.todo.epoch = began
            sorter.todo.rest = fetched[index + isinstance(record, EpochRecord) :]
            return sorter.todo
        if sorter.is_too_new(record):
            sorter.todo.too_new = record
            return sorter.todo
        sorter.take(raw, record)
        sorter.todo.end = raw.offset
    sorter.todo.gap = sorter.beyond > sorter.number
    return sorter.todo


class _Sorter:
    def __init__(self, position: Position) -> None:
        self.todo = Sorted()
        self.number = position.number
        self.beyond = 0
        """The highest number that came before its predecessor did."""
        self._epoch = position.epoch

    def begins(self, record: Read) -> EpochRecord | None:
        """The epoch that begins here: as its record says, or else with the first event of it.

        Not before everything is there that the epoch before left valid: until then this is one more that came too soon.
        """
        if isinstance(record, Unreadable) or record.epoch <= self._epoch:
            return None
        if isinstance(record, StreamRecord):
            record = EpochRecord(epoch=record.epoch, last_valid=record.number - 1)
        return record if record.last_valid <= self.number else None

    def is_too_new(self, record: Read) -> TypeGuard[Unreadable]:
        """Whether it comes next, was accepted, and only a newer build can read it."""
        return isinstance(record, Unreadable) and record.newer is not None and record.number == self.number + 1

    def take(self, raw: ConsumerRecord, record: Read) -> None:
        """Put one record where it belongs."""
        number = self._place(record)
        if number is not None and number > self.number + 1:
            self.beyond = max(self.beyond, number)
        elif number is not None and number <= self.number:
            self.todo.duplicates += isinstance(record, StreamRecord | Unreadable)
        elif isinstance(record, StreamRecord):
            self.number = record.number
            self.todo.records.append(record)
            self.todo.good_after += 1
        elif isinstance(record, Unreadable):
            self._bury(raw, record)

    def _place(self, record: Read) -> int | None:
        """The number that decides where it belongs.

        What an earlier epoch still says after its end was never accepted: it counts as old.
        """
        if isinstance(record, EpochRecord):
            return record.last_valid + 1 if record.epoch > self._epoch else 0
        if isinstance(record, StreamRecord) and record.epoch < self._epoch and record.number > self.number:
            _LOG.warning("earlier_epoch_ignored", epoch=record.epoch, number=record.number)
            return 0
        return record.number

    def _bury(self, raw: ConsumerRecord, record: Unreadable) -> None:
        if record.number is not None:
            self.number = record.number
            self.todo.dead.append(record.number)
        self.todo.poison.append(Poison(raw, record.reason, self.todo.good_after))
        self.todo.good_after = 0
