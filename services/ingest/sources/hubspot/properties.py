"""What the properties of deals and companies say: one by one in webhooks, all together in records of the API."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Context, Decimal
from zoneinfo import ZoneInfo

from services.ingest.sources.adapter import Account
from services.ingest.sources.payload import Speaker, decimal, epoch, instant, label, money, text
from shared.kernel.money import plain

Fields = dict[str, object]
Property = Callable[[object, Speaker], Fields]

STAGE, PIPELINE, OWNER = "dealstage", "pipeline", "hubspot_owner_id"
AMOUNT, CURRENCY = "amount", "deal_currency_code"
MERGED = "hs_merged_object_ids"
_LONGEST_FRACTION = 25
_FINEST = -6
_EXACT = Context(prec=80)


def _labelled(field: str) -> Property:
    return lambda value, _: {field: label(value)}


def _referring(field: str) -> Property:
    return lambda value, speaker: {field: speaker.ref(value)}


def _dated(field: str) -> Property:
    return lambda value, speaker: {field: day_of(moment(value), speaker.account) if text(value) else None}


def _fraction(value: object, _: Speaker) -> Fields:
    number = _number(value)
    return {"probability": None if number is None else plain(number)}


_DEAL: Mapping[str, Property] = {
    "dealname": _labelled("title"),
    STAGE: _labelled("stage"),
    PIPELINE: lambda value, speaker: {"pipeline_id": speaker.account.pipeline(text(value))},
    "closedate": _dated("expected_close_on"),
    "createdate": _dated("created_on"),
    OWNER: _referring("owner_id"),
    "hs_deal_stage_probability": _fraction,
    "closed_lost_reason": _labelled("loss_reason"),
}
_COMPANY: Mapping[str, Property] = {
    "name": _labelled("name"),
    "industry": _labelled("sector"),
    "country": _labelled("country"),
    "state": _labelled("region"),
    OWNER: _referring("owner_id"),
    "hs_parent_company_id": _referring("parent_id"),
}
OBJECTS: Mapping[str, tuple[str, Mapping[str, Property]]] = {
    "deals": ("deal", _DEAL),
    "companies": ("customer", _COMPANY),
}
"""Kind → entity and its properties; the amount of a deal needs two."""


def wanted(kind: str) -> list[str]:
    """The properties to ask the API for."""
    both = [AMOUNT, CURRENCY] if kind == "deals" else []
    return [*OBJECTS[kind][1], *both, MERGED]


def amount(value: object, currency: object) -> Fields:
    """To six digits: sums leave more. Raises InvalidInputError for an amount without a currency."""
    number = _number(value)
    return {"amount": None if number is None else money(plain(number), currency)}


def moment(value: object) -> datetime:
    """Milliseconds since 1970 in webhooks, ISO 8601 in the API. Raises MalformedError."""
    found = text(value)
    digits = found is not None and found.removeprefix("-").isdecimal()
    return epoch(found, per_second=1000) if digits else instant(found)


def day_of(at: datetime, account: Account) -> str:
    """In the account's time zone."""
    return at.astimezone(ZoneInfo(account.settings.time_zone)).date().isoformat()


def _number(value: object) -> Decimal | None:
    """A decimal of at most six digits after the point; HubSpot writes binary fractions out to their last digit."""
    found = text(value)
    if found is not None and "." in found and "e" not in found.lower():
        found = found[: found.index(".") + _LONGEST_FRACTION]
    number = decimal(found)
    exponent = 0 if number is None else number.as_tuple().exponent
    if number is None or not isinstance(exponent, int) or exponent >= _FINEST:
        return number
    return number.quantize(Decimal(1).scaleb(_FINEST), context=_EXACT)
