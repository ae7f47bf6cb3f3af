"""Between the outside's events and candidates: checked against the contract, personal data set apart."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from services.ingest.domain.agreement import Said
from services.ingest.domain.candidates import Candidate, Outcome, Status
from shared.contracts.entities import canonical_data, entity_of, statement
from shared.contracts.envelope import Event, Refused
from shared.kernel.errors import QuintantError

_encode = msgspec.json.Encoder(order="sorted").encode
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Candidate).decode


def candidate_of(event: Event, *, raw_part: str | None = None) -> Candidate:
    """A checked candidate. Raises InvalidInputError and the like with a fault for each thing wrong."""
    entity = entity_of(event.type)
    public, personal = canonical_data(entity, event.data, event.members)
    return Candidate(
        entity.slug,
        event.source,
        event.id,
        event.subject,
        event.time,
        event.sequence,
        public,
        personal,
        event.cause,
        event.traceparent,
        raw_part=raw_part,
    )


def read(events: Sequence[Event | Refused]) -> list[Candidate | Outcome]:
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


def said(candidate: Candidate) -> Said:
    """What a candidate says, for comparing it with what is known."""
    found = statement(candidate.public)
    personal = msgspec.json.decode(candidate.personal) if candidate.personal else {}
    return Said(candidate, found.said, found.ended, personal)


def without(candidate: Candidate, removed: Mapping[str, Sequence[str]]) -> Candidate:
    """The candidate, also saying that these entries of its collections are gone."""
    if not removed:
        return candidate
    fields: dict[str, Any] = msgspec.json.decode(candidate.public)
    for name, entries in removed.items():
        fields[name] = {**(fields.get(name) or {}), **dict.fromkeys(entries)}
    return replace(candidate, public=_encode(fields))


def pack_candidate(candidate: Candidate) -> bytes:
    """A candidate as bytes, for the quarantine."""
    return _pack(candidate)


def unpack_candidate(packed: bytes) -> Candidate:
    """The candidate that was packed."""
    return _unpack(packed)
