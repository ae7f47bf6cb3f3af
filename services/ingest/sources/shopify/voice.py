"""How one delivery or one object of the API says its events: which id, time and order they get."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from services.ingest.sources.payload import Speaker, currency_code, decimal, exponent, fingerprint, micros_since_1970
from shared.contracts.envelope import Event
from shared.kernel.money import EXACT, plain

Money = dict[str, str]


@dataclass(frozen=True, slots=True)
class Voice:
    """Says events about the objects of one delivery or of one record."""

    speaker: Speaker
    home: str | None
    """The shop's own currency, as the settings name it."""
    read_at: datetime | None = None
    """When the record was read; None for a delivery."""

    def say(
        self,
        entity: str,
        kind: str,
        foreign_id: str,
        fields: Mapping[str, object],
        *,
        at: datetime,
        content: tuple[str | bytes, ...],
        rank: int = 0,
        ended: bool | None = None,
    ) -> Event:
        """`content` is what the statement was made of, as it was sent; `rank` orders versions of one second."""
        if self.read_at is None:
            mark, sequence = f":{fingerprint(*content)}", rank
        else:
            sequence = micros_since_1970(self.read_at)
            mark = f"/{sequence}"
        event_id = f"{'' if self.read_at is None else 'read:'}{kind}:{foreign_id}@{at.isoformat()}{mark}"
        return self.speaker.changed(
            entity, foreign_id, fields, event_id=event_id, at=at, sequence=sequence, ended=ended
        )


def items(holder: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The objects of a list; none if it is not there."""
    found = holder.get(name)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def part(holder: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A nested object; an empty one if it is not there."""
    found = holder.get(name)
    return found if isinstance(found, dict) else {}


def number(holder: Mapping[str, Any], name: str) -> Decimal:
    """An amount in shop currency, 0 if it is not said: `…_set.shop_money` where there is one, because a bare amount of
    a refund may be in the currency that the customer saw."""
    said = part(part(holder, f"{name}_set"), "shop_money").get("amount", holder.get(name))
    return decimal(said) or Decimal(0)


def total(holders: list[dict[str, Any]], name: str) -> Decimal:
    """The sum of an amount over several objects."""
    return sum((number(holder, name) for holder in holders), Decimal(0))


def money(amount: Decimal, currency: object) -> Money:
    """An amount as events say it."""
    return {"amount": plain(amount), "currency": currency_code(currency)}


def share(amount: Decimal, quantity: Decimal, of: Decimal, currency: object) -> Decimal:
    """The part of a line's amount that falls to some of its pieces; cut at the currency's smallest unit."""
    if quantity == of or not of:
        return amount
    digits = Decimal(1).scaleb(-exponent(currency_code(currency)))
    return EXACT.divide(EXACT.multiply(amount, quantity), of).quantize(digits, context=EXACT)
