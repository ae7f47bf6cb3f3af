"""A delivery of webhooks v2: which object it is about, what happened to it, and what that says."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.ingest.sources.adapter import ToRead
from services.ingest.sources.payload import Speaker, fingerprint, inner, micros_since_1970, required, text
from services.ingest.sources.pipedrive import persons
from services.ingest.sources.pipedrive.objects import (
    OBJECTS,
    Object,
    Said,
    began,
    changed_at,
    is_gone,
    moment,
    person_customer,
)
from shared.contracts.envelope import Event
from shared.contracts.strict_json import dumped

KINDS: Mapping[str, str] = {
    "deal": "deals",
    "organization": "organizations",
    "person": "persons",
    "activity": "activities",
    "user": "users",
}
"""What a webhook calls an object → what the API calls it."""
_ACTIONS = ("create", "change", "delete")
_ALIAS = "alias"
_LONGEST_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Notice:
    """One delivery, read."""

    kind: str
    id: str
    action: str
    found: Object
    """As it is now; of a deleted object its last state."""
    previous: Object
    """What was there before, of what changed."""
    merged_to: str | None
    merged_from: str | None
    happened_at: datetime

    @property
    def deleted(self) -> bool:
        return self.action == "delete" or is_gone(self.kind, self.found)

    @property
    def mark(self) -> str:
        """When it happened, and what tells this content from another one of the same moment."""
        content = fingerprint(self.action, dumped(self.found), self.merged_to or "", self.merged_from or "")
        return f"{self.happened_at.isoformat()}:{content}"

    @property
    def identity(self) -> str:
        """The same in every attempt, whatever Pipedrive calls the attempt."""
        return f"{self.kind}:{self.id}@{self.mark}"


def unknown(meta: Object) -> str:
    """Why a delivery is not read, in words; empty if it is."""
    version, entity, action = (text(meta.get(name)) or "none" for name in ("version", "entity", "action"))
    if version != "2.0":
        return f"webhook of version {version[:_LONGEST_SHOWN]}: make it with version 2.0"
    if entity not in KINDS or action not in _ACTIONS:
        return f"{action[:_LONGEST_SHOWN]} of {entity[:_LONGEST_SHOWN]}"
    return ""


def read(meta: Object, body: Mapping[str, Any]) -> Notice:
    """The notice of a delivery that is not unknown. Raises MalformedError."""
    action, entity = required(meta.get("action"), "meta.action"), required(meta.get("entity"), "meta.entity")
    shown = "previous" if action == "delete" else "data"
    previous = body.get("previous")
    return Notice(
        kind=KINDS[entity],
        id=required(meta.get("entity_id"), "meta.entity_id"),
        action=action,
        found=inner(body.get(shown), shown),
        previous=previous if isinstance(previous, dict) else {},
        merged_to=text(meta.get("merged_to_id")),
        merged_from=text(meta.get("merged_from_id")),
        happened_at=moment(meta.get("timestamp")),
    )


def said(notice: Notice, speaker: Speaker) -> Sequence[Said]:
    """What it says, of the object itself and of those that were merged with it."""
    match notice.kind:
        case "persons":
            return _person(notice, speaker)
        case "organizations":
            merges = _aliases(notice, str)
            # Who was merged lives on under another id: the alias says so.
            return merges if notice.deleted and merges else [_object(notice, speaker), *merges]
        case "deals" if notice.merged_from is not None:
            return [_object(notice, speaker), Said("deal", notice.merged_from, {}, ended=True)]
    return [_object(notice, speaker)]


def to_read(notice: Notice) -> Sequence[ToRead]:
    """A done activity that does not tell when: the API knows when it was marked as done."""
    silent = notice.kind == "activities" and notice.found.get("done") is True and began(notice.found) is None
    return [ToRead(notice.kind, notice.id, notice.identity)] if silent and not notice.deleted else []


def _object(notice: Notice, speaker: Speaker) -> Said:
    entity, fields_of = OBJECTS[notice.kind]
    if notice.deleted:
        return Said(entity, notice.id, {}, ended=True)
    return Said(entity, notice.id, fields_of(notice.found, speaker), ended=False)


def _person(notice: Notice, speaker: Speaker) -> Sequence[Said]:
    alone = text(notice.found.get("org_id")) is None
    merges = _aliases(notice, person_customer) if alone else []
    if not notice.deleted:
        return [*persons.told(notice.id, notice.found, notice.previous, speaker), *merges]
    return merges or persons.deleted(notice.id, notice.found, speaker)


def _aliases(notice: Notice, customer: Callable[[str], str]) -> Sequence[Said]:
    """A merge is told twice, by the one that goes and by the one that stays; each is enough."""
    pairs = (notice.id, notice.merged_to), (notice.merged_from, notice.id)
    return [Said(_ALIAS, customer(gone), {"into": customer(stays)}) for gone, stays in pairs if gone and stays]


def event(said_of: Said, notice: Notice, speaker: Speaker) -> Event:
    """As an event: of an object by its own clock, of an end or a merge by that of the webhook."""
    event_id = f"{said_of.entity}:{said_of.foreign_id}@{notice.mark}"
    sequence = micros_since_1970(notice.happened_at)
    if said_of.entity == _ALIAS:
        into = text(said_of.fields["into"])
        return speaker.merged(said_of.foreign_id, into, event_id=event_id, at=notice.happened_at, sequence=sequence)
    whole = said_of.ended is not True and not notice.deleted
    at = (changed_at(notice.found) if whole else None) or notice.happened_at
    return speaker.changed(
        said_of.entity,
        said_of.foreign_id,
        said_of.fields,
        event_id=event_id,
        at=at,
        sequence=sequence,
        ended=said_of.ended,
    )
