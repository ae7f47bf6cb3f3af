"""Outbound messages: SOAP envelopes of up to a hundred notifications, with the values as they are when it is sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml.ElementTree import fromstring

from services.ingest.sources.adapter import Account, Reading, ToRead
from services.ingest.sources.payload import Speaker, fingerprint, required
from services.ingest.sources.salesforce.objects import KINDS, Saying, changed_at, flag, record_id
from shared.contracts.envelope import Event
from shared.contracts.strict_json import dumped
from shared.kernel.errors import MalformedError

_SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"
_OUTBOUND = "{http://soap.sforce.com/2005/09/outbound}"
_SCHEMA = "{http://www.w3.org/2001/XMLSchema-instance}"
_MOST = 100
_LONGEST_SHOWN = 100

ACK = (
    b'<?xml version="1.0" encoding="UTF-8"?>'
    b'<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
    b'<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack></notificationsResponse>'
    b"</soapenv:Body></soapenv:Envelope>"
)


@dataclass(frozen=True, slots=True)
class Notification:
    """One record of a message."""

    id: str
    kind: str
    said: Mapping[str, Any]
    """The fields chosen for the message that are not empty: Salesforce leaves empty ones out."""


@dataclass(frozen=True, slots=True)
class Message:
    """One SOAP request."""

    organization: str
    notifications: Sequence[Notification]


def parsed(body: bytes) -> Message:
    """Raises MalformedError; never names what stands in the message, which may hold a session id."""
    try:
        root: Element = fromstring(body, forbid_dtd=True)
    except (ParseError, ValueError, LookupError):
        raise MalformedError("The body is not XML that can be read safely.") from None
    found = root.find(f"{_SOAP}Body/{_OUTBOUND}notifications") if root.tag == f"{_SOAP}Envelope" else None
    if found is None:
        raise MalformedError("The body is no SOAP envelope with notifications.")
    notifications = found.findall(f"{_OUTBOUND}Notification")
    if len(notifications) > _MOST:
        raise MalformedError(f"A message holds at most {_MOST} notifications.")
    organization = required(found.findtext(f"{_OUTBOUND}OrganizationId"), "OrganizationId")
    return Message(organization, [_notification(one) for one in notifications])


def _notification(element: Element) -> Notification:
    record = element.find(f"{_OUTBOUND}sObject")
    if record is None:
        raise MalformedError("A notification has no sObject.")
    kind = record.get(f"{_SCHEMA}type", "").rpartition(":")[2]
    said = {field.tag.rpartition("}")[2]: _value(field) for field in record}
    return Notification(
        required(element.findtext(f"{_OUTBOUND}Id"), "The id of a notification"), required(kind, "The type"), said
    )


def _value(element: Element) -> str | None:
    return None if element.get(f"{_SCHEMA}nil") in ("true", "1") else element.text


def same_organization(one: str, other: str) -> bool:
    """The last three of 18 characters are a check on the first 15."""
    return one[:15] == other[:15] and {len(one), len(other)} <= {15, 18}


def reading(message: Message, body: bytes, account: Account) -> Reading:
    """What every notification says, and a read for each record: a message may be older than the last one."""
    identity = f"message:{fingerprint(body)}"
    speaker = Speaker(account, cause=identity)
    known = [one for one in message.notifications if one.kind in KINDS]
    events = [event for one in known for event in _events(one, speaker)]
    ids = {(one.kind, _id_of(one)): None for one in known}
    unknown = sorted({one.kind for one in message.notifications} - KINDS.keys())
    return Reading(
        identity,
        events,
        [ToRead(kind, found, cause=identity) for kind, found in ids],
        unknown=f"notifications of {', '.join(unknown)[:_LONGEST_SHOWN]}" if unknown else "",
    )


def _id_of(notification: Notification) -> str:
    found = record_id(notification.said.get("Id"))
    if found is None:
        raise MalformedError("The record of a notification has no id.")
    return found


def _events(notification: Notification, speaker: Speaker) -> list[Event]:
    """Nothing, if the message does not tell when the record changed: then only reading it helps."""
    found, at = _id_of(notification), changed_at(notification.said)
    if at is None:
        return []
    kind = KINDS[notification.kind]
    saying = Saying(notification.said, speaker)
    kind.say(saying)
    deleted = flag(notification.said.get("IsDeleted"))
    mark = fingerprint(dumped(dict(notification.said)))
    return [
        speaker.changed(
            kind.entity,
            found,
            {} if deleted else saying.fields,
            event_id=f"notification:{notification.id}@{found}:{mark}",
            at=at,
            ended=True if deleted else None,
        )
    ]
