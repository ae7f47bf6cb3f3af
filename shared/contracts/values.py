"""The values of which events are made. Each type carries its limits, its check and its place in the JSON Schema."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from shared.contracts.currencies import CODES
from shared.contracts.strict_json import Number
from shared.kernel.ids import is_id

Check = Callable[[object], str | None]
"""Looks at the JSON value of a field (a number as `Number`) and says why it is refused; None if it is fine."""

FIRST_YEAR, LAST_YEAR = 1900, 2199
"""Dates and instants outside these years are refused: they are slips of a keyboard or of an epoch."""

_FIRST, _LAST = str(FIRST_YEAR), str(LAST_YEAR)
_LONGEST_NUMBER = 64

_remembered = lru_cache(maxsize=16_384, typed=True)
"""The same ids and amounts come again and again; typed, because a number may be written as one or as a string."""


@dataclass(frozen=True, slots=True)
class DecimalKind:
    """A kind of decimal. In JSON it is a string without exponent; a JSON number is read exactly as it is written, never
    through binary floating point, so 0.1 is one tenth.
    """

    pattern: str
    """What the string must look like: ECMA 262 and Python read it alike."""
    words: str
    number: Mapping[str, int]
    """JSON Schema keywords that bound it when it is written as a JSON number."""

    def meta(self) -> Meta:
        return Meta(
            description=self.words,
            extra={"check": self.check()},
            extra_json_schema={"pattern": f"^{self.pattern}$", **self.number},
        )

    def check(self) -> Check:
        matches = re.compile(self.pattern).fullmatch

        @_remembered
        def reason(value: object) -> str | None:
            if not isinstance(value, str):
                return "must be a string: a decimal that travels inside is never a JSON number"
            text = _written_out(value) if isinstance(value, Number) else value
            return None if matches(text) else f"must be {self.words}"

        return reason


def _written_out(number: Number) -> str:
    """A JSON number without its exponent; what is far too large or too fine stays as it is and matches nothing."""
    if "e" not in number and "E" not in number:
        return str(number)
    exponent = int(re.split("[eE]", number)[1][:_LONGEST_NUMBER])
    if len(number) > _LONGEST_NUMBER or abs(exponent) > _LONGEST_NUMBER:
        return str(number)
    return format(Decimal(number), "f")


_SIGNED = "no exponent, at most {} digits before the point and 6 after it (zeros at the end do not count)"

_AMOUNT = DecimalKind(
    r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,6}0*)?",
    "a decimal such as 1234.50: " + _SIGNED.format(15),
    {"exclusiveMinimum": -(10**15), "exclusiveMaximum": 10**15},
)
_POSITIVE_AMOUNT = DecimalKind(
    r"(?=.*[1-9])(0|[1-9][0-9]{0,14})(\.[0-9]{1,6}0*)?",
    "a decimal greater than zero such as 1234.50: " + _SIGNED.format(15),
    {"exclusiveMinimum": 0, "exclusiveMaximum": 10**15},
)
_QUANTITY = DecimalKind(
    r"-?(0|[1-9][0-9]{0,11})(\.[0-9]{1,6}0*)?",
    "a decimal such as 12 or 0.5: " + _SIGNED.format(12),
    {"exclusiveMinimum": -(10**12), "exclusiveMaximum": 10**12},
)
_RATE = DecimalKind(
    r"(?=.*[1-9])(0|[1-9][0-9]{0,11})(\.[0-9]{1,12}0*)?",
    "a decimal greater than zero such as 7.1234: no exponent, at most 12 digits before the point and 12 after it",
    {"exclusiveMinimum": 0, "exclusiveMaximum": 10**12},
)
_PROBABILITY = DecimalKind(
    r"(0(\.[0-9]{1,6}0*)?|1(\.0+)?)",
    "a decimal from 0 to 1 such as 0.7: no exponent, at most 6 digits after the point",
    {"minimum": 0, "maximum": 1},
)

Amount = Annotated[Decimal, _AMOUNT.meta()]
PositiveAmount = Annotated[Decimal, _POSITIVE_AMOUNT.meta()]
Quantity = Annotated[Decimal, _QUANTITY.meta()]
Rate = Annotated[Decimal, _RATE.meta()]
Probability = Annotated[Decimal, _PROBABILITY.meta()]


def _text(check: Check, *, words: str, longest: int = 255, shortest: int = 1, **schema: Any) -> Meta:
    return Meta(
        min_length=shortest,
        max_length=longest,
        description=words,
        extra={"check": check},
        extra_json_schema=schema or None,
    )


@_remembered
def _id_reason(value: object) -> str | None:
    fine = isinstance(value, str) and is_id(value)
    return None if fine else "must be 1 to 255 printable characters without a blank at either end"


def _contact_reason(value: object) -> str | None:
    if isinstance(value, str) and "@" in value:
        return "must not be a mail address: ids leave ingest, personal data do not"
    return _id_reason(value)


def _currency_reason(value: object) -> str | None:
    return None if value in CODES else "unknown currency: must be an ISO 4217 code such as EUR"


def _slug_reason(value: object) -> str | None:
    fine = isinstance(value, str) and re.fullmatch(_SLUG, value)
    return None if fine else "must be a slug such as needs-analysis"


@_remembered
def _day_reason(value: object) -> str | None:
    try:
        date.fromisoformat(str(value))
    except ValueError:
        return "must be a date such as 2026-03-31"
    return year_reason(value)


def year_reason(value: object) -> str | None:
    """Why the year of an ISO date or instant is refused."""
    fine = _FIRST <= str(value)[:4] <= _LAST
    return None if fine else f"must lie in the years {FIRST_YEAR} to {LAST_YEAR}"


_SLUG = r"[a-z][a-z0-9_-]{0,62}"

EntityId = Annotated[str, _text(_id_reason, words="1 to 255 printable characters, no blank at either end")]
ContactId = Annotated[str, _text(_contact_reason, words="an id that is no mail address")]
Currency = Annotated[str, _text(_currency_reason, words="ISO 4217 code", longest=3, shortest=3, pattern="^[A-Z]{3}$")]
Slug = Annotated[str, _text(_slug_reason, words="lower-case slug", longest=63, pattern=f"^{_SLUG}$")]
DayKey = Annotated[str, _text(_day_reason, words="ISO 8601 date", longest=10, shortest=10, format="date")]
Date = Annotated[date, Meta(extra={"check": year_reason})]
AwareDatetime = Annotated[datetime, Meta(tz=True, extra={"check": year_reason}, description="RFC 3339 with an offset")]
Label = Annotated[str, Meta(min_length=1, max_length=255)]
Personal = Annotated[str, Meta(max_length=10_000, extra={"personal": True}, extra_json_schema={"x-personal": True})]
"""Identifies a person or may do so (free text): stays in ingest."""


class Money(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """An amount in one currency: `{"amount": "1234.50", "currency": "EUR"}`."""

    amount: Amount
    currency: Currency


class PositiveMoney(Money, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """An amount greater than zero in one currency."""

    amount: PositiveAmount


@lru_cache(maxsize=1024)
def read_instant(text: str) -> datetime:
    """RFC 3339 with an offset, as UTC. Raises ValueError with the reason."""
    try:
        instant = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        raise ValueError("must be an RFC 3339 time such as 2026-03-31T09:00:00+08:00") from None
    if instant.tzinfo is None:
        raise ValueError("needs an offset from UTC, such as 2026-03-31T09:00:00+08:00")
    if reason := year_reason(text):
        raise ValueError(reason)
    return instant.astimezone(UTC)


def write_instant(instant: datetime) -> str:
    """RFC 3339 in UTC, with microseconds only if there are any."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
