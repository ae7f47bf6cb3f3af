"""How Odoo writes values: `false` for nothing, links as a raw id or as [id, name], times in UTC without saying so."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from services.ingest.sources.adapter import Account
from services.ingest.sources.payload import decimal, instant, label, money, required, text
from shared.kernel.money import EXACT

Row = Mapping[str, Any]
Fields = dict[str, object]
_LARGEST = 30
_FINEST = Decimal("0.000001")
"""Odoo computes in binary floating point; what lies behind the sixth digit is an artefact of it."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a record says about one entity."""

    entity: str
    foreign_id: str
    fields: Fields
    ended: bool | None = None


def own_id(row: Row) -> str:
    """The id of the record: `_id` in a webhook, `id` from the API."""
    return required(row.get("_id", row.get("id")), "The id of the record")


def parts(row: Row, name: str) -> list[Row]:
    """The rows inside a row."""
    found = row.get(name)
    return [part for part in found if isinstance(part, dict)] if isinstance(found, list) else []


def linked(value: object) -> str | None:
    """The id behind a link."""
    return text(value[0] if isinstance(value, list) and value else value)


def named(value: object) -> str | None:
    """The name behind a link, where Odoo sends it."""
    return label(value[1]) if isinstance(value, list) and len(value) > 1 else None


def number(value: object) -> Decimal | None:
    """A float as it was meant; None for `false`."""
    found = None if value is False else decimal(value)
    if found is None or found.adjusted() > _LARGEST:
        return found  # too large for any amount: the contract says so
    return found.quantize(_FINEST, context=EXACT).normalize(EXACT)


def quantity(value: object) -> str | None:
    """A number as text."""
    found = number(value)
    return None if found is None else format(found, "f")


def say_money(fields: Fields, name: str, row: Row, source: str, currency: str, account: Account) -> None:
    """Say an amount, if the row has it. Its currency may be a raw id that nothing explains: then the read from the API
    says it. Raises InvalidInputError if there is no API."""
    if source not in row:
        return
    code = _currency(row, currency, account)
    if code is not None or not account.settings.api_key:
        fields[name] = priced(row[source], code)


def priced(value: object, code: str | None) -> dict[str, str] | None:
    """An amount of a known currency."""
    return money(quantity(value), code)


def _currency(row: Row, field: str, account: Account) -> str | None:
    if field not in row:
        said: str | None = account.settings.currency
        return said
    known: Mapping[str, str] = account.settings.currencies
    return named(row[field]) or known.get(linked(row[field]) or "")


def moment(value: object) -> datetime:
    """A time of Odoo: UTC without an offset."""
    return instant(value, naive_in=UTC)


def day_of(value: object, account: Account) -> str | None:
    """The business date of a time, or a date as it stands."""
    found = text(value)
    if found is None or ":" not in found:
        return found
    return moment(found).astimezone(ZoneInfo(account.settings.time_zone)).date().isoformat()
