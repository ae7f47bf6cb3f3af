"""What was found out, as events."""

from dataclasses import dataclass
from datetime import datetime

from services.ingest.sources.hubspot.properties import Fields
from services.ingest.sources.payload import Speaker, text
from shared.contracts.envelope import Event

_ALIAS = "alias"


@dataclass(frozen=True, slots=True)
class Said:
    """What is said about one entity. Of what ended, nothing but that."""

    entity: str
    foreign_id: str
    fields: Fields
    ended: bool | None = None


def gone(entity: str, foreign_id: str) -> Said:
    """It is not there any more."""
    return Said(entity, foreign_id, {}, ended=True)


def merged(entity: str, foreign_id: str, survivor: str) -> Said:
    """A merged deal ends; a merged customer lives on under another id."""
    return gone(entity, foreign_id) if entity == "deal" else Said(_ALIAS, foreign_id, {"into": survivor})


def event(said: Said, speaker: Speaker, *, event_id: str, at: datetime, sequence: int = 0) -> Event:
    """One event."""
    if said.entity == _ALIAS:
        into = text(said.fields["into"])
        return speaker.merged(said.foreign_id, into, event_id=event_id, at=at, sequence=sequence)
    return speaker.changed(
        said.entity, said.foreign_id, said.fields, event_id=event_id, at=at, sequence=sequence, ended=said.ended
    )
