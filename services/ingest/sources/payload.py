"""Reading what sources send: JSON without floats, money and times in every spelling, and saying it as events."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from hashlib import blake2b
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from services.ingest.sources.adapter import Account
from shared.contracts.currencies import CODES
from shared.contracts.entities import event_type
from shared.contracts.envelope import Event
from shared.contracts.strict_json import parse
from shared.contracts.values import FIRST_YEAR, LAST_YEAR
from shared.kernel.errors import Fault, InvalidInputError, MalformedError
from shared.kernel.ids import derived_id, is_id
from shared.kernel.money import EXACT, plain

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].*)?")
_SAME_EVERYWHERE = frozenset({"exchange-rate", "stage-map"})
"""Their ids say what they are about, in the same way for every source."""
_LONGEST_LABEL, _LONGEST_PERSONAL = 255, 10_000
_encode = msgspec.json.Encoder().encode

# ISO 4217 minor units other than two.
_WITHOUT_MINOR = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THOUSANDTHS = "BHD IQD JOD KWD LYD OMR TND"
_EXPONENTS: Mapping[str, int] = (
    dict.fromkeys(_WITHOUT_MINOR.split(), 0) | dict.fromkeys(_THOUSANDTHS.split(), 3) | {"CLF": 4, "UYW": 4}
)


# JSON


def read_object(body: bytes) -> dict[str, Any]:
    """A JSON object with every number as text (`Number`), so that no amount ever is a float. Raises MalformedError."""
    found = parse(body)
    if not isinstance(found, dict):
        raise MalformedError("The body is not a JSON object.")
    return found


def read_array(body: bytes) -> list[dict[str, Any]]:
    """A JSON array of objects, numbers as text. Raises MalformedError."""
    found = parse(body)
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise MalformedError("The body is not a JSON array of objects.")
    return found


def inner(value: object, where: str) -> dict[str, Any]:
    """A nested object. Raises MalformedError that names the place."""
    if not isinstance(value, dict):
        raise MalformedError(f"{where} is not a JSON object.")
    return value


def text(value: object) -> str | None:
    """Text or a number as text, trimmed; None for null, blank and everything else (true, objects, arrays)."""
    return (value.strip() or None) if isinstance(value, str) else None


def label(value: object) -> str | None:
    """Text cut to what a label holds; None for what is empty."""
    return (text(value) or "")[:_LONGEST_LABEL].strip() or None


def personal(value: object) -> str | None:
    """Text that may name a person, cut to what a personal field holds; None for what is empty."""
    return (text(value) or "")[:_LONGEST_PERSONAL].strip() or None


def required(value: object, where: str) -> str:
    """Text that must be there. Raises MalformedError that names the place."""
    found = text(value)
    if found is None:
        raise MalformedError(f"{where} is missing.")
    return found


# Money


def exponent(currency: str) -> int:
    """Digits of the currency's minor unit (ISO 4217)."""
    return _EXPONENTS.get(currency, 2)


def money(value: object, currency: object) -> dict[str, str] | None:
    """An amount in major units (decimal text, a JSON number, a float written out); None if it is null or blank.

    Raises InvalidInputError for what is no number, or for a currency that ISO 4217 does not know.
    """
    amount = decimal(value)
    return None if amount is None else {"amount": plain(amount), "currency": currency_code(currency)}


def minor_units(value: object, currency: object, digits: int | None = None) -> dict[str, str] | None:
    """An amount in the smallest unit (cents; yen; fils); `digits` for sources that differ from ISO 4217."""
    amount = decimal(value)
    if amount is None:
        return None
    code = currency_code(currency)
    shift = exponent(code) if digits is None else digits
    return {"amount": plain(EXACT.scaleb(amount, -shift)), "currency": code}


def micros(value: object, currency: object) -> dict[str, str] | None:
    """An amount in millionths of the major unit."""
    amount = decimal(value)
    return None if amount is None else {"amount": plain(EXACT.scaleb(amount, -6)), "currency": currency_code(currency)}


def decimal(value: object) -> Decimal | None:
    """An exact number from text or a JSON number; None if it is null or blank. Raises InvalidInputError."""
    found = text(value)
    if value is None or (found is None and isinstance(value, str)):
        return None
    if found is None or not _NUMBER.fullmatch(found):
        raise InvalidInputError("An amount is no number.", faults=[Fault("amount", "must be a decimal number")])
    try:
        return Decimal(found)
    except InvalidOperation as error:
        raise InvalidInputError("An amount is no number.") from error


def currency_code(value: object) -> str:
    """An ISO 4217 code in upper case. Raises InvalidInputError."""
    code = (text(value) or "").upper()
    if code not in CODES:
        raise InvalidInputError(
            "An amount has no currency that ISO 4217 knows.", faults=[Fault("currency", "unknown currency")]
        )
    return code


# Time


