"""What an object read from the API says, each value dated with its own time where its history came with it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from services.ingest.sources.adapter import Record
from services.ingest.sources.hubspot.properties import AMOUNT, CURRENCY, MERGED, OBJECTS, Fields, amount, moment, wanted
from services.ingest.sources.hubspot.saying import Said, event, gone, merged
from services.ingest.sources.payload import Speaker, inner, label, micros_since_1970, read_object, text
from shared.contracts.envelope import Event
from shared.kernel.errors import MalformedError

OWNERS = "owners"
_PRIMARY = "5"
_Timed = tuple[Said, datetime]


def events(record: Record, speaker: Speaker) -> Sequence[Event]:
    """The events of one record. Raises QuintantError."""
    sequence = micros_since_1970(record.read_at)
    return [
        event(
            said,
            speaker,
            event_id=f"read:{said.entity}:{said.foreign_id}@{at.isoformat()}/{sequence}",
            at=at,
            sequence=sequence,
        )
        for said, at in _said(record, speaker)
    ]


def _said(record: Record, speaker: Speaker) -> Sequence[_Timed]:
    body = read_object(record.body) if record.body else {}
    if record.kind == OWNERS:
        return [_owner(record, body)]
    if record.kind not in OBJECTS:
        raise MalformedError("An object of this kind is not read.")
    entity, _ = OBJECTS[record.kind]
    at = changed_at(body) or record.read_at
    if record.gone or body.get("archived") is True:
        return [(gone(entity, record.id), at)]
    properties = inner(body.get("properties"), "properties")
    ids = [one for one in (text(properties.get(MERGED)) or "").split(";") if one.strip()]
    merges = [(merged(entity, one.strip(), record.id), at) for one in ids]
    return [*_object(record, body, at, speaker), *merges]


def _object(record: Record, body: Mapping[str, Any], at: datetime, speaker: Speaker) -> Sequence[_Timed]:
    """Oldest first; what is not dated by itself is dated with the object's own time of change."""
    entity, _ = OBJECTS[record.kind]
    rest: Fields = {"kind": "company"} if entity == "customer" else {}
    if entity == "deal" and "associations" in body:
        rest["customer_id"] = speaker.ref(_company(body["associations"]))
    times: dict[datetime, Fields] = {at: rest}
    for when, fields in _dated(record.kind, body, speaker):
        times.setdefault(min(when or at, at), {}).update(fields)
    return [
        (Said(entity, record.id, fields, ended=False if when == at else None), when)
        for when, fields in sorted(times.items())
    ]


def _dated(kind: str, body: Mapping[str, Any], speaker: Speaker) -> Sequence[tuple[datetime | None, Fields]]:
    properties, history = body["properties"], body.get("propertiesWithHistory")
    since = _since(properties, history if isinstance(history, dict) else {})
    said = [
        (since.get(name), say(properties[name], speaker))
        for name, say in OBJECTS[kind][1].items()
        if name in properties
    ]
    if kind == "deals" and AMOUNT in properties:
        currency = text(properties.get(CURRENCY)) or speaker.account.settings.currency
        both = [since[name] for name in (AMOUNT, CURRENCY) if name in since]
        said.append((max(both) if AMOUNT in since else None, amount(properties[AMOUNT], currency)))
    return said


def _since(properties: Mapping[str, Any], history: Mapping[str, Any]) -> dict[str, datetime]:
    """Since when each property has the value that it has."""
    found: dict[str, datetime] = {}
    for name, versions in history.items():
        known = [(moment(one.get("timestamp")), one) for one in versions if isinstance(one, dict)] if versions else []
        newest = max(known, key=lambda timed: timed[0], default=None)
        if newest and text(newest[1].get("value")) == text(properties.get(name)):
            found[name] = newest[0]
    return found


def _company(associations: object) -> str | None:
    """The primary company; the first, if none is marked so."""
    found = associations.get("companies") if isinstance(associations, dict) else None
    entries = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    primary = [one for one in entries if _PRIMARY in _types(one)]
    return text((primary or entries or [{}])[0].get("toObjectId"))


def _types(association: Mapping[str, Any]) -> list[str | None]:
    types = association.get("associationTypes")
    return [text(one.get("typeId")) for one in types if isinstance(one, dict)] if isinstance(types, list) else []


def _owner(record: Record, body: Mapping[str, Any]) -> _Timed:
    at = changed_at(body) or record.read_at
    if not body:
        return Said("member", record.id, {"active": False}), at
    names = [text(body.get(name)) for name in ("firstName", "lastName")]
    name = label(" ".join(one for one in names if one))
    fields: Fields = {"name": name, "email": label(body.get("email")), "active": body.get("archived") is not True}
    return Said("member", record.id, fields), at


def changed_at(body: Mapping[str, Any]) -> datetime | None:
    """By `updatedAt`; the end of an archived object is later."""
    names = ("updatedAt", "archivedAt") if body.get("archived") is True else ("updatedAt",)
    return max((moment(body[name]) for name in names if text(body.get(name))), default=None)


def asked_for(kind: str) -> Mapping[str, Sequence[str]]:
    """What to ask the API for, so that all of this can be said."""
    dated = [name for name in wanted(kind) if name in ("dealstage", "pipeline", AMOUNT, CURRENCY, "hubspot_owner_id")]
    return {"properties": wanted(kind), "propertiesWithHistory": dated}
