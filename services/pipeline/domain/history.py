"""A deal's life as rectangles: what was true of it over an interval of time, as known over an interval of days.

They tile, without overlap, everything between a deal's first state and for ever, on every day since it was known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from services.pipeline.domain.slices import Reader, Reading, Slice
from shared.kernel.journal import Journal
from shared.sales.company import Company
from shared.sales.references import Key, References
from shared.sales.timeline import as_learned


class Rectangle(NamedTuple):
    """A slice, and the business dates on which it was known: `known_until` is exclusive, None if it still is."""

    known_from: date
    known_until: date | None
    slice: Slice


class Difference(NamedTuple):
    """Rectangles that are gone, and those that came."""

    gone: set[Rectangle]
    come: set[Rectangle]


@dataclass(slots=True)
class History:
    """Everything that was ever known of one deal, or the end of it. Never changed."""

    day: date
    """The last one on which something was learned."""
    ended: tuple[Rectangle, ...]
    """No longer known."""
    open: tuple[Rectangle, ...]
    """Still known, in order of time."""
    asked: frozenset[Key]
    """The reference keys on which it depends."""
    reading: Reading
    """The life as known now."""

    @property
    def rectangles(self) -> tuple[Rectangle, ...]:
        """All of them."""
        return self.ended + self.open

    @property
    def slices(self) -> list[Slice]:
        """The life as known now."""
        return [one.slice for one in self.open]

    @property
    def end(self) -> "History":
        """All that it takes to go on when more is learned that comes after the last state: the rectangles of that
        state, and what ended on the last day and may hold again, for a day is known at its end."""
        open_ = self.open[self.reading.last_at :]
        begins = open_[0].slice.start
        ended = tuple(one for one in self.ended if one.known_until == self.day and begins <= one.slice.start)
        return History(self.day, ended, open_, self.asked, self.reading.end([one.slice for one in open_], self.asked))

    def learn(self, day: date, reading: Reading) -> "History":
        """What is known at the end of a later day; of the same day, if more was said on it."""
        was, ended = (self.open, self.ended) if self.day < day else self._eve()
        slices = reading.slices
        same = 0
        for one, before in zip(slices, was, strict=False):
            if one is not before.slice and one != before.slice:
                break
            same += 1
        since = {one.slice: one.known_from for one in was[same:]}
        rest = {one: Rectangle(since.get(one, day), None, one) for one in slices[same:]}
        gone = tuple(Rectangle(known, day, one) for one, known in since.items() if one not in rest)
        asked = reading.asked if self.asked <= reading.asked else self.asked | reading.asked
        return History(day, ended + gone, (*was[:same], *rest.values()), asked, reading)

    def _eve(self) -> tuple[tuple[Rectangle, ...], tuple[Rectangle, ...]]:
        """What was open and what had ended before the last day."""
        today = [one for one in self.ended if one.known_until == self.day]
        again = tuple(Rectangle(one.known_from, None, one.slice) for one in today)
        return (
            (*(one for one in self.open if one.known_from < self.day), *again),
            tuple(one for one in self.ended if one.known_until != self.day) if today else self.ended,
        )

    def since(self, before: "History") -> Difference:
        """What makes `before` this history; of an end, what makes it the history that has grown from it."""
        ended = _common(before.ended, self.ended)
        opened = _common(before.open, self.open)
        old = {*before.ended[ended:], *before.open[opened:]}
        new = {*self.ended[ended:], *self.open[opened:]}
        return Difference(old - new, new - old)


class Step(NamedTuple):
    """How a history goes on."""

    before: History | None
    """None: there was none, or it is not known how it was read."""
    after: History
    """All of it, or if `before` is the end of a history, what has grown from that."""


def history(journal: Journal, references: References, company: Company) -> History:
    """The history of a deal of which something is known. Pure: the same journal and references give the same one."""
    days = as_learned(journal, references, Reader(references, company).read)
    view, reading = next(days)
    open_ = tuple(Rectangle(view.known, None, one) for one in dict.fromkeys(reading.slices))
    made = History(view.known, (), open_, reading.asked, reading)
    for view, reading in days:
        made = made.learn(view.known, reading)
    return made


def step(end: History, heard: Journal, journal: Journal, references: References, company: Company) -> Step:
    """How the history of the journal `heard`, of which this is the end, goes on when the journal has grown. All of its
    references have stayed as they are."""
    after = _grown(end, heard, journal, references, company)
    if after is not None:
        return Step(end, after)
    return Step(history(heard, references, company), history(journal, references, company))


def _grown(
    end: History, heard: Journal, journal: Journal, references: References, company: Company
) -> History | None:  # fmt: skip
    """None if what is new does not merely come after the last state: then the whole life has to be read."""
    new = journal[len(heard) :]
    if not new or journal[: len(heard)] != heard:
        return None
    since = min(one.known_on for one in new)
    if since < end.day:
        return None
    reader = Reader(references, company, end.reading)
    made = end
    for view, reading in as_learned(journal, references, reader.read, since):
        if reader.began_anew:
            return None
        made = made.learn(view.known, reading)
    return made


def _common(left: Sequence[object], right: Sequence[object]) -> int:
    """How many are equal from the first one on."""
    count = 0
    for one, other in zip(left, right, strict=False):
        if one is not other and one != other:
            break
        count += 1
    return count
