"""The fields of a rule, compiled against the contract: what is wrong with a mapping is found when it is loaded."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from msgspec import UNSET

from services.ingest.sources import payload
from services.ingest.sources.json_webhook.configuration import FieldSaid
from services.ingest.sources.json_webhook.expressions import (
    ABSENT,
    Expression,
    ExpressionError,
    Place,
    compiled,
    is_true,
)
from services.ingest.sources.json_webhook.values import Reader, TimeFormat, choices_of, kind_of, literal, time_format
from services.ingest.sources.payload import Speaker
from shared.contracts.shape import Shape
from shared.kernel.errors import Fault, InvalidInputError, MalformedError, TooLargeError

MOST_ENTRIES = 5000
"""Of one collection."""
_KEYED_BY_ENTITIES = frozenset({"allocations", "competitor_ids"})
_OF_COLLECTIONS = ("each", "key", "removed", "entry", "fields")
_OF_VALUES = ("value", "constant", "kind", "values", "otherwise", "currency", "unit", "format", "zone")

T = TypeVar("T")


class MappingError(ValueError):
    """What is wrong with a mapping. It names rules and fields, never a value."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the source says for all rules."""

    currency: str | None
    zone: str

    def times(self, pattern: str, zone: str | None) -> TimeFormat:
        """Raises MappingError."""
        try:
            return time_format(pattern, zone or self.zone)
        except ValueError as error:
            raise MappingError(f"a time {error}") from None


class Field(Protocol):
    """One field of a rule or of an entry."""

    def said(self, place: Place, speaker: Speaker, *, whole: bool) -> object:
        """What to say; ABSENT for nothing, None to clear. Raises InvalidInputError, which names the field."""


@dataclass(frozen=True, slots=True)
class Single:
    """One value."""

    where: str
    source: Expression | None
    constant: object
    reader: Reader
    currency: Expression | None
    usual_currency: str | None

    def said(self, place: Place, speaker: Speaker, *, whole: bool) -> object:
        """Of a whole record, what is not there is cleared."""
        with at(self.where):
            found = self.constant if self.source is None else self.source.value(place)
            if found is ABSENT:
                return None if whole else ABSENT
            return self.reader.read(found, self._currency(place), speaker)

    def _currency(self, place: Place) -> object:
        said = self.currency.value(place) if self.currency else None
        return self.usual_currency if said is ABSENT or said is None else said


@dataclass(frozen=True, slots=True)
class Collection:
    """Entries under their own ids. Entries that are not there stay as they are: nothing says that they are gone."""

    where: str
    each: Expression
    key: Single
    removed: Expression | None
    entry: Single | None
    fields: Mapping[str, Single]

    def said(self, place: Place, speaker: Speaker, *, whole: bool) -> object:
        """Null clears all of it."""
        with at(self.where):
            found = self.each.value(place)
            if found is ABSENT or found is None:
                return None if found is None or whole else ABSENT
            entries = listed(found)
            if len(entries) > MOST_ENTRIES:
                raise TooLargeError(f"A collection has more than {MOST_ENTRIES} entries.")
        said: dict[str, object] = {}
        for inside in map(place.inside, entries):
            key = self.key.said(inside, speaker, whole=False)
            if not isinstance(key, str) or key in said:
                raise InvalidInputError(
                    "A notice does not fit its mapping.", faults=[Fault(self.key.where, "is missing or comes twice")]
                )
            said[key] = self._entry(inside, speaker, whole=whole)
        return said

    def _entry(self, place: Place, speaker: Speaker, *, whole: bool) -> object:
        if self.removed is not None and is_true(self.removed.value(place)):
            return None
        if self.entry is not None:
            found = self.entry.said(place, speaker, whole=False)
            return None if found is ABSENT else found
        return all_said(self.fields, place, speaker, whole=whole)


def all_said(fields: Mapping[str, Field], place: Place, speaker: Speaker, *, whole: bool) -> dict[str, object]:
    """The fields that say something."""
    found = ((name, field.said(place, speaker, whole=whole)) for name, field in fields.items())
    return {name: value for name, value in found if value is not ABSENT}


def listed(value: object) -> list[object]:
    """A list as it is; anything else is the only one of its kind."""
    return value if isinstance(value, list) else [value]


@contextmanager
def at(where: str) -> Iterator[None]:
    """What cannot be read says where; what was there is not shown."""
    try:
        yield
    except (InvalidInputError, MalformedError) as error:
        fault = Fault(where, error.detail)
        raise InvalidInputError(
            f"A notice does not fit its mapping: {where}: {error.detail}", faults=[fault]
        ) from error


# Compiling


def expression(text: str, where: str) -> Expression:
    """Raises MappingError."""
    try:
        return compiled(text)
    except ExpressionError as error:
        raise MappingError(f"{where} {error}") from error


def optional(text: str, where: str) -> Expression | None:
    """None for an empty one."""
    return expression(text, where) if text else None


def gathered(items: Iterable[tuple[str, Callable[[], T]]]) -> dict[str, T]:
    """All of them, or all that is wrong with them."""
    found: dict[str, T] = {}
    wrong: list[str] = []
    for name, make in items:
        try:
            found[name] = make()
        except MappingError as error:
            wrong.append(str(error))
    if wrong:
        raise MappingError("; ".join(wrong))
    return found


def fields_of(said: Mapping[str, str | FieldSaid], shape: Shape, where: str, defaults: Defaults) -> dict[str, Field]:
    """The fields of a struct of the contract. Raises MappingError."""
    return gathered((name, _maker(name, one, shape, where, defaults)) for name, one in said.items())


