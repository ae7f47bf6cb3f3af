"""What Pipedrive's deals, organizations, activities and users say; webhooks v2 and API v2 name their fields alike."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Context, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from services.ingest.sources.payload import Speaker, day, decimal, epoch, instant, label, money, personal, text
from shared.kernel.errors import MalformedError
from shared.kernel.money import plain

Fields = dict[str, object]
Object = Mapping[str, Any]

_CLOSED = ("won", "lost")
_ACTIVITIES: Mapping[str, str] = {
    "call": "call",
    "meeting": "meeting",
    "lunch": "meeting",
    "email": "email",
    "task": "task",
    "deadline": "task",
}
"""The types that every account begins with, by their key; the account's own types are `other`."""
_SPAN = re.compile(r"([0-9]{1,5}):([0-9]{2})(:[0-9]{2})?")
_CLOCK = re.compile(r"[0-2][0-9]:[0-9]{2}(:[0-9]{2})?")
_MILLIS_DIGITS = 12
_FINEST = -6
_EXACT = Context(prec=80)


@dataclass(frozen=True, slots=True)
class Said:
    """What one object says about one entity. Of what ended, nothing but that."""

    entity: str
    foreign_id: str
    fields: Fields
    ended: bool | None = None


def deal(found: Object, speaker: Speaker) -> Fields:
    """A deal of the webhook or of the API."""
    fields: Fields = {
        **_if(found, "title", lambda title: {"title": label(title)}),
        **_if(found, "owner_id", lambda owner: {"owner_id": speaker.ref(owner)}),
        **_if(found, "expected_close_date", lambda on: {"expected_close_on": day(on)}),
        **_if(found, "probability", lambda percent: {"probability": _fraction(percent)}),
        **_if(found, "lost_reason", lambda reason: {"loss_reason": label(reason)}),
        **_if(found, "add_time", lambda at: {"created_on": _day(at, speaker)}),
        **_if(found, "pipeline_id", lambda pipeline: {"pipeline_id": speaker.account.pipeline(text(pipeline))}),
    }
    if "org_id" in found or "person_id" in found:
        fields["customer_id"] = customer(found, speaker)
    if "status" in found or "stage_id" in found:
        fields["stage"] = stage(found)
    if "value" in found:
        fields["amount"] = _amount(found["value"], found.get("currency"))
    return fields


def stage(found: Object) -> str | None:
    """The id of the stage; `won` and `lost` stand beside the stages."""
    status = text(found.get("status"))
    return status if status in _CLOSED else text(found.get("stage_id"))


def customer(found: Object, speaker: Speaker) -> str | None:
    """The organization; without one the person, who then is the customer."""
    person = text(found.get("person_id"))
    return speaker.ref(found.get("org_id")) or (speaker.ref(person_customer(person)) if person else None)


def person_customer(person: str) -> str:
    """Persons and organizations are numbered each by themselves."""
    return f"person-{person}"


def organization(found: Object, speaker: Speaker) -> Fields:
    """An organization is a customer."""
    fields: Fields = {"kind": "company"}
    if "name" in found:
        fields["name"] = label(found["name"])
    if "owner_id" in found:
        fields["owner_id"] = speaker.ref(found["owner_id"])
    if "address" in found:
        address = found["address"]
        whole = address if isinstance(address, dict) else {"value": address}
        fields["address"] = personal(whole.get("value"))
        fields["country"] = label(whole.get("country"))
        fields["region"] = label(whole.get("admin_area_level_1"))
    return fields


def activity(found: Object, speaker: Speaker) -> Fields:
    """Only what was done has a time at which it began: what is planned is no touch yet."""
    fields: Fields = {
        **_if(found, "type", lambda kind: {"kind": _ACTIVITIES.get(text(kind) or "", "other")}),
        **_if(found, "deal_id", lambda of: {"deal_id": speaker.ref(of)}),
        **_if(found, "owner_id", lambda owner: {"owner_id": speaker.ref(owner)}),
        **_if(found, "subject", lambda words: {"subject_text": personal(words)}),
        **_if(found, "duration", lambda span: {"minutes": _minutes(_plain_value(span))}),
    }
    if "org_id" in found or "person_id" in found:
        fields["customer_id"] = customer(found, speaker)
    if "done" in found:
        begun = began(found) if found["done"] is True else None
        fields["started_at"] = begun.isoformat() if begun else None
    return fields


