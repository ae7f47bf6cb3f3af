"""An entity is the set of what was asserted about it. Merging is union; reading is last writer wins, field by field.

So neither the order of arrival nor repetition can matter, and any past state can be read again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from types import MappingProxyType
from typing import NamedTuple

Value = object
"""A JSON value: text, whole number, truth value, None, or a mapping or list of them. Decimals travel as text."""

_NOTHING: Mapping[str, Value] = MappingProxyType({})


class Stamp(NamedTuple):
    """When a source said something. Totally ordered, so that merging needs no order of arrival."""

    occurred_at: datetime
    sequence: int
    source: str
    event_id: str


@dataclass(frozen=True, slots=True)
class Assertion:
    """What one revision of one event says about one entity."""

    stamp: Stamp
    known_on: date
    """Business date of the inbox commit: the day on which we learned it."""
    said: Mapping[str, Value] = field(default_factory=lambda: _NOTHING)
    """Only what was said: a missing field is unsaid, None is cleared, a collection maps entry ids to fields or None."""
    ended: bool | None = None
    since: date | None = None
    """Reference data only: the business date from which the value holds; None means that it always held."""
    revision: int = 0

    @property
    def identity(self) -> tuple[str, str]:
        return self.stamp.source, self.stamp.event_id


Journal = tuple[Assertion, ...]
"""All assertions about one entity, every revision of each, in stamp order."""


def merge(journal: Journal, said: Iterable[Assertion]) -> Journal:
    """The union, in stamp order. An assertion that is there already changes nothing."""
    union = {(*one.identity, one.revision): one for one in journal}
    for one in said:
        union.setdefault((*one.identity, one.revision), one)
    if len(union) == len(journal):
        return journal
    return tuple(sorted(union.values(), key=lambda one: (one.stamp, one.revision)))


def known(journal: Iterable[Assertion], on: date) -> list[Assertion]:
    """What was known at the end of the business day `on`: of each event its highest revision known by then."""
    seen = [one for one in journal if one.known_on <= on]
    if all(one.revision == 0 for one in seen):
        return seen
    highest: dict[tuple[str, str], Assertion] = {}
    for one in seen:
        if one.identity not in highest or highest[one.identity].revision < one.revision:
            highest[one.identity] = one
    return sorted(highest.values(), key=lambda one: one.stamp)


@dataclass(frozen=True, slots=True)
class State:
    """What is true of an entity from `since` on, until its next state."""

    since: datetime
    fields: Mapping[str, Value]
    stamps: Mapping[str, Stamp]
    """Who said each field last: the way from a value back to its event."""
    ended: bool

    def text(self, name: str) -> str | None:
        """The field as text; unsaid, cleared and non-text values are None."""
        value = self.fields.get(name)
        return value if isinstance(value, str) else None

    def entries(self, name: str) -> Mapping[str, Mapping[str, Value]]:
        """The living entries of a collection by their own id."""
        value = self.fields.get(name)
        return value if isinstance(value, dict) else {}


def states(assertions: Sequence[Assertion], collections: frozenset[str] = frozenset()) -> list[State]:
    """The states that an entity went through, oldest first, one for each assertion; `assertions` are in stamp order.

    An entity that ended is back only when that is said.
    """
    lived: list[State] = []
    fields: dict[str, Value] = {}
    stamps: dict[str, Stamp] = {}
    ended = False
    for one in assertions:
        fields, stamps = dict(fields), dict(stamps)
        for name, value in one.said.items():
            fields[name] = _entries(fields.get(name), value) if name in collections else value
            stamps[name] = one.stamp
        ended = ended if one.ended is None else one.ended
        lived.append(State(one.stamp.occurred_at, fields, stamps, ended))
    return lived


def _entries(before: Value, said: Value) -> dict[str, Mapping[str, Value]]:
    """Entries are read like fields, each under its own id; None removes one, and None for all removes all."""
    if not isinstance(said, Mapping):
        return {}
    entries: dict[str, Mapping[str, Value]] = dict(before) if isinstance(before, dict) else {}
    for key, entry in said.items():
        if entry is None:
            entries.pop(key, None)
        elif isinstance(entry, Mapping):
            entries[key] = {**entries.get(key, _NOTHING), **entry}
    return entries
