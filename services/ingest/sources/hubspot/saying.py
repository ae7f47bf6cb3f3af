"""What was found out, as events."""

from dataclasses import dataclass
from datetime import datetime

import msgspec

from services.ingest.sources.hubspot.properties import Fields
from services.ingest.sources.payload import Speaker
from shared.contracts.entities import event_type
from shared.contracts.envelope import Event
from shared.kernel.ids import derived_id, is_id

_ALIAS = "alias"
_encode = msgspec.json.Encoder().encode


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
    """One event; the id of an alias holds the id that was merged away as it is known here."""
    if said.entity != _ALIAS:
        return speaker.changed(
            said.entity, said.foreign_id, said.fields, event_id=event_id, at=at, sequence=sequence, ended=said.ended
        )
    subject = f"customer:{speaker.ref(said.foreign_id)}"
    fields = {"id": subject, "of_type": "customer", "into_id": speaker.ref(said.fields["into"])}
    return Event(
        type=event_type(_ALIAS),
        source=speaker.account.source,
        id=event_id if is_id(event_id) else derived_id(event_id),
        subject=subject,
        time=at,
        sequence=sequence,
        data=_encode(fields),
        cause=speaker.cause,
    )
