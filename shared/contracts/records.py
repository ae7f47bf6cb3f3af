"""Kafka records in CloudEvents binary mode: events and epochs on `sales-events`, progress, and facts for outsiders."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Annotated, Self, TypeVar

import msgspec

from shared.contracts.entities import Statement, checked_statement, entity_of, event_type, statement
from shared.contracts.headers import LARGEST, Headers, UndecodableError, positive, required, texts, whole
from shared.contracts.values import read_instant, write_instant
from shared.kernel.errors import QuintantError

__all__ = [
    "EPOCH_STARTED",
    "EpochRecord",
    "Fact",
    "Headers",
    "ProgressRecord",
    "StreamRecord",
    "UndecodableError",
    "decode_record",
]

Encoded = tuple[bytes, bytes, list[tuple[str, bytes]]]
"""Key, value and headers."""

EPOCH_STARTED = "io.quintant.stream.epoch-started.v1"
_EPOCH_KEY = b"stream/epoch"
_PROGRESS_KEY = b"progress"
_INGEST = "/quintant/ingest"
_SPEC_VERSION = "ce_specversion"

_OF_EVENTS: Mapping[str, Callable[[str], object]] = {
    "ce_type": str,
    "ce_subject": str,
    "ce_source": str,
    "ce_id": str,
    "ce_time": read_instant,
    "ce_sequence": whole,
    "q_epoch": positive,
    "q_number": positive,
    "q_revision": whole,
    "q_knownon": date.fromisoformat,
    "q_accepted": read_instant,
    "q_recorded": date.fromisoformat,
}
"""What every event says, and how it is read."""

_OF_FACTS: Mapping[str, Callable[[str], object]] = {
    "ce_type": str,
    "ce_source": str,
    "ce_id": str,
    "ce_subject": str,
    "ce_time": read_instant,
}

CONTRACT = 1
"""Version of what events say. It goes up with every change that who knows the version before cannot read: a new type of
event, a new field. A record that names none is of the first."""

StructT = TypeVar("StructT", bound=msgspec.Struct)
Whole = Annotated[int, msgspec.Meta(ge=0, le=LARGEST)]
Positive = Annotated[int, msgspec.Meta(ge=1, le=LARGEST)]


@dataclass(slots=True, kw_only=True)
class StreamRecord:
    """One accepted event on `sales-events`: its number in its partition, and what ingest knows about it.

    Never changed; not frozen, for that makes it slow to make.
    """

    entity: str
    """Slug of the entity."""
    source: str
    id: str
    subject: str
    time: datetime
    """When it happened in the source (`occurred_at`), UTC."""
    sequence: int
    data: bytes
    """Canonical JSON without personal fields."""
    epoch: int
    number: int
    """1, 2, 3, … within the partition, without a hole."""
    revision: int = 0
    known_on: date
    """The business date on which we learned it: of the inbox commit, or of its occurrence if reconstructed."""
    accepted_at: datetime
    """The instant of the inbox commit, UTC."""
    recorded_on: date
    """The business date of the inbox commit, also of a reconstructed event."""
    reconstructed: bool = False
    """The import said that everything was known when it happened."""
    cause: str | None = None
    traceparent: str | None = None
    read: Statement | None = field(default=None, compare=False, repr=False)
    """The data, if they were read along."""

    @property
    def said(self) -> Statement:
        """The data, read for a journal."""
        return self.read or statement(self.data)

    @property
    def type(self) -> str:
        """CloudEvents type."""
        return event_type(self.entity)

    def encode(self) -> Encoded:
        """Key, value and headers of the Kafka record."""
        headers = {
            "ce_type": self.type,
            "ce_source": self.source,
            "ce_id": self.id,
            "ce_time": write_instant(self.time),
            "ce_subject": self.subject,
            "ce_sequence": str(self.sequence),
            "q_revision": str(self.revision),
            "q_knownon": self.known_on.isoformat(),
            "q_accepted": write_instant(self.accepted_at),
            "q_recorded": self.recorded_on.isoformat(),
            "q_reconstructed": "1" if self.reconstructed else None,
            "q_contract": str(CONTRACT),
            "q_epoch": str(self.epoch),
            "q_number": str(self.number),
            "ce_cause": self.cause,
            "traceparent": self.traceparent,
        }
        return f"{self.entity}/{self.subject}".encode(), self.data, _encoded(_said(headers))

    @classmethod
    def decode(cls, key: bytes | None, value: bytes | None, headers: Headers) -> Self:
        """Read what `encode` wrote, the data checked against the contract. Raises UndecodableError."""
        try:
            record = cls._read(_cloud_event(headers), value or b"")
        except UndecodableError:
            raise
        except QuintantError as error:
            faults = "; ".join(f"{fault.where}: {fault.reason}" for fault in error.faults)
            raise UndecodableError(faults or error.detail) from None
        if key != f"{record.entity}/{record.subject}".encode():
            raise UndecodableError("The key is not <entity>/<subject>.")
        return record

    @classmethod
    def _read(cls, said: Mapping[str, str], value: bytes) -> Self:
        type_, subject, source, id_, time, sequence, epoch, number, revision, known_on, accepted_at, recorded_on = (
            required(said, _OF_EVENTS)
        )
        entity = entity_of(type_)
        read = checked_statement(entity, value)
        if read.id != subject:
            raise UndecodableError("The id of the data is not ce_subject.")
        return cls(
            entity=entity.slug,
            source=source,
            id=id_,
            subject=subject,
            time=time,
            sequence=sequence,
            data=value,
            epoch=epoch,
            number=number,
            revision=revision,
            known_on=known_on,
            accepted_at=accepted_at,
            recorded_on=recorded_on,
            reconstructed=said.get("q_reconstructed") == "1",
            cause=said.get("ce_cause"),
            traceparent=said.get("traceparent"),
            read=read,
        )


class EpochRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The inbox was restored from a backup. Of the epoch before, numbers up to `last_valid` still hold in this
    partition; who has applied more must be rebuilt. The next event is `last_valid + 1` of the new epoch.
    """

    epoch: Positive
    last_valid: Whole

    def encode(self) -> Encoded:
        """Key, value and headers of the Kafka record."""
        headers = {
            "ce_type": EPOCH_STARTED,
            "ce_source": _INGEST,
            "ce_id": f"epoch-{self.epoch}",
            "q_epoch": str(self.epoch),
            "q_number": str(self.last_valid),
        }
        return _EPOCH_KEY, msgspec.json.encode(self), _encoded(_said(headers))

    @classmethod
    def decode(cls, key: bytes | None, value: bytes | None, headers: Headers) -> Self:
        """Read what `encode` wrote. Raises UndecodableError."""
        if _cloud_event(headers).get("ce_type") != EPOCH_STARTED or key != _EPOCH_KEY:
            raise UndecodableError("This is no epoch record.")
        return _struct(cls, value)


