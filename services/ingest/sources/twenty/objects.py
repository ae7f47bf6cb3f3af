"""What the records of a Twenty workspace say: opportunity, company, person, member."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from services.ingest.sources.adapter import Account
from services.ingest.sources.payload import Speaker, instant, label, micros, personal, required, text

Fields = dict[str, object]
_COUNTRY = "addressCountry"
_ADDRESS = ("addressStreet1", "addressStreet2", "addressPostcode", "addressCity", "addressState", _COUNTRY)


@dataclass(frozen=True, slots=True)
class Said:
    """What one record says about one entity."""

    entity: str
    foreign_id: str
    fields: Fields
    ended: bool | None


def said_of(kind: str, record: Mapping[str, Any], speaker: Speaker, *, ended: bool | None) -> Said:
    """`kind` is one of KINDS. Only what is in the record is said; of what ended, nothing but that."""
    said = KINDS[kind](record, speaker)
    if "contacts" in said.fields:
        return _gone_contact(said) if ended else said
    return replace(said, fields={} if ended else said.fields, ended=ended)


def _gone_contact(said: Said) -> Said:
    """A person who is gone leaves their company; the company stays."""
    contacts = said.fields["contacts"]
    return replace(said, fields={"contacts": dict.fromkeys(contacts) if isinstance(contacts, dict) else {}})


def _opportunity(record: Mapping[str, Any], speaker: Speaker) -> Said:
    fields: Fields = {}
    if "name" in record:
        fields["title"] = label(record["name"])
    if "stage" in record:
        fields["stage"] = label(record["stage"])
    if "amount" in record:
        fields["amount"] = _amount(record["amount"], speaker.account)
    if "closeDate" in record:
        fields["expected_close_on"] = _day(record["closeDate"], speaker.account)
    if "createdAt" in record:
        fields["created_on"] = _day(record["createdAt"], speaker.account)
    if "companyId" in record or "pointOfContactId" in record:
        fields["customer_id"] = speaker.ref(record.get("companyId")) or speaker.ref(record.get("pointOfContactId"))
    if "ownerId" in record:
        fields["owner_id"] = speaker.ref(record["ownerId"])
    return Said("deal", _id(record), fields, None)


def _company(record: Mapping[str, Any], speaker: Speaker) -> Said:
    fields: Fields = {"kind": "company"}
    if "name" in record:
        fields["name"] = label(record["name"])
    if "accountOwnerId" in record:
        fields["owner_id"] = speaker.ref(record["accountOwnerId"])
    if "address" in record:
        address = _part(record["address"])
        fields["country"] = label(address.get(_COUNTRY))
        fields["address"] = _joined(address, _ADDRESS, ", ")
    return Said("customer", _id(record), fields, None)


def _person(record: Mapping[str, Any], speaker: Speaker) -> Said:
    """A contact of their company; a customer in their own right if they have none."""
    company = text(record.get("companyId"))
    if company is None:
        return Said("customer", _id(record), {"kind": "person", "person_name": _name(record)}, None)
    contact = {
        "name": _name(record),
        "email": personal(_part(record.get("emails")).get("primaryEmail") or record.get("email")),
        "phone": _joined(
            _part(record.get("phones")), ("primaryPhoneCallingCode", "primaryPhoneNumber"), " "
        ) or personal(record.get("phone")),
        "role": personal(record.get("jobTitle")),
    }  # fmt: skip
    return Said("customer", company, {"contacts": {speaker.account.entity_id(_id(record)): contact}}, None)


def _member(record: Mapping[str, Any], speaker: Speaker) -> Said:
    del speaker
    fields: Fields = {"name": _name(record), "email": personal(record.get("userEmail")), "active": True}
    return Said("member", _id(record), fields, None)


KINDS: Mapping[str, Callable[[Mapping[str, Any], Speaker], Said]] = {
    "opportunity": _opportunity,
    "company": _company,
    "person": _person,
    "workspaceMember": _member,
}
"""By the singular name of the object, as Twenty writes it."""


def _id(record: Mapping[str, Any]) -> str:
    return required(record.get("id"), "The id of the record")


def _part(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _amount(value: object, account: Account) -> dict[str, str] | None:
    """Millionths; an amount that names no currency is in the one of the settings."""
    amount = _part(value)
    return micros(amount.get("amountMicros"), text(amount.get("currencyCode")) or account.settings.currency)


def _day(value: object, account: Account) -> str | None:
    if text(value) is None:
        return None
    zone = ZoneInfo(account.settings.time_zone)
    return instant(value, naive_in=zone).astimezone(zone).date().isoformat()


def _name(record: Mapping[str, Any]) -> str | None:
    """`name: {firstName, lastName}`; the documentation shows both beside the id."""
    name = record["name"] if isinstance(record.get("name"), dict) else record
    return _joined(name, ("firstName", "lastName"), " ")


def _joined(parts: Mapping[str, Any], names: tuple[str, ...], between: str) -> str | None:
    return personal(between.join(found for found in (text(parts.get(name)) for name in names) if found))
