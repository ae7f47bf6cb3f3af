"""Single values: from what an expression found to what the contract wants, by kind."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, tzinfo
from typing import Annotated, Any, Literal, get_args, get_origin
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services.ingest.sources import payload
from services.ingest.sources.json_webhook.configuration import Kind, Unit
from services.ingest.sources.payload import Speaker
from shared.contracts.shape import Shape
from shared.contracts.strict_json import Number
from shared.contracts.values import Money, write_instant
from shared.kernel.errors import InvalidInputError, MalformedError
from shared.kernel.money import EXACT, plain

_PATTERN = re.compile(r"(%[YmdHMSfzy%]|[^%])*")
_CLOCK = re.compile(r"%[HMSfz]")
_TRUTHS: Mapping[str, bool] = dict.fromkeys(("true", "yes", "1"), True) | dict.fromkeys(("false", "no", "0"), False)
_PER_SECOND = {"seconds": 1, "milliseconds": 1000}


def kind_of(name: str, shape: Shape) -> Kind | None:
    """What a field of the contract asks for; None for a collection."""
    bare = _bare(shape.type)
    if shape.entry is not None:
        return None
    if isinstance(bare, type) and issubclass(bare, Money):
        return "money"
    if bare is str:
        return "reference" if name.endswith("_id") and name != "pipeline_id" else "text"
    return _PLAIN.get(str(getattr(bare, "__name__", "")), "text")


_PLAIN: Mapping[str, Kind] = {"date": "date", "datetime": "time", "Decimal": "number", "bool": "truth", "int": "whole"}


def choices_of(shape: Shape) -> frozenset[str]:
    """The closed list of a field; empty if it has none."""
    bare = _bare(shape.type)
    return frozenset(map(str, get_args(bare))) if get_origin(bare) is Literal else frozenset()


def _bare(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


# Times


@dataclass(frozen=True, slots=True)
class TimeFormat:
    """How a sender writes times."""

    pattern: str
    """`rfc3339`, `seconds`, `milliseconds` or a pattern of strptime."""
    zone: tzinfo

    def instant(self, value: object) -> datetime:
        """Raises MalformedError."""
        if self.pattern in _PER_SECOND:
            return payload.epoch(value, per_second=_PER_SECOND[self.pattern])
        if self.pattern == "rfc3339":
            return payload.instant(value, naive_in=self.zone)
        return payload.instant(self._parsed(value).isoformat(), naive_in=self.zone)

    def day(self, value: object) -> str | None:
        """The date as written, or that of an instant in the zone."""
        if payload.text(value) is None:
            return None
        if self.pattern in ("", "rfc3339"):
            return payload.day(value)
        if self.pattern in _PER_SECOND:
            return self.instant(value).astimezone(self.zone).date().isoformat()
        return self._parsed(value).date().isoformat()

    def _parsed(self, value: object) -> datetime:
        try:
            return datetime.strptime(payload.required(value, "A time"), self.pattern)  # noqa: DTZ007 - the zone is given
        except ValueError as error:
            raise MalformedError("A time is not written as the mapping says.") from error


def time_format(pattern: str, zone: str) -> TimeFormat:
    """Raises ValueError with the reason."""
    if pattern not in ("", "rfc3339", *_PER_SECOND):
        if "%" not in pattern or not _PATTERN.fullmatch(pattern):
            raise ValueError("must be rfc3339, seconds, milliseconds, or a pattern of %Y %y %m %d %H %M %S %f %z")
        written = datetime.combine(date(2026, 1, 31), time(1, 2, 3, tzinfo=UTC)).strftime(pattern)
        datetime.strptime(written, pattern)  # noqa: DTZ007 - only whether it can be read
    return TimeFormat(pattern, zone_of(zone))


def zone_of(name: str) -> tzinfo:
    """Raises ValueError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("must be an IANA time zone such as Europe/Berlin") from None


# Kinds


@dataclass(frozen=True, slots=True)
class Reader:
    """How the values of one field are read."""

    kind: Kind
    times: TimeFormat
    unit: Unit = "major"
    values: Mapping[str, str] | None = None
    otherwise: str | None = None
    has_otherwise: bool = False
    is_pipeline: bool = False

    def read(self, value: object, currency: object, speaker: Speaker) -> object:
        """None for null, blank and false (but for a truth value). Raises QuintantError that shows no value."""
        if self.kind == "truth" and self.values is None:
            return _truth(value)
        value = None if value is False else value
        if isinstance(value, dict | list):
            raise InvalidInputError("An object or a list stands where a single value is read.")
        if self.values is not None and payload.text(_spelt(value)) is not None:
            value = self._looked_up(str(payload.text(_spelt(value))))
        if self.kind == "money":
            return _money(value, currency, self.unit)
        if self.kind == "number":
            return _number(value, self.unit)
        return self._text(value, speaker)

    def _looked_up(self, word: str) -> str | None:
        assert self.values is not None  # noqa: S101 - only called then
        if word in self.values:
            return self.values[word]
        if not self.has_otherwise:
            raise InvalidInputError("A word is none of the mapping's `values`.")
        return self.otherwise

    def _text(self, value: object, speaker: Speaker) -> object:
        if self.is_pipeline:
            return speaker.account.pipeline(payload.text(_spelt(value)))
        return _READ[self.kind](_spelt(value), self.times, speaker)


def _spelt(value: object) -> object:
    return "true" if value is True else value


def _reference(value: object, _times: TimeFormat, speaker: Speaker) -> object:
    if "@" in (payload.text(value) or ""):
        raise InvalidInputError("An id is a mail address: read it with `kind: person`.")
    return speaker.ref(value)


def _time(value: object, times: TimeFormat, _speaker: Speaker) -> object:
    return None if payload.text(value) is None else write_instant(times.instant(value))


def _whole(value: object, _times: TimeFormat, _speaker: Speaker) -> object:
    found = payload.decimal(value)
    if found is None:
        return None
    if found != found.to_integral_value():
        raise InvalidInputError("A number is not whole.")
    return int(found)


_READ: Mapping[str, Callable[[object, TimeFormat, Speaker], object]] = {
    "text": lambda value, _times, _speaker: payload.text(value),
    "truth": lambda value, _times, _speaker: _truth(value),
    "person": lambda value, _times, speaker: speaker.person(value),
    "date": lambda value, times, _speaker: times.day(value),
    "reference": _reference,
    "time": _time,
    "whole": _whole,
}


def _truth(value: object) -> bool | None:
    found = payload.text(value)
    if isinstance(value, bool) or value is None or (found is None and isinstance(value, str)):
        return value if isinstance(value, bool) else None
    if found is None or found.lower() not in _TRUTHS:
        raise InvalidInputError("A value is neither true nor false.")
    return _TRUTHS[found.lower()]


def _number(value: object, unit: Unit) -> str | None:
    found = payload.decimal(value)
    return None if found is None else plain(EXACT.scaleb(found, -2) if unit == "percent" else found)


def _money(value: object, currency: object, unit: Unit) -> object:
    if unit == "minor":
        return payload.minor_units(value, currency)
    return payload.micros(value, currency) if unit == "micros" else payload.money(value, currency)


def literal(value: object) -> object:
    """A constant of the mapping, as if the sender had said it."""
    return Number(value) if isinstance(value, int) and not isinstance(value, bool) else value
