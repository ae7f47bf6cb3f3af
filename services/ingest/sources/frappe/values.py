"""How Frappe writes values: names as ids, times without an offset in the site's zone, truth as 0 and 1."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from services.ingest.sources.adapter import Account
from services.ingest.sources.payload import Speaker, decimal, instant, money, required, text
from shared.kernel.money import EXACT

Doc = Mapping[str, Any]
Fields = dict[str, object]
_LARGEST = 30
_FINEST = Decimal("0.000001")
"""Frappe computes in binary floating point; what lies behind the sixth digit is an artefact of it."""
_SERIES = re.compile(r"[A-Z0-9./_-]*[0-9]{3,}")


@dataclass(frozen=True, slots=True)
class Said:
    """What a document says about one entity."""

    entity: str
    foreign_id: str
    fields: Fields
    ended: bool | None = False


def name_of(doc: Doc) -> str:
    """The name of a document: its id."""
    return required(doc.get("name"), "The name of the document")


def anonymous(speaker: Speaker, name: object) -> str | None:
    """A name that may be a person's (of a customer, of a user: a mail address) as a pseudonym. One from a naming
    series, such as CUST-2026-00001, names nobody and stays as it is."""
    found = text(name)
    return found if found is None or _SERIES.fullmatch(found) else speaker.pseudonym(found)


def anonymous_ref(speaker: Speaker, name: object) -> str | None:
    """The id here of a customer or a user."""
    return speaker.ref(anonymous(speaker, name))


def is_true(value: object) -> bool:
    """Truth is 1; true in documents that a template wrote."""
    return value is True or text(value) == "1"


def number(value: object) -> Decimal | None:
    """A float as it was meant."""
    found = decimal(value)
    if found is None or found.adjusted() > _LARGEST:
        return found  # too large for any amount: the contract says so
    return found.quantize(_FINEST, context=EXACT).normalize(EXACT)


def size(value: object) -> Decimal:
    """A number without its sign: returns are told with negative ones."""
    return abs(number(value) or Decimal(0))


def quantity(value: Decimal | None) -> str | None:
    """A number as text."""
    return None if value is None else format(value, "f")


def priced(value: Decimal | None, code: str | None) -> dict[str, str] | None:
    """An amount; of the company's currency, if the document names none. Raises InvalidInputError without either."""
    return money(quantity(value), code)


def currency_of(doc: Doc, account: Account, field: str = "currency") -> str | None:
    """The currency of a document, else that of the settings."""
    return text(doc.get(field)) or account.settings.currency


def is_whole(doc: Doc) -> bool:
    """Whether all of the document was sent, not fields that somebody picked."""
    return "creation" in doc and "docstatus" in doc


def moment(value: object, account: Account) -> datetime:
    """A time of the site."""
    return instant(value, naive_in=ZoneInfo(account.settings.time_zone))
