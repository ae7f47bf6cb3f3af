"""A deal's life as known on one day, cut into slices: intervals of time over which the same was true of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from services.pipeline.domain.facts import Facts, Lived, lived_after, starts_of
from shared.kernel.journal import Assertion
from shared.sales.company import Company
from shared.sales.deal import created_on, deal_life
from shared.sales.references import Key, References, View


class Slice(NamedTuple):
    """What is true from `start` (inclusive) until `end` (exclusive; None: for ever).

    Both are the same instant for a stage that a deal passed through in no time.
    """

    start: datetime
    end: datetime | None
    facts: Facts

    def __hash__(self) -> int:
        """Of its start alone: hardly two slices of a deal have the same, and two dozen facts are slow to hash."""
        return hash(self.start)


class _Piece(NamedTuple):
    """One state as if it lasted for ever, and until which day of learning it need not be read again."""

    key: tuple[object, ...]
    starts: tuple[tuple[datetime, Facts], ...]
    """From each instant on these facts hold."""
    asked: frozenset[Key]
    learned: date | None


@dataclass(slots=True)
class Reading:
    """A deal's life as known on one day. When more is known that comes after it, it is read on from its last state.

    Never changed; not frozen, for that makes it slow to make.
    """

    assertions: Sequence[Assertion]
    settled: tuple[Slice, ...]
    """All slices but those of the last state, equal neighbours merged."""
    last: Lived
    born: date
    piece: _Piece
    """The last state, cut."""
    asked: frozenset[Key]
    learned: date | None
    """The first later day of learning on which an answer of the references was another one."""

    @property
    def slices(self) -> list[Slice]:
        """All of them, in order of time; they tile everything from the first state on."""
        merged = list(self.settled)
        _settle(merged, self.piece.starts, None)
        return merged

    @property
    def last_at(self) -> int:
        """Where the slices of the last state begin; one of them may have begun with a state before."""
        count = len(self.settled)
        return count if not count or self.slices[count - 1] == self.settled[-1] else count - 1

    def end(self, slices: Sequence[Slice], asked: frozenset[Key]) -> "Reading":
        """Only what it takes to go on after the last state, whose slices these are."""
        return ended_reading(self.assertions, self.last, slices, asked)

    def goes_on(self, assertions: Sequence[Assertion], known: date) -> bool:
        """Whether these are what was read here, whatever the references learned until then, and only later ones."""
        count = len(self.assertions)
        if (self.learned is not None and self.learned <= known) or self.assertions != assertions[:count]:
            return False
        new = assertions[count:]
        created = self.last.state.said.fields.get("created_on")
        return not new or (
            self.last.state.since < new[0].stamp.occurred_at
            and all(one.said.get("created_on", created) == created for one in new)
        )


class Reader:
    """Reads the lives of one deal, one day of learning after another. What reads the same again is read once."""

    def __init__(self, references: References, company: Company, before: Reading | None = None) -> None:
        self._references = references
        self._company = company
        self._before = before
        self.began_anew = False
        """Whether something did not merely go on what was read before."""
        self._pieces = {} if before is None else {before.last.identity: before.piece}

    def read(self, assertions: Sequence[Assertion], view: View) -> Reading:
        """The life as known on the view's day."""
        before = self._before
        if before is not None and not before.goes_on(assertions, view.known):
            before = None
            self.began_anew = True
        self._before = self._read(before, assertions, view)
        return self._before

    def _read(self, before: Reading | None, assertions: Sequence[Assertion], view: View) -> Reading:
        new, merged, last = assertions, list[Slice](), None
        if before is not None:
            new, merged, last = assertions[len(before.assertions) :], list(before.settled), before.last
            _ask(view, before.asked, before.learned)
        life = deal_life(new, view, self._company, before.last.state if before else None)
        born = before.born if before else created_on(life)
        for one, state in zip(new, life, strict=True):
            now = lived_after(last, one, state)
            if last is not None and not _is_hidden(last, now):
                _settle(merged, self._piece(last, born, view).starts, state.since)
            last = now
        assert last is not None  # noqa: S101 - nothing is read of a deal before its first state
        piece = self._piece(last, born, view)
        asked = piece.asked if piece.asked == view.asked else frozenset(view.asked)
        return Reading(assertions, tuple(merged), last, born, piece, asked, view.learned)

    def _piece(self, lived: Lived, born: date, view: View) -> _Piece:
        key = _key(lived, born)
        piece = self._pieces.get(lived.identity)
        if piece is None or piece.key != key or (piece.learned is not None and piece.learned <= view.known):
            own = View(self._references, view.known)
            starts = tuple(starts_of(lived, born, own, self._company))
            asked = self._before.asked if self._before and self._before.asked == own.asked else frozenset(own.asked)
            piece = self._pieces[lived.identity] = _Piece(key, starts, asked, own.learned)
        _ask(view, piece.asked, piece.learned)
        return piece


def ended_reading(
    assertions: Sequence[Assertion], last: Lived, slices: Sequence[Slice], asked: frozenset[Key]
) -> Reading:  # fmt: skip
    """The end of a life of these assertions, with the slices of its last state, as known now: nothing about it will be
    learned later without another assertion."""
    born = slices[0].facts.created_on
    piece = _Piece(_key(last, born), tuple((one.start, one.facts) for one in slices), asked, None)
    return Reading(assertions, (), last, born, piece, asked, None)


def _key(lived: Lived, born: date) -> tuple[object, ...]:
    """What a state's slices depend on, beside the references."""
    state = lived.state
    return state.since, state.pipeline, state.stage, state.alive, state.said.fields, lived.entry, born


def _ask(view: View, asked: Iterable[Key], learned: date | None) -> None:
    """As if the view had been asked for these, and one of its answers was another one on that day."""
    view.asked.update(asked)
    if learned is not None and (view.learned is None or learned < view.learned):
        view.learned = learned


def _is_hidden(lived: Lived, following: Lived) -> bool:
    """Whether a state lasted no time and was not even a visit to a stage: the next one holds from the same instant."""
    since = lived.state.since
    return since == following.state.since and not (lived.entry.at == since and lived.entry != following.entry)


def _settle(merged: list[Slice], starts: Sequence[tuple[datetime, Facts]], end: datetime | None) -> None:
    """Append the slices of a state that ends there, equal neighbours merged."""
    for one in _until(starts, end):
        last = merged[-1] if merged else None
        if last is not None and last.end == one.start and last.facts == one.facts:
            merged[-1] = Slice(last.start, one.end, last.facts)
        else:
            merged.append(one)


def _until(starts: Sequence[tuple[datetime, Facts]], end: datetime | None) -> Sequence[Slice]:
    """The slices of a state that ends there, or in the instant in which it began."""
    first, facts = starts[0]
    if len(starts) == 1 or end == first:  # mostly
        return (Slice(first, end, facts),)
    slices: list[Slice] = []
    for index, (start, facts) in enumerate(starts):
        stop = starts[index + 1][0] if index + 1 < len(starts) else None
        if stop is None or (end is not None and end < stop):
            stop = end
        if stop is None or start < stop:  # the state ended before, or a clock change has swallowed the whole day
            slices.append(Slice(start, stop, facts))
    return slices
