"""Dated reference values: what a price, a team or a rate was on a business date, as known at the end of a day.

A view remembers every key that was asked, misses included, and when an answer would next be another one. So a fold
knows which references it depends on, and recomputes only the days of learning and the stretches of time that matter.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import NamedTuple, TypeVar

from shared.kernel.journal import Journal, Stamp, Value
from shared.kernel.period import ALWAYS

Answer = TypeVar("Answer")
_Path = tuple[str, ...]
"""A field, below the collection and the entry that it may stand in."""


class Key(NamedTuple):
    """One reference entity: its kind (`product`, `member`, …) and its own id."""

    kind: str
    id: str


key_of = partial(tuple.__new__, Key)
"""A key of its two values, in order: half as slow as to call the class."""


@dataclass(frozen=True, slots=True)
class _Entry:
    since: date
    stamp: Stamp
    known_on: date
    superseded_on: date | None
    """The day on which a higher revision of the same event was learned; None if never."""
    value: Value

    def is_known(self, on: date) -> bool:
        """Whether this is what was known at the end of the day `on`."""
        return self.known_on <= on and (self.superseded_on is None or on < self.superseded_on)


@dataclass(frozen=True, slots=True)
class _Field:
    """What was ever said of one field, by the date from which it holds, then in stamp order."""

    starts: tuple[date, ...]
    entries: tuple[_Entry, ...]


class Dated:
    """One reference entity, its journal laid out by field; what a collection holds is named `name.entry.field`."""

    __slots__ = ("_fields",)

    def __init__(self, journal: Journal) -> None:
        said: dict[_Path, list[_Entry]] = {}
        higher = _higher_revisions(journal)
        for one in journal:
            superseded = min((on for rev, on in higher.get(one.identity, ()) if rev > one.revision), default=None)
            for path, value in _flat(one.said):
                entry = _Entry(one.since or ALWAYS, one.stamp, one.known_on, superseded, value)
                said.setdefault(path, []).append(entry)
        self._fields = {".".join(path): _field(_at_and_above(path, said)) for path in said}

    def at(self, name: str, day: date, known: date) -> tuple[Value, date | None]:
        """The value on `day` as known at the end of `known`, and the next day of learning that changes this answer."""
        field = self._fields.get(name)
        return _read(field.entries[: bisect_right(field.starts, day)], known) if field else (None, None)

    def beyond(self, name: str, day: date, known: date) -> tuple[date | None, date | None]:
        """The first business date after `day` from which another entry holds, as known at the end of `known`, and the
        next day of learning that may change that date."""
        field = self._fields.get(name)
        later = field.entries[bisect_right(field.starts, day) :] if field else ()
        starts = next((e.since for e in later if e.is_known(known)), None)
        learned = (on for e in later for on in (e.known_on, e.superseded_on) if on and known < on)
        return starts, min(learned, default=None)


def _at_and_above(path: _Path, said: Mapping[_Path, list[_Entry]]) -> list[_Entry]:
    """What was said of a field, and what took away the entry or the whole collection that it stands in."""
    return [entry for depth in range(1, len(path) + 1) for entry in said.get(path[:depth], ())]


def _field(entries: list[_Entry]) -> _Field:
    ordered = tuple(sorted(entries, key=lambda e: (e.since, e.stamp)))
    return _Field(tuple(e.since for e in ordered), ordered)


def _read(entries: tuple[_Entry, ...], known: date) -> tuple[Value, date | None]:
    """The last entry known, and the first later day on which a stronger one is learned or this one is superseded."""
    learned: list[date] = []
    for entry in reversed(entries):
        if entry.known_on > known:
            learned.append(entry.known_on)
        elif entry.is_known(known):
            if entry.superseded_on is not None:
                learned.append(entry.superseded_on)
            return entry.value, min(learned, default=None)
    return None, min(learned, default=None)


def _higher_revisions(journal: Journal) -> dict[tuple[str, str], list[tuple[int, date]]]:
    higher: dict[tuple[str, str], list[tuple[int, date]]] = {}
    for one in journal:
        if one.revision:
            higher.setdefault(one.identity, []).append((one.revision, one.known_on))
    return higher


def _flat(said: Mapping[str, Value], above: _Path = ()) -> Iterator[tuple[_Path, Value]]:
    for name, value in said.items():
        if isinstance(value, Mapping) and not _is_money(value):
            yield from _flat(value, (*above, name))
        else:
            yield (*above, name), value


def _is_money(value: Mapping[str, Value]) -> bool:
    return value.keys() == {"amount", "currency"}


class References:
    """The reference data of one partition, as far as its worker has read."""

    __slots__ = ("_dated", "journals")

    def __init__(self, journals: Mapping[Key, Journal] | None = None) -> None:
        self.journals: Mapping[Key, Journal] = dict(journals or {})
        self._dated: dict[Key, Dated] = {}

    def journal(self, key: Key) -> Journal:
        """All that was said about a key; empty if nothing."""
        return self.journals.get(key, ())

    def keys(self, kind: str) -> Iterable[Key]:
        """The known keys of one kind."""
        return [key for key in self.journals if key.kind == kind]

    def learn(self, changed: Mapping[Key, Journal]) -> "References":
        """These references with some journals replaced; this object stays as it is."""
        grown = References()
        grown.journals = {**self.journals, **changed}
        grown._dated = {key: dated for key, dated in self._dated.items() if key not in changed}
        return grown

    def dated(self, key: Key) -> Dated | None:
        """The key laid out for reading; None if nothing was ever said about it."""
        journal = self.journals.get(key)
        if journal is None:
            return None
        dated = self._dated.get(key)
        if dated is None:
            dated = self._dated[key] = Dated(journal)
        return dated


class View:
    """The references as known at the end of one business day, and a record of what was asked of them."""

    __slots__ = ("_cutting", "_journals", "_later", "_references", "asked", "known", "learned")

    def __init__(self, references: References, known: date) -> None:
        self._references = references
        self._journals = references.journals  # asking them here spares a call for each miss, and most are
        self.known = known
        self.asked: set[Key] = set()
        self.learned: date | None = None
        """The first later day of learning on which an answer given so far would be another one."""
        self._later: date | None = None
        self._cutting: date | None = None

    def value(self, key: Key, name: str, day: date) -> Value:
        """The value of a field on the business date `day`; None if there is none."""
        self.asked.add(key)
        if key not in self._journals or (dated := self._references.dated(key)) is None:
            return None
        value, learned = dated.at(name, day, self.known)
        self.learned = _earlier(self.learned, learned)
        if self._cutting == day:  # what is asked of a fixed day does not change within a stretch
            later, learned = dated.beyond(name, day, self.known)
            self.learned = _earlier(self.learned, learned)
            self._later = _earlier(self._later, later)
        return value

    def text(self, key: Key, name: str, day: date) -> str | None:
        """The value as text; anything else is None."""
        if key not in self._journals:  # mostly: that spares the call
            self.asked.add(key)
            return None
        value = self.value(key, name, day)
        return value if isinstance(value, str) else None

    def stretches(
        self, answer: Callable[[date], Answer], start: date, end: date
    ) -> Iterator[tuple[date, date, Answer]]:
        """Cut [start, end) wherever a reference value changes that `answer` asks of the business date it is given; it
        may ask of fixed dates too."""
        day = start
        while day < end:
            self._later, self._cutting = None, day
            answered = answer(day)
            self._cutting = None
            stop = min(self._later or end, end)
            yield day, stop, answered
            day = stop


def _earlier(one: date | None, other: date | None) -> date | None:
    if one is None:
        return other
    return one if other is None or one <= other else other
