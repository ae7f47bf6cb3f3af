"""How one Stripe event or one object of the API says its events; amounts, days and references as Stripe writes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from services.ingest.sources.payload import (
    Speaker,
    currency_code,
    decimal,
    epoch,
    micros_since_1970,
    minor_units,
    required,
    text,
)
from shared.contracts.envelope import Event

Money = dict[str, str]
_WHOLE = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF"
"""Stripe's zero-decimal currencies. ISK and UGX have no decimals any more, but Stripe still writes them in hundredths;
MGA, of which ISO 4217 says two decimals, it writes in whole units."""
_THOUSANDTHS = "BHD JOD KWD OMR TND"


@dataclass(frozen=True, slots=True)
class Voice:
    """Says events about the objects of one Stripe event, or of one record."""

    speaker: Speaker
    settings: Any
    at: datetime
    """When Stripe made the event; of a record, when it was read: its objects do not tell when they changed."""
    event: str = ""
    """Stripe's own id of the event; empty for a record."""
    type: str = ""
    """Such as `charge.succeeded`; of a record its kind."""

    @property
    def is_read(self) -> bool:
        return not self.event

    def say(
        self,
        entity: str,
        foreign_id: str,
        fields: Mapping[str, object],
        *,
        part: str = "",
        rank: int = 0,
        ended: bool | None = None,
    ) -> Event:
        """`part` tells several statements of one Stripe event apart; `rank` orders states of one second."""
        if self.is_read:
            rank = micros_since_1970(self.at)
            event_id = f"read:{self.type}:{entity}:{foreign_id}@{self.at.isoformat()}/{rank}"
        else:
            event_id = f"{self.event}:{part}" if part else self.event
        return self.speaker.changed(
            entity, foreign_id, fields, event_id=event_id, at=self.at, sequence=rank, ended=ended
        )

    def day(self, seconds: object) -> str | None:
        """The date of a time in the account's time zone."""
        if decimal(seconds) is None:
            return None
        return self.local(epoch(seconds))

    def local(self, when: datetime) -> str:
        """The date in the account's time zone."""
        return when.astimezone(ZoneInfo(self.settings.time_zone)).date().isoformat()

    def ref(self, value: object) -> str | None:
        """The id here of another object of the account."""
        return self.speaker.ref(id_of(value))

    def order(self, holder: Mapping[str, Any]) -> str | None:
        """The order that the metadata name, in the source whose prefix the settings tell."""
        prefix: str | None = self.settings.order_prefix
        said = text(part(holder, "metadata").get(self.settings.order_key))
        return None if prefix is None or said is None else f"{prefix}{said}"


def id_of(value: object) -> str | None:
    """The id of what may be expanded: an id, or the whole object."""
    return text(value.get("id")) if isinstance(value, dict) else text(value)


def named(holder: Mapping[str, Any]) -> str:
    """The id of an object. Raises MalformedError."""
    return required(holder.get("id"), "The id of an object")


def items(holder: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The objects of an array or of Stripe's list object; none if it is not there."""
    found = holder.get(name)
    found = found.get("data") if isinstance(found, dict) else found
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def part(holder: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A nested object; an empty one if it is not there."""
    found = holder.get(name)
    return found if isinstance(found, dict) else {}


def whole(holder: Mapping[str, Any], name: str) -> Decimal:
    """An amount in the smallest unit, 0 if it is not said."""
    return decimal(holder.get(name)) or Decimal(0)


def money(minor: Decimal, currency: object) -> Money:
    """An amount as events say it."""
    code = currency_code(currency)
    digits = 0 if code in _WHOLE else 3 if code in _THOUSANDTHS else 2
    return minor_units(format(minor, "f"), code, digits) or {}
