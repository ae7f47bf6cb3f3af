"""An entity is the set of what was asserted about it. Merging is union; reading is last writer wins, field by field.

So neither the order of arrival nor repetition can matter, and any past state can be read again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from operator import attrgetter
from types import MappingProxyType
from typing import NamedTuple

Value = object
"""A JSON value: text, whole number, truth value, None, or a mapping or list of them. Decimals travel as text."""

_NOTHING: Mapping[str, Value] = MappingProxyType({})
_MAPPINGS = (dict, Mapping)
"""Asking for the plain type first is much faster."""


class Stamp(NamedTuple):
    """When a source said something. Totally ordered, so that merging needs no order of arrival."""

    occurred_at: datetime
    sequence: int
    source: str
    event_id: str


stamp = partial(tuple.__new__, Stamp)
"""A stamp of its four values, in order: half as slow as to call the class."""


@dataclass(slots=True)
class Assertion:
    """What one revision of one event says about one entity.

    Never changed; not frozen, for that makes it slow to make.
    """

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


_FIRST_ONLY = {0}
_IN_ORDER = attrgetter("stamp", "revision")

Journal = tuple[Assertion, ...]
"""All assertions about one entity, every revision of each, in stamp order."""


def merge(journal: Journal, said: Iterable[Assertion]) -> Journal:
    """The union, in stamp order. An assertion that is there already changes nothing."""
    return joined(journal, unheard(journal, said))


def unheard(journal: Journal, said: Iterable[Assertion]) -> list[Assertion]:
    """Those that the journal does not hold yet, each once, in the order in which they came."""
    heard = {(one.stamp.source, one.stamp.event_id, one.revision) for one in journal}
    new: list[Assertion] = []
    for one in said:
        identity = one.stamp.source, one.stamp.event_id, one.revision
        if identity not in heard:
            heard.add(identity)
            new.append(one)
    return new


def joined(journal: Journal, new: Sequence[Assertion]) -> Journal:
    """The journal and what it does not hold yet, in stamp order."""
    if not new:
        return journal
    if len(new) == 1 and (not journal or journal[-1].stamp < new[0].stamp):
        return (*journal, *new)
    return tuple(sorted((*journal, *new), key=_IN_ORDER))


def known(journal: Iterable[Assertion], on: date) -> list[Assertion]:
    """What was known at the end of the business day `on`: of each event its highest revision known by then."""
    seen = [one for one in journal if one.known_on <= on]
    if {one.revision for one in seen} <= _FIRST_ONLY:
        return seen
    highest: dict[tuple[str, str], Assertion] = {}
    for one in seen:
        if one.identity not in highest or highest[one.identity].revision < one.revision:
            highest[one.identity] = one
    return sorted(highest.values(), key=lambda one: one.stamp)


@dataclass(slots=True)
class State:
    """What is true of an entity from `since` on, until its next state. Never changed; not frozen, as an assertion."""

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


def states(
    assertions: Sequence[Assertion], collections: frozenset[str] = frozenset(), before: State | None = None
) -> list[State]:
    """The states that an entity went through, oldest first, one for each assertion; `assertions` are in stamp order.

    An entity that ended is back only when that is said. `before` is its last state before these assertions, if any.
    """
    lived: list[State] = []
    fields: Mapping[str, Value] = before.fields if before else {}
    stamps: Mapping[str, Stamp] = before.stamps if before else {}
    ended = before is not None and before.ended
    for one in assertions:
        now, said_by = dict(fields), dict(stamps)
        for name, value in one.said.items():
            now[name] = _entries(now.get(name), value) if name in collections else value
            said_by[name] = one.stamp
        fields, stamps, ended = now, said_by, ended if one.ended is None else one.ended
        lived.append(State(one.stamp.occurred_at, fields, stamps, ended))
    return lived


def _entries(before: Value, said: Value) -> dict[str, Mapping[str, Value]]:
    """Entries are read like fields, each under its own id; None removes one, and None for all removes all."""
    if not isinstance(said, _MAPPINGS):
        return {}
    entries: dict[str, Mapping[str, Value]] = dict(before) if isinstance(before, dict) else {}
    for key, entry in said.items():
        if entry is None:
            entries.pop(key, None)
        elif isinstance(entry, _MAPPINGS):
            entries[key] = {**entries.get(key, _NOTHING), **entry}
    return entries
