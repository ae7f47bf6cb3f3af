"""An entity's life as known on each day of learning: only days on which something that matters changed are read."""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from datetime import date
from typing import TypeVar

from shared.kernel.journal import Assertion, Journal, known
from shared.sales.references import References, View

Life = TypeVar("Life")


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


def _next(days: list[date], day: date, learned: date | None) -> date | None:
    index = bisect_right(days, day)
    later = days[index] if index < len(days) else None
    if learned is None or (later is not None and later < learned):
        return later
    return learned