def began(found: Object) -> datetime | None:
    """When a done activity took place: when it was due, if that has a time of day, else when it was marked as done."""
    on, at = text(found.get("due_date")), text(_plain_value(found.get("due_time")))
    if on and at and _CLOCK.fullmatch(at):
        return instant(f"{day(on)}T{at}", naive_in=UTC)
    return moment(found["marked_as_done_time"]) if text(found.get("marked_as_done_time")) else None


def user(found: Object, speaker: Speaker) -> Fields:
    """A user is a member."""
    del speaker
    fields: Fields = {name: personal(found[name]) for name in ("name", "email", "phone") if name in found}
    return {**fields, **_if(found, "active_flag", lambda active: {"active": active is True})}


OBJECTS: Mapping[str, tuple[str, Callable[[Object, Speaker], Fields]]] = {
    "deals": ("deal", deal),
    "organizations": ("customer", organization),
    "activities": ("activity", activity),
    "users": ("member", user),
}
"""Kind → entity and what is said of it. Persons are in `persons.py`: they speak of more than one."""


def moment(value: object) -> datetime:
    """ISO 8601 (without an offset it is UTC), seconds or milliseconds since 1970. Raises MalformedError."""
    found = text(value)
    if found is not None and found.isdecimal():
        return epoch(found, per_second=1000 if len(found) >= _MILLIS_DIGITS else 1)
    return instant(found, naive_in=UTC)


def changed_at(found: Object) -> datetime | None:
    """The object's own time of change; what was never changed has only the time of its creation."""
    for name in ("update_time", "modified", "add_time", "created"):
        if text(found.get(name)) is not None:
            return moment(found[name])
    return None


def stage_since(found: Object) -> datetime | None:
    """Since when the deal is in its stage, where it tells: won and lost by their own times, open if it never closed."""
    status = text(found.get("status"))
    if status in _CLOSED:
        since = found.get(f"{status}_time")
    else:
        closed = any(text(found.get(name)) for name in ("won_time", "lost_time", "close_time", "first_won_time"))
        since = None if closed else found.get("stage_change_time")
    return moment(since) if text(since) else None


def is_gone(kind: str, found: Object) -> bool:
    """Deleted. A user who is not active any more is still there; what else is not active is not."""
    inactive = kind != "users" and found.get("active_flag") is False
    return found.get("is_deleted") is True or text(found.get("status")) == "deleted" or inactive


def _if(found: Object, name: str, say: Callable[[object], Fields]) -> Fields:
    """What is not in the object is not said."""
    return say(found[name]) if name in found else {}


def _plain_value(value: object) -> object:
    """Webhooks wrap times: `{"timezone_id": null, "value": "10:30"}`."""
    return value.get("value") if isinstance(value, dict) else value


def _amount(value: object, currency: object) -> dict[str, str] | None:
    """Values are binary floating point there: what such a sum leaves beyond six digits is no money."""
    amount = decimal(value)
    if amount is None:
        return None
    exponent = amount.as_tuple().exponent
    if isinstance(exponent, int) and exponent < _FINEST:
        amount = amount.quantize(Decimal(1).scaleb(_FINEST), context=_EXACT)
    return money(plain(amount), currency)


def _fraction(percent: object) -> str | None:
    number = decimal(percent)
    return None if number is None else plain(number.scaleb(-2))


def _minutes(span: object) -> int | None:
    """`01:30` or `01:30:00`; empty is unknown."""
    found = text(span)
    if found is None:
        return None
    parts = _SPAN.fullmatch(found)
    if parts is None:
        raise MalformedError("The duration of an activity is not written 01:30.")
    return int(parts[1]) * 60 + int(parts[2])


def _day(at: object, speaker: Speaker) -> str | None:
    """In the account's time zone."""
    if text(at) is None:
        return None
    return moment(at).astimezone(ZoneInfo(speaker.account.settings.time_zone)).date().isoformat()
