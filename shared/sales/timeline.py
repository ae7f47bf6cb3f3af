"""The timeline of an entity: for each day on which we learned something that matters, what that knowledge changed."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from shared.kernel.journal import Assertion, Journal, known
from shared.kernel.ledger import Cell, Cells, Measures, difference, post
from shared.sales.references import Key, References, View

Life = TypeVar("Life")
Contribute = Callable[[list[Assertion], View], Cells]
"""An entity's life as known on the view's day → measures on cells, all with that day as `known_on`."""


@dataclass(frozen=True, slots=True)
class Folded:
    """What an entity ought to have posted, and every reference key on which that depends."""

    owed: Cells
    asked: frozenset[Key]


def as_learned(
    journal: Journal, references: References, read: Callable[[list[Assertion], View], Life]
) -> Iterator[tuple[View, Life]]:
    """What `read` makes of the assertions and references known at the end of each day of learning, oldest day first.

    A day is left out when nothing was learned about the entity and no answer that `read` was given changed.
    """
    days = sorted({one.known_on for one in journal})
    day = days[0] if days else None
    while day is not None:
        view = View(references, day)
        yield view, read(known(journal, day), view)
        day = _next(days, day, view.learned)


def timeline(journal: Journal, references: References, contribute: Contribute) -> Folded:
    """What the entity ought to have posted by now, exact as of any past day: on each day of learning the ledger
    receives that day's contribution minus the previous one."""
    owed: Cells = {}
    asked: set[Key] = set()
    before: Mapping[Cell, Measures] = {}
    for view, now in as_learned(journal, references, contribute):
        for cell, measures in difference(now, _as_of(before, view.known)).items():
            post(owed, cell, measures)
        asked |= view.asked
        before = now
    return Folded(owed, frozenset(asked))


def _as_of(cells: Mapping[Cell, Measures], day: date) -> Cells:
    return {cell._replace(known_on=day): measures for cell, measures in cells.items()}


def _next(days: list[date], day: date, learned: date | None) -> date | None:
    index = bisect_right(days, day)
    later = days[index] if index < len(days) else None
    if learned is None or (later is not None and later < learned):
        return later
    return learned
