"""A person is a contact of their organization; without one they are a customer in their own right."""

from collections.abc import Mapping, Sequence
from typing import Any

from services.ingest.sources.payload import Speaker, label, personal, text
from services.ingest.sources.pipedrive.objects import Object, Said, person_customer


def told(person: str, found: Object, previous: Object, speaker: Speaker) -> Sequence[Said]:
    """What a webhook says of a person who is there, and of the organization that they left."""
    organization, left = text(found.get("org_id")), text(previous.get("org_id"))
    moved = [_no_contact(left, person, speaker)] if left and left != organization else []
    if organization is None:
        return [*moved, _as_customer(person, found, speaker)]
    contacts = {speaker.account.entity_id(person): _contact(found)}
    return [*moved, Said("customer", organization, {"contacts": contacts})]


def deleted(person: str, last: Object, speaker: Speaker) -> Sequence[Said]:
    """A person who was deleted, by their last state."""
    organization = text(last.get("org_id"))
    if organization is None:
        return [Said("customer", person_customer(person), {}, ended=True)]
    return [_no_contact(organization, person, speaker)]


def recorded(person: str, found: Object, speaker: Speaker, *, gone: bool) -> Sequence[Said]:
    """What a person read from the API says: nothing if they belong to an organization, because one contact would
    stand for all of its contacts."""
    if text(found.get("org_id")) is not None:
        return []
    if gone:
        return [Said("customer", person_customer(person), {}, ended=True)]
    return [_as_customer(person, found, speaker)]


def _as_customer(person: str, found: Object, speaker: Speaker) -> Said:
    """A person who belongs to no organization."""
    fields: dict[str, object] = {"kind": "person"}
    if "name" in found:
        fields["person_name"] = personal(found["name"])
    if "owner_id" in found:
        fields["owner_id"] = speaker.ref(found["owner_id"])
    return Said("customer", person_customer(person), fields, ended=False)


def _contact(found: Object) -> dict[str, object]:
    said: dict[str, object] = {}
    if "name" in found:
        said["name"] = personal(found["name"])
    if "emails" in found:
        said["email"] = personal(_first(found["emails"]))
    if "phones" in found:
        said["phone"] = personal(_first(found["phones"]))
    if "job_title" in found:
        said["role"] = label(found["job_title"])
    return said


def _first(entries: object) -> object:
    """The primary entry, or the first."""
    found: list[Mapping[str, Any]] = (
        [one for one in entries if isinstance(one, dict)] if isinstance(entries, list) else []
    )
    primary = [one for one in found if one.get("primary") is True]
    return (primary or found or [{}])[0].get("value")


def _no_contact(organization: str, person: str, speaker: Speaker) -> Said:
    return Said("customer", organization, {"contacts": {speaker.account.entity_id(person): None}})