def decode_record(key: bytes | None, value: bytes | None, headers: Headers) -> StreamRecord | EpochRecord:
    """Whatever stands on `sales-events`. Raises UndecodableError."""
    listed = list(headers)
    if key == _EPOCH_KEY:
        return EpochRecord.decode(key, value, listed)
    return StreamRecord.decode(key, value, listed)


class ProgressRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything accepted until `through` has, in each partition, at most the number in `heads`."""

    generation: Positive
    epoch: Positive
    through: Annotated[datetime, msgspec.Meta(tz=True)]
    heads: dict[Whole, Whole]
    """Partition to number."""

    def encode(self) -> tuple[bytes, bytes]:
        """Key and value of the Kafka record, which has no headers."""
        in_utc = msgspec.structs.replace(
            self, through=self.through.astimezone(UTC), heads=dict(sorted(self.heads.items()))
        )
        return _PROGRESS_KEY, msgspec.json.encode(in_utc)

    @classmethod
    def decode(cls, key: bytes | None, value: bytes | None) -> Self:
        """Read what `encode` wrote. Raises UndecodableError."""
        if key != _PROGRESS_KEY:
            raise UndecodableError("This is no progress record.")
        return _struct(cls, value)


@dataclass(slots=True, kw_only=True)
class Fact:
    """Something that a service did or saw at a moment, told to outside listeners at least once under a stable id.

    Never changed; not frozen, as an event.
    """

    type: str
    source: str
    id: str
    subject: str
    """What it is about; facts of one subject stay in order."""
    time: datetime
    data: bytes
    """A JSON object."""
    traceparent: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Of its Kafka record, as text."""
        return _said(
            {
                "ce_type": self.type,
                "ce_source": self.source,
                "ce_id": self.id,
                "ce_time": write_instant(self.time),
                "ce_subject": self.subject,
                "content-type": "application/json",
                "traceparent": self.traceparent,
            }
        )

    @classmethod
    def decode(cls, key: bytes | None, value: bytes | None, headers: Headers) -> Self:
        """Read the record of a fact: its key is the subject. Raises UndecodableError."""
        said = _cloud_event(headers)
        type_, source, id_, subject, time = required(said, _OF_FACTS)
        if value is None or key != subject.encode():
            raise UndecodableError("The key is not ce_subject, or there is no value.")
        return cls(
            type=type_,
            source=source,
            id=id_,
            subject=subject,
            time=time,
            data=value,
            traceparent=said.get("traceparent"),
        )


def _said(values: Mapping[str, str | None]) -> dict[str, str]:
    """The headers of a CloudEvent, without those that say nothing."""
    return {_SPEC_VERSION: "1.0", **{name: value for name, value in values.items() if value is not None}}


def _encoded(headers: Mapping[str, str]) -> list[tuple[str, bytes]]:
    return [(name, value.encode()) for name, value in headers.items()]


def _cloud_event(headers: Headers) -> dict[str, str]:
    said = texts(headers)
    if said.get(_SPEC_VERSION) != "1.0":
        raise UndecodableError("The header ce_specversion is not 1.0.")
    return said


def _struct(struct: type[StructT], value: bytes | None) -> StructT:
    try:
        return msgspec.json.decode(value or b"", type=struct)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise UndecodableError("The value does not match its schema.") from None
