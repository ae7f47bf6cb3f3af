"""A deal's life as rectangles: what was true of it over an interval of time, as known over an interval of days.

They tile, without overlap, everything between a deal's first state and for ever, on every day since it was known.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
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


class _Standing(NamedTuple):
    """What was known at the end of a day."""

    ended: tuple[Rectangle, ...] = ()
    """No longer known, in the order in which that was learned."""
    open: tuple[Rectangle, ...] = ()
    """Still known, in order of time."""
    asked: frozenset[Key] = frozenset()

    def learn(self, day: date, reading: Reading) -> "_Standing":
        """What is known at the end of a later day."""
        slices = reading.slices
        same = 0
        for one, was in zip(slices, self.open, strict=False):
            if one is not was.slice and one != was.slice:
                break
            same += 1
        since = {one.slice: one.known_from for one in self.open[same:]}
        rest = {one: Rectangle(since.get(one, day), None, one) for one in slices[same:]}
        ended = tuple(Rectangle(known, day, one) for one, known in since.items() if one not in rest)
        asked = reading.asked if self.asked <= reading.asked else self.asked | reading.asked
        return _Standing(self.ended + ended, (*self.open[:same], *rest.values()), asked)


@dataclass(slots=True)
class History:
    """Everything that was ever known of one deal, and what it takes to go on when more is learned. Never changed."""

    day: date
    """The last one on which something was learned."""
    eve: _Standing
    """At the end of the last day of learning before."""
    now: _Standing
    heard_before: int
    """Assertions known before `day`."""
    heard: int
    reading: Reading
    """The life as known now."""
    is_saved: bool = field(default=True, compare=False)
    """Whether the rows are known to say it: not if it was made again, perhaps by other rules than they were."""

    def __len__(self) -> int:
        """How much memory it takes, in assertions."""
        return 8 + len(self.now.ended) + len(self.now.open)

    @property
    def rectangles(self) -> tuple[Rectangle, ...]:
        """All of them."""
        return self.now.ended + self.now.open

    @property
    def asked(self) -> frozenset[Key]:
        """The reference keys on which it depends."""
        return self.now.asked

    @property
    def slices(self) -> list[Slice]:
        """The life as known now."""
        return [one.slice for one in self.now.open]

    def start(self, journal: Journal) -> tuple[_Standing, date, Reading] | None:
        """Where a longer journal goes on, and from which day on it is to be read; None if from the first one, because
        something new was known before the last day."""
        if sum(one.known_on < self.day for one in journal) != self.heard_before:
            return None
        if sum(one.known_on <= self.day for one in journal) != self.heard:
            return self.eve, self.day, self.reading
        return self.now, min(one.known_on for one in journal if self.day < one.known_on), self.reading

    def since(self, before: "History") -> "Difference":
        """What makes `before` this history."""
        ended = _common(before.now.ended, self.now.ended)
        opened = _common(before.now.open, self.now.open)
        old = {*before.now.ended[ended:], *before.now.open[opened:]}
        new = {*self.now.ended[ended:], *self.now.open[opened:]}
        return Difference(old - new, new - old)


class Difference(NamedTuple):
    """Rectangles that are gone, and those that came."""

    gone: set[Rectangle]
    come: set[Rectangle]


def history(journal: Journal, references: References, company: Company, before: History | None = None) -> History:
    """The history of a deal of which something is known. Pure: the same journal and references give the same one.

    `before` is one of fewer assertions about the same deal, all of whose references have stayed as they are: if
    everything new was learned on its last day or later, what was known until then is not read again.
    """
    if before is not None and len(journal) == before.heard:
        return before
    now, since, reading = (before and before.start(journal)) or (_Standing(), None, None)
    days = list(as_learned(journal, references, Reader(references, company, reading).read, since))
    eve = now
    for view, reading in days:
        eve, now = now, now.learn(view.known, reading)
    view, reading = days[-1]
    heard_before = sum(one.known_on < view.known for one in journal)
    return History(view.known, eve, now, heard_before, len(journal), reading)


def _common(left: Sequence[object], right: Sequence[object]) -> int:
    """How many are equal from the first one on."""
    count = 0
    for one, other in zip(left, right, strict=False):
        if one is not other and one != other:
            break
        count += 1
    return count
