"""The bytes of an event's Kafka record, made of a row of the inbox.

It says what `StreamRecord.encode` says, laid out as `shared.messaging.framing.frame` does; a test holds them together.
Most of it is the same for all that one commit accepted of a source, and is put together once for them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from shared.contracts.entities import event_type
from shared.contracts.records import CONTRACT
from shared.messaging.framing import LENGTHS, length, sized

COLUMNS = """e.public, e.event_id, e.subject, to_json(e.occurred_at AT TIME ZONE 'UTC'),
    concat_ws(' ', e.entity, to_json(e.accepted_at AT TIME ZONE 'UTC'), to_json(e.known_on), to_json(e.recorded_on),
              e.reconstructed::int, e.sequence, e.revision, e.source),
    e.cause, e.traceparent"""
"""What `records` needs of the table `event`, in this order. As JSON an instant is in ISO 8601 whatever the server's
settings; what is mostly the same from row to row comes as one text, so that one look tells whether it is."""

_ALWAYS = 14
"""Headers that every record has."""
_TIME, _SUBJECT = sized(b"ce_time"), b"Z" + sized(b"ce_subject")


@dataclass(frozen=True, slots=True)
class _Shared:
    """What a record says around what is its own."""

    key: bytes
    """What its key begins with."""
    headers: int
    to_id: bytes
    """The headers before the value of `ce_id`."""
    to_number: bytes
    """Those between `ce_subject` and the value of `q_number`."""


def records(rows: Iterable[Sequence[Any]], epoch: int, first: int) -> list[bytes]:
    """Framed records of events in the order of their numbers, the first of which is given."""
    found: list[bytes] = []
    same = ""
    for number, (public, event_id, subject, time, said, cause, traceparent) in enumerate(rows, first):
        if said != same:
            same, shared = said, _shared(said, epoch)
            key, to_number, usual = shared.key, shared.to_number, length(shared.headers) + shared.to_id
        if cause is None and traceparent is None:
            to_id, more = usual, b""
        else:
            to_id = length(shared.headers + (cause is not None) + (traceparent is not None)) + shared.to_id
            more = _headers(ce_cause=cause, traceparent=traceparent)
        # By hand and not with `sized`, whose calls would double what a record costs: ids and instants are short.
        own, about, at, its = event_id.encode(), subject.encode(), time[1:-1].encode(), b"%d" % number
        parts = (
            *(LENGTHS[len(key) + len(about)], key, about, length(len(public)), public),
            *(to_id, LENGTHS[len(own)], own, _TIME, LENGTHS[len(at) + 1], at, _SUBJECT, LENGTHS[len(about)], about),
            *(to_number, LENGTHS[len(its)], its, more),
        )
        found.append(b"".join(parts))
    return found


def _shared(said: str, epoch: int) -> _Shared:
    entity, accepted, known, recorded, reconstructed, sequence, revision, source = said.split(" ", 7)
    is_reconstructed = reconstructed == "1"
    before = _headers(ce_specversion="1.0", ce_type=event_type(entity), ce_source=source)
    after = _headers(
        ce_sequence=sequence,
        q_revision=revision,
        q_knownon=known.strip('"'),
        q_accepted=accepted.strip('"') + "Z",
        q_recorded=recorded.strip('"'),
        q_reconstructed="1" if is_reconstructed else None,
        q_contract=str(CONTRACT),
        q_epoch=str(epoch),
    )
    return _Shared(
        f"{entity}/".encode(), _ALWAYS + is_reconstructed, before + sized(b"ce_id"), after + sized(b"q_number")
    )


def _headers(**values: str | None) -> bytes:
    return b"".join(sized(name.encode()) + sized(value.encode()) for name, value in values.items() if value is not None)
