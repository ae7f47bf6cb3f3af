"""What the fields of Salesforce's objects are called here. The same names are read from all three of its mouths."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from services.ingest.sources.payload import Speaker, day, decimal, epoch, instant, money, text
from shared.contracts.strict_json import Number
from shared.kernel.errors import MalformedError
from shared.kernel.money import plain

_ID = re.compile("[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
_NAME_PARTS = ("FirstName", "MiddleName", "LastName", "Suffix")


@dataclass(slots=True)
class Saying:
    """What one object says, gathered; `open` if something in it can only be understood by reading the record."""

    said: Mapping[str, Any]
    """Salesforce's field → value, null if it is cleared; a field that is not in it is not said."""
    speaker: Speaker
    around: Mapping[str, Any] = field(default_factory=dict)
    """Values beside what is said, such as the currency of an amount that alone has changed."""
    text_is_company: bool = False
    """Whether a name that is plain text is always a company's, as in change events."""
    fields: dict[str, object] = field(default_factory=dict)
    open: bool = False

    def put(self, ours: str, theirs: str, read: Callable[[Any], object] = text) -> None:
        """Say a field, if it was said."""
        if theirs in self.said:
            self.fields[ours] = read(self.said[theirs])

    @property
    def settings(self) -> Any:
        return self.speaker.account.settings


@dataclass(frozen=True, slots=True)
class Kind:
    """One object of Salesforce and the entity that it is."""

    entity: str
    say: Callable[[Saying], None]
    names: tuple[str, ...]
    """The fields that are read from the API, beside those that settings add."""
    optional: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Fields that an org has only if this setting is on."""
    deletable: bool = True

    def asked(self, settings: Any) -> tuple[str, ...]:
        """All fields to ask the API for; asking for one that an org does not have is refused as a whole."""
        switched = (name for switch, names in self.optional.items() if getattr(settings, switch) for name in names)
        always = ("Id", "SystemModstamp", "LastModifiedDate", *(("IsDeleted",) if self.deletable else ()))
        return tuple(dict.fromkeys((*always, *self.names, *switched, *self._named(settings))))

    def mapped(self, settings: Any) -> frozenset[str]:
        """All fields that mean something here, should they be said."""
        optional = (name for names in self.optional.values() for name in names)
        return frozenset((*self.names, *optional, *self._named(settings)))

    def _named(self, settings: Any) -> tuple[str, ...]:
        reason = settings.loss_reason_field
        return (reason,) if self.entity == "deal" and reason else ()


def _deal(saying: Saying) -> None:
    account, speaker = saying.speaker.account, saying.speaker
    saying.put("title", "Name")
    saying.put("customer_id", "AccountId", speaker.ref)
    saying.put("owner_id", "OwnerId", speaker.ref)
    saying.put("pipeline_id", "RecordTypeId", lambda value: account.pipeline(text(value)))
    saying.put("stage", "StageName")
    saying.put("expected_close_on", "CloseDate", _date)
    saying.put("probability", "Probability", _percent)
    saying.put("created_on", "CreatedDate", _date)
    saying.put("channel_id", "LeadSource", speaker.ref)
    if reason := saying.settings.loss_reason_field:
        saying.put("loss_reason", reason)
    _amount(saying)


def _amount(saying: Saying) -> None:
    """An amount in an org of several currencies is understood only with its own; so is a change of its currency."""
    seen = {**saying.around, **saying.said}
    amount, currency = seen.get("Amount"), text(seen.get("CurrencyIsoCode"))
    if "Amount" not in saying.said:
        saying.open |= "CurrencyIsoCode" in saying.said
    elif text(amount) is None:
        saying.fields["amount"] = None
    elif currency is None and ("CurrencyIsoCode" in seen or saying.settings.several_currencies):
        saying.open = True
    else:
        saying.fields["amount"] = money(amount, currency or saying.settings.currency)


def _customer(saying: Saying) -> None:
    speaker = saying.speaker
    saying.put("owner_id", "OwnerId", speaker.ref)
    saying.put("parent_id", "ParentId", speaker.ref)
    saying.put("sector", "Industry")
    saying.put("country", "BillingCountry")
    saying.open |= "Name.part" in saying.said
    if "Name" not in saying.said:
        return
    name, person = saying.said["Name"], saying.said.get("IsPersonAccount")
    if isinstance(name, dict) or flag(person):
        saying.fields |= {"kind": "person", "name": None, "person_name": person_name(name)}
    elif person is None and saying.settings.person_accounts and not saying.text_is_company:
        saying.open = True  # whether this is a company's name or a person's is not said
    else:
        saying.fields |= {"kind": "company", "name": text(name), "person_name": None}


def _member(saying: Saying) -> None:
    saying.open |= "Name.part" in saying.said
    saying.put("name", "Name", person_name)
    saying.put("email", "Email")
    saying.put("phone", "Phone")
    saying.put("role", "Title")
    saying.put("active", "IsActive", flag)


KINDS: Mapping[str, Kind] = {
    "Opportunity": Kind(
        "deal",
        _deal,
        (
            "Name",
            "AccountId",
            "OwnerId",
            "StageName",
            "Amount",
            "CloseDate",
            "Probability",
            "LeadSource",
            "CreatedDate",
        ),
        {"several_currencies": ("CurrencyIsoCode",), "pipelines": ("RecordTypeId",)},
    ),
    "Account": Kind(
        "customer",
        _customer,
        ("Name", "OwnerId", "ParentId", "Industry", "BillingCountry", "MasterRecordId"),
        {"person_accounts": ("IsPersonAccount",)},
    ),
    "User": Kind("member", _member, ("Name", "Email", "Phone", "Title", "IsActive"), deletable=False),
}


def record_id(value: object) -> str | None:
    """An id of a record; None for anything else, such as the wildcard `001*`."""
    found = text(value)
    return found if found is not None and _ID.fullmatch(found) else None


def moment(value: object) -> datetime | None:
    """ISO 8601 (REST, SOAP) or milliseconds since 1970 (change events); None if it is null."""
    found = text(value)
    if found is None:
        return None
    return epoch(found, per_second=1000) if isinstance(value, Number) else instant(found)


def changed_at(said: Mapping[str, Any]) -> datetime | None:
    """When the record last changed, by its own clock: SystemModstamp also moves where LastModifiedDate does not."""
    stamps = [when for name in ("SystemModstamp", "LastModifiedDate") if (when := moment(said.get(name))) is not None]
    return max(stamps, default=None)


def flag(value: object) -> bool | None:
    """A truth value, also as SOAP writes it."""
    return value if isinstance(value, bool) else {"true": True, "false": False}.get(text(value) or "")


def person_name(value: object) -> str | None:
    """A name in one piece, or put together in Salesforce's order."""
    if isinstance(value, dict):
        return " ".join(part for name in _NAME_PARTS if (part := text(value.get(name)))) or None
    return text(value)


def _date(value: object) -> str | None:
    when = moment(value) if isinstance(value, Number) else None
    return day(value) if when is None else when.date().isoformat()


def _percent(value: object) -> str | None:
    found = decimal(value)
    if found is None:
        return None
    if not 0 <= found <= 100:
        raise MalformedError("A probability is no percentage.")
    return plain(found / Decimal(100))
