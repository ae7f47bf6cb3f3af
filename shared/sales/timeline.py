"""The timeline of an entity: for each day on which we learned something that matters, what that knowledge changed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from shared.kernel.journal import Assertion, Journal, known
from shared.kernel.ledger import Cell, Cells, Measures, difference, post
from shared.sales.references import Key, References, View

Contribute = Callable[[list[Assertion], View], Cells]
"""An entity's life as known on the view's day → measures on cells, all with that day as `known_on`."""


@dataclass(frozen=True, slots=True)
class Folded:
    """What an entity ought to have posted, and every reference key on which that depends."""

    owed: Cells
    asked: frozenset[Key]


def timeline(journal: Journal, references: References, contribute: Contribute) -> Folded:
    """What the entity ought to have posted by now, exact as of any past day.

    On each day of learning the ledger receives that day's contribution minus the previous one. Days on which neither
    the entity nor a reference value that it asked for changed are never computed.
    """
    days = sorted({one.known_on for one in journal})
    owed: Cells = {}
    asked: set[Key] = set()
    before: Mapping[Cell, Measures] = {}
    day = days[0] if days else None
    while day is not None:
        view = View(references, day)
        now = contribute(known(journal, day), view)
        for cell, measures in difference(now, _as_of(before, day)).items():
            post(owed, cell, measures)
        asked |= view.asked
        before = now
        day = _next(day, days, view.learned)
    return Folded(owed, frozenset(asked))


def _as_of(cells: Mapping[Cell, Measures], day: date) -> Cells:
    return {cell._replace(known_on=day): measures for cell, measures in cells.items()}


def _next(day: date, days: list[date], learned: date | None) -> date | None:
    later = next((one for one in days if one > day), None)
    if learned is not None and (later is None or learned < later):
        return learned
    return later