def epoch(value: object, *, per_second: int = 1) -> datetime:
    """An instant counted from 1970: seconds, or with `per_second=1000` milliseconds. Raises MalformedError."""
    try:
        found = decimal(value)
    except InvalidInputError as error:
        raise MalformedError("A time is no number.") from error
    if found is None:
        raise MalformedError("A time is missing.")
    try:
        instant = _EPOCH + timedelta(microseconds=int(found * 1_000_000 / per_second))
    except (OverflowError, ValueError) as error:
        raise MalformedError("A time lies outside the calendar.") from error
    return _in_range(instant)


def instant(value: object, *, naive_in: tzinfo | None = None) -> datetime:
    """ISO 8601 with an offset (`2026-11-20T10:00:00-05:00`, `…Z`, `+0800`, a blank for the T), as UTC. A time without
    an offset is read in `naive_in`, for sources that write their times without one. Raises MalformedError."""
    found = text(value)
    if found is None:
        raise MalformedError("A time is missing.")
    try:
        read = datetime.fromisoformat(found)
    except ValueError as error:
        raise MalformedError("A time is not ISO 8601.") from error
    if read.tzinfo is None:
        if naive_in is None:
            raise MalformedError("A time has no offset from UTC.")
        read = read.replace(tzinfo=naive_in)
    return _in_range(_utc(read))


def day(value: object) -> str | None:
    """The date of `2026-12-20` or of a time that begins so; None if it is null or blank. Raises MalformedError."""
    found = text(value)
    if found is None:
        return None
    if not _DAY.fullmatch(found):
        raise MalformedError("A date is not written 2026-12-20.")
    try:
        return date.fromisoformat(found[:10]).isoformat()
    except ValueError as error:
        raise MalformedError("A date is no day of the calendar.") from error


def time_zone(name: str, like: str = "Europe/Berlin") -> ZoneInfo:
    """A time zone by its IANA name. Raises ValueError, as settings do, with an example of one."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"time_zone must be a name such as {like}") from error


def micros_since_1970(when: datetime) -> int:
    """An instant as a `sequence`: later is greater."""
    return (when - _EPOCH) // _MICROSECOND


def _utc(read: datetime) -> datetime:
    try:
        return read.astimezone(UTC)
    except OverflowError as error:
        raise MalformedError("A time lies outside the calendar.") from error


def _in_range(found: datetime) -> datetime:
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise MalformedError(f"A time lies outside the years {FIRST_YEAR} to {LAST_YEAR}.")
    return found


# Events


@dataclass(frozen=True, slots=True)
class Speaker:
    """Says events in the name of one source, all with one cause."""

    account: Account
    cause: str | None = None

    def changed(
        self,
        entity: str,
        foreign_id: str,
        fields: Mapping[str, object],
        *,
        event_id: str,
        at: datetime,
        sequence: int = 0,
        ended: bool | None = None,
    ) -> Event:
        """Something about one entity. `foreign_id` is the source's id of it; `fields` are said as they stand: None
        clears, what is not there is unsaid. `event_id` that is too long or odd is replaced by one derived from it."""
        subject = self._subject(entity, required(foreign_id, f"The id of a changed {entity}"))
        said = {"id": subject, **({} if ended is None else {"ended": ended}), **fields}
        return Event(
            type=event_type(entity),
            source=self.account.source,
            id=event_id if is_id(event_id) else derived_id(event_id),
            subject=subject,
            time=at,
            sequence=sequence,
            data=_encode(said),
            cause=self.cause,
        )

    def merged(self, gone: str, survivor: str | None, *, event_id: str, at: datetime, sequence: int = 0) -> Event:
        """Two customers are one from now on; without a survivor they are two again."""
        fields = {"of_type": "customer", "into_id": self.ref(survivor)}
        return self.changed("alias", gone, fields, event_id=event_id, at=at, sequence=sequence)

    def _subject(self, entity: str, foreign_id: str) -> str:
        if entity in _SAME_EVERYWHERE:
            return foreign_id
        own = self.account.entity_id(foreign_id)
        return f"customer:{own}" if entity == "alias" else own

    def ref(self, foreign_id: object) -> str | None:
        """The id here of another object of the same source; None for null and blank."""
        found = text(foreign_id)
        return None if found is None else self.account.entity_id(found)

    def person(self, identifying: object) -> str | None:
        """The id here of somebody whom the source names by mail address or name: ids leave ingest, names do not."""
        return self.ref(self.pseudonym(identifying))

    def pseudonym(self, identifying: object) -> str | None:
        """What to say as `foreign_id` of such a person, so that `person` finds them."""
        found = text(identifying)
        return None if found is None else derived_id(self.account.name, found.casefold())


def fingerprint(*parts: str | bytes) -> str:
    """16 hexadecimal digits that tell contents apart, for ids of events whose source has none."""
    digest = blake2b(digest_size=8)
    for part in parts:
        encoded = part.encode() if isinstance(part, str) else part
        digest.update(len(encoded).to_bytes(4, "big"))
        digest.update(encoded)
    return digest.hexdigest()
