"""Between the outside's events and candidates: checked against the contract, personal data set apart."""

import msgspec

from services.ingest.domain.candidates import Candidate, Outcome, Status
from shared.contracts.entities import canonical, decode_data, entity_of
from shared.contracts.envelope import Event, Refused
from shared.kernel.errors import QuintantError

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Candidate).decode


def candidate_of(event: Event, *, raw_part: str | None = None) -> Candidate:
    """A checked candidate. Raises InvalidInputError and the like with a fault for each thing wrong."""
    entity = entity_of(event.type)
    public, personal = canonical(decode_data(entity, event.data))
    return Candidate(
        entity=entity.slug,
        source=event.source,
        id=event.id,
        subject=event.subject,
        occurred_at=event.time,
        sequence=event.sequence,
        public=public,
        personal=personal,
        cause=event.cause,
        traceparent=event.traceparent,
        raw_part=raw_part,
    )


def read(events: list[Event | Refused]) -> list[Candidate | Outcome]:
    """A candidate for each good event, and a rejection for each that is not."""
    found: list[Candidate | Outcome] = []
    for place, event in enumerate(events):
        if isinstance(event, Refused):
            found.append(Outcome(event.source, event.id, Status.REJECTED, error=event.error))
            continue
        try:
            found.append(candidate_of(event, raw_part=str(place) if len(events) > 1 else None))
        except QuintantError as error:
            found.append(Outcome(event.source, event.id, Status.REJECTED, error=error))
    return found


def pack_candidate(candidate: Candidate) -> bytes:
    """A candidate as bytes, for the quarantine."""
    return _pack(candidate)


def unpack_candidate(packed: bytes) -> Candidate:
    """The candidate that was packed."""
    return _unpack(packed)
