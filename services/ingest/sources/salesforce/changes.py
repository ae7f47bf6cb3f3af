"""Change events: what changed, who else changed in the same way, and what was only announced."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.ingest.sources.adapter import Account, Reading, ToRead
from services.ingest.sources.payload import (
    Speaker,
    decimal,
    epoch,
    fingerprint,
    inner,
    micros_since_1970,
    required,
)
from services.ingest.sources.salesforce.objects import KINDS, Saying, moment, record_id
from shared.contracts.envelope import Event
from shared.kernel.errors import MalformedError

HEADER = "ChangeEventHeader"
OVERFLOW = "GAP_OVERFLOW"
UNDECODED = "undecoded"
"""Holds the Avro bytes of an event that could not be decoded, in base64."""
_TYPES = ("CREATE", "UPDATE", "DELETE", "UNDELETE")
_BILLING = "BillingAddress"
_PART = "Name.part"
_LONGEST_SHOWN = 100
_LAST_PLACE = 999


@dataclass(frozen=True, slots=True)
class Change:
    """One change event with its header read."""

    kind: str
    type: str
    ids: Sequence[str]
    transaction: str
    place: int
    """In its transaction."""
    committed_at: datetime
    body: Mapping[str, Any]
    """Compound fields flattened, as the API names them."""
    changed: frozenset[str]
    untold: frozenset[str]
    """Changed fields whose value is not in the event: long texts come as a difference."""

    @property
    def identity(self) -> str:
        return f"{self.type}:{self.kind}@{self.transaction}/{self.place}:{fingerprint(*self.ids)}"

    @property
    def sequence(self) -> int:
        """Microseconds of the commit, which is told in milliseconds, and the place in the transaction."""
        return micros_since_1970(self.committed_at) + min(self.place, _LAST_PLACE)

    @property
    def at(self) -> datetime:
        """LastModifiedDate, as the API tells it. A deletion or its undoing leaves it as it was, and so do changes made
        by the system: those are dated with the second of their commit."""
        second = self.committed_at.replace(microsecond=0)
        own = moment(self.body.get("LastModifiedDate")) if self.type in ("CREATE", "UPDATE") else None
        return second if own is None else own


def reading(event: Mapping[str, Any], account: Account) -> Reading:
    """What a decoded change event says."""
    if UNDECODED in event:
        raise MalformedError("A change event could not be decoded.")
    change = _change(event)
    ids = [found for one in change.ids if (found := record_id(one)) is not None]
    if change.kind not in KINDS:
        return Reading(change.identity, unknown=f"change events of {change.kind[:_LONGEST_SHOWN]}")
    if change.type == OVERFLOW or len(ids) != len(change.ids):
        return Reading(change.identity, unknown=f"changes of {change.kind} records that it does not name")
    if change.type.startswith("GAP_"):
        return Reading(change.identity, reads=[ToRead(change.kind, one, cause=change.identity) for one in ids])
    if change.type not in _TYPES:
        return Reading(change.identity, unknown=f"change type {change.type[:_LONGEST_SHOWN]}")
    return _told(change, ids, Speaker(account, cause=change.identity))


def _told(change: Change, ids: Sequence[str], speaker: Speaker) -> Reading:
    mapped = KINDS[change.kind].mapped(speaker.account.settings)
    said = _said(change)
    saying = Saying(said, speaker, around=_known(change.body), text_is_company=True)
    KINDS[change.kind].say(saying)
    unsure = saying.open or bool(change.untold & mapped)
    events = [event for one in ids for event in _events(change, one, saying.fields, speaker)]
    reads = ids if unsure or _worth_a_look(change) else ()
    return Reading(change.identity, events, [ToRead(change.kind, one, cause=change.identity) for one in reads])


def _worth_a_look(change: Change) -> bool:
    """A deleted account may have been which only the record tells; what comes back may come back changed."""
    return change.type == "UNDELETE" or (change.type == "DELETE" and change.kind == "Account")


def _said(change: Change) -> dict[str, Any]:
    """The body holds all fields, null where they did not change; only the header tells null from cleared."""
    if change.type == "UPDATE":
        return {name: change.body.get(name) for name in change.changed - change.untold}
    if change.type == "CREATE":
        return dict(change.body)
    return _known(change.body) if change.type == "UNDELETE" else {}


def _known(body: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are there; and that an org has several currencies, of which change events tell by the field."""
    return {name: value for name, value in body.items() if value is not None or name == "CurrencyIsoCode"}


def _events(change: Change, one: str, fields: Mapping[str, object], speaker: Speaker) -> Iterable[Event]:
    ended = {"DELETE": True, "UNDELETE": False}.get(change.type)
    if not fields and ended is None:
        return
    event_id = f"{change.type}:{one}@{change.transaction}/{change.place}"
    yield speaker.changed(
        KINDS[change.kind].entity,
        one,
        fields,
        event_id=event_id,
        at=change.at,
        sequence=change.sequence,
        ended=ended,
    )
    if change.type == "UNDELETE" and change.kind == "Account":
        alias_id = f"unmerge:{event_id}"
        yield speaker.merged(one, None, event_id=alias_id, at=change.at, sequence=change.sequence)


def _change(event: Mapping[str, Any]) -> Change:
    header = inner(event.get(HEADER), HEADER)
    body = _flat({name: value for name, value in event.items() if name != HEADER})
    changed = _names(header.get("changedFields")) | _names(header.get("nulledFields"))
    return Change(
        kind=required(header.get("entityName"), "entityName"),
        type=required(header.get("changeType"), "changeType"),
        ids=_texts(header.get("recordIds"), "recordIds"),
        transaction=required(header.get("transactionKey"), "transactionKey"),
        place=_place(header.get("sequenceNumber")),
        committed_at=epoch(header.get("commitTimestamp"), per_second=1000),
        body=body,
        changed=changed,
        untold=_names(header.get("diffFields")),
    )


def _place(value: object) -> int:
    found = decimal(value)
    if found is None or found != int(found) or found < 0:
        raise MalformedError("sequenceNumber is no whole number.")
    return int(found)


def _texts(value: object, where: str) -> list[str]:
    if not isinstance(value, list):
        raise MalformedError(f"{where} is no list.")
    return [required(one, where) for one in value]


def _flat(body: Mapping[str, Any]) -> dict[str, Any]:
    """`BillingAddress: {Country}` is `BillingCountry`. A name stays: text or parts tell a company from a person."""
    flat = {name: value for name, value in body.items() if name != _BILLING}
    if _BILLING in body:
        address = body[_BILLING]
        flat["BillingCountry"] = address.get("Country") if isinstance(address, dict) else None
    return flat


def _names(value: object) -> frozenset[str]:
    return frozenset(flat for name in _texts(value or [], "A list of fields") for flat in _flat_names(name))


def _flat_names(name: str) -> tuple[str, ...]:
    whole, _, part = name.partition(".")
    if whole == _BILLING:
        return ("BillingCountry",) if part in ("", "Country") else ()
    return (_PART,) if whole == "Name" and part else (name,)
