"""One entry of a delivery: which object it is about, what happened to it, what that says and what is to be read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.ingest.sources.adapter import Account, ToRead
from services.ingest.sources.hubspot.properties import AMOUNT, CURRENCY, OBJECTS, amount, day_of, moment
from services.ingest.sources.hubspot.saying import Said, gone, merged
from services.ingest.sources.payload import Speaker, fingerprint, required, text
from shared.contracts.strict_json import dumped
from shared.kernel.errors import MalformedError

_KINDS: Mapping[str, str] = {"deal": "deals", "company": "companies", "0-3": "deals", "0-2": "companies"}
"""By the name in old subscriptions and by the number of the object type in generic ones (`object.…`)."""
_ACTIONS = ("creation", "deletion", "restore", "merge", "propertyChange", "associationChange")
_CONTENT = (
    "propertyName",
    "propertyValue",
    "primaryObjectId",
    "mergedObjectIds",
    "newObjectId",
    "fromObjectId",
    "toObjectId",
    "associationType",
    "associationTypeId",
    "associationRemoved",
    "isPrimaryAssociation",
)
"""What tells one event from another; all that a second subscription or another attempt may change is left out."""
_PRIMARY = "5"
"""The type of a deal's association with its primary company."""
_LONGEST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Notice:
    """One entry, read."""

    kind: str
    action: str
    id: str
    at: datetime
    entry: Mapping[str, Any]

    @property
    def entity(self) -> str:
        return OBJECTS[self.kind][0]

    @property
    def identity(self) -> str:
        """HubSpot's own `eventId` is not unique."""
        content = fingerprint(dumped({name: self.entry[name] for name in _CONTENT if name in self.entry}))
        return f"{self.kind}:{self.action}:{self.id}@{self.at.isoformat()}:{content}"


@dataclass(frozen=True, slots=True)
class Told:
    """What a notice comes to."""

    said: Sequence[Said] = ()
    reads: Sequence[tuple[str, str]] = ()
    """(kind, id)"""


def unknown(entry: Mapping[str, Any], account: Account) -> str:
    """Why an entry is not read, in words; empty if it is."""
    topic, (kind, action) = _topic(entry), _about(entry)
    portal = account.settings.portal_id
    if portal and text(entry.get("portalId")) != portal:
        return f"account {(text(entry.get('portalId')) or 'none')[:_LONGEST_SHOWN]}"
    return "" if kind and action in _ACTIONS else (topic or "entry without a type")[:_LONGEST_SHOWN]


def read(entry: Mapping[str, Any]) -> Notice:
    """The notice of an entry that is not unknown. Raises MalformedError."""
    kind, action = _about(entry)
    name = {"merge": "primaryObjectId", "associationChange": "fromObjectId"}.get(action, "objectId")
    subject = text(entry.get("objectId")) or text(entry.get(name))
    return Notice(kind or "", action, required(subject, name), moment(entry.get("occurredAt")), entry)


def told(notice: Notice, speaker: Speaker) -> Told:
    """What it says. Raises InvalidInputError or MalformedError for a value that is none."""
    match notice.action:
        case "creation":
            born: dict[str, object] = (
                {"created_on": day_of(notice.at, speaker.account)} if notice.kind == "deals" else {"kind": "company"}
            )
            return Told([Said(notice.entity, notice.id, born, ended=False)], [(notice.kind, notice.id)])
        case "deletion":
            return Told([gone(notice.entity, notice.id)])
        case "restore":
            return Told([Said(notice.entity, notice.id, {}, ended=False)], [(notice.kind, notice.id)])
        case "merge":
            return _merge(notice)
        case "associationChange":
            return _association(notice, speaker)
    return _property(notice, speaker)


def to_read(told_of: Told, cause: str) -> list[ToRead]:
    """For the queue."""
    return [ToRead(kind, identifier, cause) for kind, identifier in told_of.reads]


def _property(notice: Notice, speaker: Speaker) -> Told:
    """A property that is not mapped says nothing."""
    name, value = text(notice.entry.get("propertyName")), notice.entry.get("propertyValue")
    whole = Told(reads=[(notice.kind, notice.id)])
    if notice.entry.get("isSensitive") is True:
        return whole
    say = OBJECTS[notice.kind][1].get(name or "")
    if say is not None:
        return Told([Said(notice.entity, notice.id, say(value, speaker))])
    if notice.kind != "deals" or name not in (AMOUNT, CURRENCY):
        return Told()
    currency = speaker.account.settings.currency
    if name == AMOUNT and (currency or text(value) is None):
        return Told([Said(notice.entity, notice.id, amount(value, currency))])
    return whole


def _merge(notice: Notice) -> Told:
    """Two become one, often under a third id; the one that stays is read."""
    entry = notice.entry
    primary = required(entry.get("primaryObjectId"), "primaryObjectId")
    survivor = text(entry.get("newObjectId")) or primary
    others = entry.get("mergedObjectIds")
    if not isinstance(others, list):
        raise MalformedError("mergedObjectIds is no list.")
    ids = dict.fromkeys([*(found for one in others if (found := text(one))), primary])
    said = [merged(notice.entity, one, survivor) for one in ids if one != survivor]
    return Told(said, [(notice.kind, survivor)])


def _association(notice: Notice, speaker: Speaker) -> Told:
    """Only of a deal with a company. What becomes of a deal that lost its company is read."""
    entry, (left, right) = notice.entry, _ends(notice.entry)
    one, other = required(entry.get("fromObjectId"), "fromObjectId"), required(entry.get("toObjectId"), "toObjectId")
    if (left, right) == ("companies", "deals"):
        return Told(reads=[("deals", other)])
    if (left, right) != ("deals", "companies"):
        return Told()
    primary = entry.get("isPrimaryAssociation") is True or text(entry.get("associationTypeId")) == _PRIMARY
    if entry.get("associationRemoved") is True or not primary:
        return Told(reads=[("deals", one)])
    return Told([Said("deal", one, {"customer_id": speaker.ref(other)})])


def _ends(entry: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """From which kind to which."""
    name = (text(entry.get("associationType")) or "").lower().split("_to_")
    types = text(entry.get("fromObjectTypeId")) or name[0], text(entry.get("toObjectTypeId")) or name[-1]
    return _KINDS.get(types[0]), _KINDS.get(types[1])


def _topic(entry: Mapping[str, Any]) -> str | None:
    return text(entry.get("subscriptionType")) or text(entry.get("eventType"))


def _about(entry: Mapping[str, Any]) -> tuple[str | None, str]:
    """Kind and action."""
    subject, _, action = (_topic(entry) or "").partition(".")
    if subject == "object":
        subject = text(entry.get("objectTypeId")) or text(entry.get("fromObjectTypeId")) or ""
    return _KINDS.get(subject), action