def _maker(name: str, said: str | FieldSaid, shape: Shape, where: str, defaults: Defaults) -> Callable[[], Field]:
    place = f"{where}, field {name}"

    def make() -> Field:
        known = [one for one in shape.fields if one not in ("id", "ended")]
        if name not in known:
            raise MappingError(f"{place}: there is no such field, only {', '.join(known)}")
        one = FieldSaid(value=said) if isinstance(said, str) else said
        inner = shape.fields[name]
        if inner.entry is not None:
            return _collection(name, one, inner, place, defaults)
        return single(name, one, inner, place, defaults)

    return make


def single(name: str, said: FieldSaid, shape: Shape, where: str, defaults: Defaults) -> Single:
    """One value. Raises MappingError."""
    _refuse(said, _OF_COLLECTIONS, where, "is for collections")
    has_constant = said.constant is not UNSET
    if has_constant == bool(said.value):
        raise MappingError(f"{where} needs one of value and constant")
    kind = said.kind or kind_of(name, shape) or "text"
    usual = _usual_currency(kind, said, where, defaults)
    reader = Reader(
        kind,
        _times(said, where, defaults),
        said.unit,
        None if said.values is UNSET else said.values,
        said.otherwise if isinstance(said.otherwise, str) else None,
        said.otherwise is not UNSET,
        name == "pipeline_id",
    )
    _check_words(said, shape, where)
    source = optional(said.value, f"{where}: value")
    constant = literal(said.constant) if not isinstance(said.constant, type(UNSET)) else None
    return Single(where, source, constant, reader, optional(said.currency, f"{where}: currency"), usual)


def _usual_currency(kind: str, said: FieldSaid, where: str, defaults: Defaults) -> str | None:
    units = {"money": ("major", "minor", "micros"), "number": ("major", "percent")}.get(kind, ("major",))
    if said.unit not in units:
        raise MappingError(f"{where}: unit must be one of {', '.join(units)}")
    if kind != "money":
        _refuse(said, ("currency",), where, "is for money")
    elif not said.currency and defaults.currency is None:
        raise MappingError(f"{where} needs a currency, or the source does")
    return defaults.currency


def _times(said: FieldSaid, where: str, defaults: Defaults) -> TimeFormat:
    try:
        return defaults.times(said.format, said.zone)
    except MappingError as error:
        raise MappingError(f"{where}: {error}") from None


def _check_words(said: FieldSaid, shape: Shape, where: str) -> None:
    choices = choices_of(shape)
    targets = [] if said.values is UNSET else list(said.values.values())
    targets += [word for word in (said.constant, said.otherwise) if isinstance(word, str)]
    if choices and not choices.issuperset(targets):
        raise MappingError(f"{where} must become one of {', '.join(sorted(choices))}")
    if said.otherwise is not UNSET and said.values is UNSET:
        raise MappingError(f"{where}: otherwise goes with values")


def _collection(name: str, said: FieldSaid, shape: Shape, where: str, defaults: Defaults) -> Field:
    if said.constant is None:
        return single(name, said, shape, where, defaults)
    assert shape.entry is not None  # noqa: S101 - looked at by the caller
    _refuse(said, _OF_VALUES, where, "is for single values")
    if not said.each or not said.key:
        raise MappingError(f"{where} needs each and key: its entries, and the id of one")
    key = FieldSaid(value=said.key) if isinstance(said.key, str) else said.key
    key_name = "entry_id" if name in _KEYED_BY_ENTITIES else "entry"
    shapes = shape.key or shape
    return Collection(
        where,
        expression(said.each, f"{where}: each"),
        single(key_name, key, shapes, f"{where}, key", defaults),
        optional(said.removed, f"{where}: removed"),
        _entry(said, shape.entry, where, defaults),
        _entry_fields(said, shape.entry, where, defaults),
    )


def _entry(said: FieldSaid, shape: Shape, where: str, defaults: Defaults) -> Single | None:
    if isinstance(said.entry, type(UNSET)):
        return None
    entry = FieldSaid(value=said.entry) if isinstance(said.entry, str) else said.entry
    return single("entry", entry, shape, f"{where}, entry", defaults)


def _entry_fields(said: FieldSaid, shape: Shape, where: str, defaults: Defaults) -> Mapping[str, Single]:
    is_single = kind_of("entry", shape) == "money" or not shape.is_struct
    if is_single == isinstance(said.entry, type(UNSET)):
        raise MappingError(f"{where} needs {'entry: how one is read' if is_single else 'fields, not entry'}")
    if said.fields and is_single:
        raise MappingError(f"{where}: its entries have no fields")
    found = fields_of(said.fields, shape, where, defaults)
    return {name: field for name, field in found.items() if isinstance(field, Single)}


def _refuse(said: FieldSaid, names: Iterable[str], where: str, why: str) -> None:
    usual = FieldSaid()
    wrong = [name for name in names if getattr(said, name) != getattr(usual, name)]
    if wrong:
        raise MappingError(f"{where}: {', '.join(wrong)} {why}")


def foreign_id(one: Single, place: Place, speaker: Speaker) -> str:
    """The sender's own id of what a notice is about. Raises InvalidInputError."""
    with at(one.where):
        found = payload.text(one.source.value(place)) if one.source else None
        if one.reader.kind == "person":
            found = speaker.pseudonym(found)
        elif "@" in (found or ""):
            raise InvalidInputError("An id is a mail address: read it with `kind: person`.")
        return payload.required(found, "The id")
